"""The training loop: the best weights come back, whatever happens on the way."""

import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from skmaf.flows import Flow, make_flow
from skmaf.training.budget import Budget
from skmaf.training.hiding import ABSENT, Hiding
from skmaf.training.loop import (
    History,
    WeightedRows,
    in_batches,
    joined,
    mean_log_prob,
    train,
    weighted_rows,
)
from skmaf.training.noise import NoiseLevels, dequantise
from skmaf.training.optimiser import (
    WARM_UP,
    AdamW,
    Gradients,
    schedule,
)


def new_flow(seed=0, n_context=0):
    return make_flow(
        2,
        bijector="spline",
        n_layers=2,
        hidden_layer_sizes=(16,),
        activation="relu",
        n_bins=4,
        generator=torch.Generator().manual_seed(seed),
        n_context=n_context,
    )


def draw(n_rows, seed):
    """Rows of weight 1."""
    x = torch.randn(n_rows, 2, generator=torch.Generator().manual_seed(seed))
    return weighted(torch.stack([x[:, 0], x[:, 0].square() + 0.3 * x[:, 1] - 1], dim=1))


def weighted(x):
    return WeightedRows(x, torch.ones(len(x)))


def run(flow, rows, validation, *, on_epoch=lambda history: False, seed=0, **changes):
    """`train` with settings for small tables, all of which may be changed."""
    settings = {"steps": torch.zeros(2), "tol": 0.0}
    budget = {
        "n_epochs": 30,
        "batch_size": 32,
        "learning_rate": 1e-2,
        "weight_decay": 0.0,
        "patience": 1000,
    }
    for name, value in changes.items():
        (budget if name in budget else settings)[name] = value
    generator = torch.Generator().manual_seed(seed)
    return train(
        flow,
        rows,
        validation,
        budget=Budget(**budget),
        generator=generator,
        on_epoch=on_epoch,
        **settings,
    )


def weights(flow):
    return torch.cat([p.detach().flatten() for p in flow.parameters()])


def disturb(monkeypatch, action):
    """Let ``action(step, log_prob)`` change what the flow gives at each training step, from 0."""
    genuine = Flow.log_prob
    steps = []

    def log_prob(self, x, context=None):
        if not torch.is_grad_enabled():
            return genuine(self, x, context)
        steps.append(None)
        return action(len(steps) - 1, genuine(self, x, context))

    monkeypatch.setattr(Flow, "log_prob", log_prob)


def record_batches(monkeypatch):
    """A list of the rows and contexts of all calls of `Flow.log_prob`, as they come."""
    seen = []
    genuine = Flow.log_prob

    def log_prob(self, x, context=None):
        seen.append((x.detach(), context))
        return genuine(self, x, context)

    monkeypatch.setattr(Flow, "log_prob", log_prob)
    return seen


def test_training_raises_the_likelihood():
    flow = new_flow()
    x = draw(500, 0)
    x_val = draw(300, 1)
    before = mean_log_prob(flow, x_val)
    history = run(flow, x, x_val, n_epochs=12)
    assert mean_log_prob(flow, x_val) > before + 0.5
    assert len(history.loss_curve) == len(history.validation_scores) == 12
    assert history.loss_curve[-1] < history.loss_curve[0]
    assert not history.converged and not history.interrupted


@pytest.mark.slow
def test_best_weights_are_restored_at_max_epochs():
    """Few rows, which training fits too well: the best epoch is in the middle."""
    flow = new_flow()
    x = draw(20, 0)
    x_val = draw(300, 1)
    history = run(flow, x, x_val, n_epochs=300, batch_size=20)
    scores = history.validation_scores
    assert not history.converged and len(scores) == 300
    assert 0 < np.argmax(scores) < 299 and scores[-1] < max(scores) - 0.05
    assert mean_log_prob(flow, x_val) == pytest.approx(max(scores), abs=1e-5)


def test_patience_ends_the_training():
    flow = new_flow()
    x = draw(20, 0)
    x_val = draw(300, 1)
    history = run(flow, x, x_val, n_epochs=3000, batch_size=20, patience=25, tol=1e-3)
    scores = np.array(history.validation_scores)
    assert history.converged and len(scores) < 3000
    assert max(scores[-25:]) <= max(scores[:-25]) + 1e-3
    assert scores[-26] == pytest.approx(max(scores[:-25]), abs=1e-3)
    assert mean_log_prob(flow, x_val) == pytest.approx(max(scores), abs=1e-5)


def test_epochs_that_fit_the_training_rows_worse_do_not_count_for_patience(monkeypatch):
    """A training that was thrown back goes on, where one that fits too well has ended."""
    settings = {"n_epochs": 300, "batch_size": 20, "patience": 25, "tol": 1e-3}
    x = draw(20, 0)
    x_val = draw(300, 1)
    assert run(new_flow(), x, x_val, **settings).converged
    # the same gradients, with losses that rise
    disturb(monkeypatch, lambda step, log_prob: log_prob - 10 * step)
    history = run(new_flow(), x, x_val, **settings)
    assert not history.converged and len(history.loss_curve) == 300
    assert np.argmax(history.validation_scores) < 200


def test_gains_below_the_tolerance_do_not_count_for_patience():
    """But their weights do: the best ones come back all the same."""
    flow = new_flow()
    x = draw(500, 0)
    x_val = draw(300, 1)
    before = mean_log_prob(flow, x_val)
    history = run(flow, x, x_val, patience=6, tol=100.0)
    assert history.converged and len(history.validation_scores) == 6
    assert mean_log_prob(flow, x_val) == pytest.approx(max(history.validation_scores), abs=1e-5)
    assert mean_log_prob(flow, x_val) > before


def test_without_validation_rows_all_epochs_run():
    flow = new_flow()
    x = draw(200, 0)
    before = mean_log_prob(flow, x)
    history = run(flow, x, None, n_epochs=20, patience=1)
    assert len(history.loss_curve) == 20 and history.validation_scores == []
    assert mean_log_prob(flow, x) > before + 0.3


@pytest.mark.slow
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("bad_steps", [{0}, {20}, {20, 21, 22, 45}, set(range(50, 10**6))])
def test_non_finite_loss_is_survived(bad, bad_steps, monkeypatch):
    flow = new_flow()
    x = draw(160, 0)
    x_val = draw(100, 1)
    disturb(
        monkeypatch, lambda step, log_prob: log_prob * 0 + bad if step in bad_steps else log_prob
    )
    history = run(flow, x, x_val, n_epochs=15)
    assert np.isfinite(history.loss_curve).all() and np.isfinite(history.validation_scores).all()
    assert weights(flow).isfinite().all()
    assert mean_log_prob(flow, x_val) == pytest.approx(max(history.validation_scores), abs=1e-5)
    assert mean_log_prob(flow, x_val) > mean_log_prob(new_flow(), x_val) + 0.1


@pytest.mark.slow
def test_after_a_non_finite_loss_the_best_weights_go_on_at_a_lower_rate(monkeypatch):
    flow = new_flow()
    x = draw(320, 0)
    x_val = draw(300, 1)
    score = []
    after = []

    def action(step, log_prob):
        if step in {31, 32}:  # the first two after the bad one, which ends its epoch
            after.append(weights(flow))
            score.append(mean_log_prob(flow, x_val))
        return log_prob * np.nan if step == 30 else log_prob

    disturb(monkeypatch, action)
    history = run(flow, x, x_val)
    assert len(history.loss_curve) == 29
    assert score[0] == pytest.approx(max(history.validation_scores[:3]), abs=1e-5)
    # the first step of Adam is as long as its rate
    assert (after[1] - after[0]).abs().max() < 0.75 * 1e-2


def test_nothing_but_non_finite_losses_leaves_the_start(monkeypatch):
    flow = new_flow()
    x = draw(100, 0)
    start = weights(flow).clone()
    disturb(monkeypatch, lambda step, log_prob: log_prob * np.nan)
    run(flow, x, draw(50, 1))
    assert torch.equal(weights(flow), start)


@pytest.mark.parametrize("with_validation", [True, False])
@pytest.mark.parametrize("bad_steps", [{0}, {5, 27}, {74}])
def test_non_finite_gradient_is_survived(bad_steps, with_validation, monkeypatch):
    """The loss is fine and its gradient is not: the square root of 0. Step 74 is the last one."""
    flow = new_flow()
    x = draw(160, 0)
    x_val = draw(100, 1)
    before = mean_log_prob(flow, x_val)
    disturb(monkeypatch, lambda step, p: p + (p * 0).abs().sqrt() if step in bad_steps else p)
    run(flow, x, x_val if with_validation else None, n_epochs=15)
    assert weights(flow).isfinite().all()
    assert mean_log_prob(flow, x_val) > before + 0.1


@pytest.mark.slow
def test_extreme_learning_rate_never_gives_a_broken_flow():
    flow = new_flow()
    x = draw(200, 0)
    x_val = draw(200, 1)
    before = mean_log_prob(flow, x_val)
    run(flow, x, x_val, learning_rate=1e4)
    assert weights(flow).isfinite().all()
    assert mean_log_prob(flow, x_val) >= before


@pytest.mark.parametrize("last", [1, 7])
def test_interrupt_between_epochs_leaves_the_best_weights(last):
    def stop(history):
        if len(history.loss_curve) == last:
            raise KeyboardInterrupt

    flow = new_flow()
    x_val = draw(300, 1)
    history = run(flow, draw(200, 0), x_val, on_epoch=stop)
    assert history.interrupted and not history.converged
    assert len(history.validation_scores) == last
    assert mean_log_prob(flow, x_val) == pytest.approx(max(history.validation_scores), abs=1e-5)


@pytest.mark.parametrize("step", [0, 33])
@pytest.mark.parametrize("with_validation", [True, False])
def test_interrupt_within_an_epoch_leaves_usable_weights(step, with_validation, monkeypatch):
    def interrupt(now, log_prob):
        if now == step:
            raise KeyboardInterrupt
        return log_prob

    flow = new_flow()
    x_val = draw(300, 1)
    before = mean_log_prob(flow, x_val)
    disturb(monkeypatch, interrupt)
    history = run(flow, draw(320, 0), x_val if with_validation else None)
    assert history.interrupted
    assert len(history.loss_curve) == step // 10
    assert mean_log_prob(flow, x_val) >= before


def test_on_epoch_is_called_after_each_epoch():
    lengths = []
    run(
        new_flow(),
        draw(100, 0),
        draw(50, 1),
        n_epochs=4,
        on_epoch=lambda history: lengths.append(len(history.loss_curve)),
    )
    assert lengths == [1, 2, 3, 4]


def test_training_follows_its_generator():
    def trained(seed):
        flow = new_flow()
        run(flow, draw(200, 0), None, seed=seed, n_epochs=3, steps=torch.tensor([0.1, 0.0]))
        return weights(flow)

    assert torch.equal(trained(0), trained(0))
    assert not torch.equal(trained(0), trained(1))


def test_rows_are_dequantised(monkeypatch):
    seen = record_batches(monkeypatch)
    run(
        new_flow(),
        weighted(torch.zeros(1000, 2)),
        None,
        n_epochs=2,
        batch_size=1000,
        steps=torch.tensor([0.5, 0.0]),
    )
    (first, _), (second, _) = seen
    assert first.shape == (1000, 2)
    assert (first[:, 1] == 0).all()
    assert first[:, 0].abs().max() <= 0.25
    assert first[:, 0].std().item() == pytest.approx(0.5 / 12**0.5, rel=0.1)
    assert not torch.equal(first, second)


def test_every_row_is_seen_once_in_an_epoch(monkeypatch):
    seen = record_batches(monkeypatch)
    rows = draw(103, 0)
    run(new_flow(), rows, None, n_epochs=1, batch_size=10)
    x = torch.cat([x for x, _ in seen])
    assert torch.equal(x[x[:, 0].argsort()], rows.x[rows.x[:, 0].argsort()])


def test_nothing_global_is_touched():
    def state():
        return (
            torch.get_rng_state().tolist(),
            [
                part.tolist() if isinstance(part, np.ndarray) else part
                for part in np.random.get_state()
            ],
            random.getstate(),
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
        )

    before = state()
    run(new_flow(), draw(100, 0), draw(50, 1), n_epochs=3)
    assert state() == before


def test_baseline_keeps_a_far_row_from_deciding():
    """Without it the best weights are those that know the least, as one far row demands."""
    x = draw(300, 1).x
    x[0] = 40.0
    baseline = torch.full((300,), -8.0, dtype=torch.float64)
    scores = {}
    for name, rows in {
        "alone": weighted(x),
        "beside": weighted(x)._replace(baseline=baseline),
    }.items():
        flow = new_flow()
        run(flow, draw(300, 0), rows, n_epochs=8)
        scores[name] = mean_log_prob(flow, draw(300, 2))
    assert scores["beside"] > scores["alone"] + 0.1


def test_score_beside_a_baseline_is_that_of_the_mixture():
    flow = new_flow()
    rows = draw(50, 0)
    baseline = torch.linspace(-9, 1, 50, dtype=torch.float64)
    mixture = (0.9 * flow.log_prob(rows.x).double().exp() + 0.1 * baseline.exp()).log()
    assert mean_log_prob(flow, rows._replace(baseline=baseline)) == pytest.approx(
        mixture.mean().item()
    )


def test_score_counts_weights_and_contexts():
    flow = new_flow(n_context=1)
    with torch.no_grad():
        for weight in flow.parameters():
            weight += 0.3 * torch.randn(
                weight.shape, generator=torch.Generator().manual_seed(weight.numel())
            )
    x = draw(60, 0).x
    context = torch.linspace(-1, 1, 60)[:, None]
    row_weights = torch.linspace(0, 2, 60)
    expected = (flow.log_prob(x, context) * row_weights).mean().item()
    rows = WeightedRows(x, row_weights, context)
    assert mean_log_prob(flow, rows) == pytest.approx(expected, rel=1e-5)
    assert mean_log_prob(flow, rows._replace(context=-context)) != pytest.approx(expected, rel=1e-3)


def test_flow_learns_what_depends_on_the_context():
    """The mean of the first column is the context."""
    context = torch.linspace(-2, 2, 300)[:, None]
    x = 0.3 * draw(300, 0).x + torch.cat([context, 0 * context], dim=1)
    rows = WeightedRows(x, torch.ones(300), context)
    flow = new_flow(n_context=1)
    history = run(flow, rows, rows, n_epochs=15)
    assert history.best_score == pytest.approx(mean_log_prob(flow, rows), abs=1e-5)
    assert history.best_score > mean_log_prob(flow, rows._replace(context=-context)) + 1


def test_every_row_keeps_its_context(monkeypatch):
    seen = record_batches(monkeypatch)
    rows = draw(103, 0)
    with_context = rows._replace(context=rows.x.sum(1, keepdim=True))
    run(new_flow(n_context=1), with_context, with_context, n_epochs=2, batch_size=10)
    assert len(seen) == 2 * 10 + 3  # the validation rows are scored before, and after each epoch
    for x, context in seen:
        torch.testing.assert_close(context, x.sum(1, keepdim=True))


def test_numbers_drawn_for_a_context_change_no_place():
    """Places are those that rows with the context behind them would have."""
    x = draw(20, 0).x
    steps = torch.tensor([0.5, 2.0])
    generator = torch.Generator().manual_seed(0)
    places = torch.rand(20, 5, generator=torch.Generator().manual_seed(0))[:, :2] - 0.5
    assert torch.equal(dequantise(x, steps, 3, generator), x + places * steps)
    double = dequantise(x.double(), steps.double(), 0, generator)
    assert double.dtype == torch.float64
    assert ((double - x).abs() <= steps / 2).all()


def test_noise_comes_with_its_level():
    noise = NoiseLevels(0.1, 10.0)
    x, context = noise.add(torch.zeros(4000, 2), torch.Generator().manual_seed(0))
    assert context.shape == (4000, 1)
    assert context.min() < -0.99 and context.max() > 0.99
    standardised = x / noise.level(context)
    assert standardised.std(0).tolist() == pytest.approx([1, 1], abs=0.05)
    assert noise.level(noise.contexts(3)).tolist() == pytest.approx([0.1, 1.0, 10.0])


def test_half_of_the_rows_lose_cells_with_all_their_dimensions():
    """Two columns of the table: one with a code and a value, one with a value."""
    hiding = Hiding(np.array([0, 0, 1]), n_codes=1)
    x = torch.ones(20_000, 3)
    hidden = hiding.hide(x, torch.Generator().manual_seed(0))
    is_hidden = hidden != 1
    assert torch.equal(is_hidden[:, 0], is_hidden[:, 1])
    assert (hidden[is_hidden[:, 0], 0] == ABSENT).all()
    assert hidden[:, 1:].isnan().equal(is_hidden[:, 1:])
    # a rate that is uniform in half of the rows hides both cells with probability 1/2 * 1/3
    assert is_hidden.float().mean(0).tolist() == pytest.approx([0.25] * 3, abs=0.015)
    assert is_hidden.all(1).float().mean().item() == pytest.approx(1 / 6, abs=0.01)
    assert (x == 1).all()


def test_cells_are_hidden_anew_in_each_epoch(monkeypatch):
    shown = []
    genuine = Hiding.hide

    def hide(self, x, generator):
        shown.append(genuine(self, x, generator))
        return x

    monkeypatch.setattr(Hiding, "hide", hide)
    hiding = Hiding(np.array([0, 1]), n_codes=0)
    run(new_flow(), draw(100, 0), None, n_epochs=2, batch_size=100, hiding=hiding)
    first, second = shown
    assert 0 < first.isnan().sum() < first.numel()
    assert not torch.equal(first.isnan(), second.isnan())


def test_arrays_become_rows_of_the_flow():
    rows = weighted_rows(
        new_flow(), np.eye(3, 2), np.array([1.0, 2, 3]), np.ones((3, 1)), np.zeros(3)
    )
    assert rows.x.dtype == rows.weights.dtype == rows.context.dtype == torch.float32
    assert rows.weights.tolist() == pytest.approx([0.5, 1.0, 1.5])
    assert rows.baseline.dtype == torch.float64  # scores are added up in double precision
    empty = weighted_rows(new_flow(), np.eye(3, 2), np.ones(3), np.ones((3, 0)))
    assert empty.context is None and empty.baseline is None


@pytest.mark.parametrize("n_rows", [0, 1, 100_000])
def test_batches_together_give_all_rows(n_rows):
    x = torch.arange(n_rows, dtype=torch.float32)
    sizes = []

    def doubled(rows, nothing, same):
        assert nothing is None and torch.equal(rows, same)
        sizes.append(len(rows))
        return 2 * rows

    flow = new_flow()
    assert torch.equal(in_batches(doubled, flow, x, None, x), 2 * x)
    assert max(sizes) <= flow.batch_rows


def test_histories_of_parts_are_added():
    """The last number of the shorter curve goes on."""
    first = History([3.0, 2.0, 1.0], [-3.0, -2.0, -1.0], best_score=-1.0, converged=True)
    second = History([10.0], [-20.0], best_score=-20.0, converged=True, interrupted=True)
    assert joined([first]) is first
    assert joined([first, second]) == History(
        [13.0, 12.0, 11.0], [-23.0, -22.0, -21.0], -21.0, converged=True, interrupted=True
    )
    nothing = History(best_score=0.0, converged=True)
    assert joined([nothing, first]) == first
    assert not joined([History(), first]).converged


def test_rate_climbs_and_falls():
    rates = [schedule(n, 1000) for n in range(1001)]
    top = int(WARM_UP * 1000)
    assert 0 < rates[0] < 0.1 and max(rates) == pytest.approx(1, abs=0.01)
    assert np.argmax(rates) == top - 1
    assert (np.diff(rates[top:]) < 0).all()
    assert rates[500] == pytest.approx(0.5) and rates[-1] == pytest.approx(0, abs=1e-6)


def test_scores_that_are_no_number_leave_the_start(monkeypatch):
    """The flow is still whole where every validation score is NaN."""
    flow = new_flow()
    start = weights(flow).clone()
    rows = draw(50, 1)
    history = run(flow, draw(100, 0), weighted(rows.x * torch.nan), n_epochs=3)
    assert set(history.validation_scores) == {-np.inf}
    assert torch.equal(weights(flow), start)


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_steps_are_those_of_torch(weight_decay):
    """With gradients above and below the largest norm."""
    flow = new_flow()
    other = new_flow()
    rows = draw(64, 0).x
    gradients = Gradients(flow.parameters())
    ours = AdamW(gradients.weights, weight_decay)
    theirs = torch.optim.AdamW(other.parameters(), weight_decay=weight_decay)
    most = 5.0
    norms = []
    for rate, scale in [(1e-3, 1.0), (1e-2, 100.0), (2e-2, 1.0), (5e-3, 0.1)]:
        gradients.take(lambda part, scale=scale: -scale * flow.log_prob(rows).mean(), 64)
        assert gradients.clip(most)
        ours.move(rate)
        theirs.param_groups[0]["lr"] = rate
        theirs.zero_grad()
        (-scale * other.log_prob(rows).mean()).backward()
        norms.append(torch.nn.utils.clip_grad_norm_(other.parameters(), most))
        theirs.step()
    assert min(norms) < most < max(norms)
    for weight, expected in zip(flow.parameters(), other.parameters()):
        torch.testing.assert_close(weight, expected, rtol=1e-5, atol=1e-7)


def test_a_gradient_that_is_not_finite_is_told():
    weight = torch.nn.Parameter(torch.zeros(3))
    gradients = Gradients([weight])
    gradients.take(lambda part: weight.sqrt().sum(), 1)
    assert not gradients.clip(1.0)
    gradients.take(lambda part: weight.sum(), 1)
    assert gradients.clip(1.0)


@pytest.mark.slow
def test_training_imports_no_compiler():
    """It would take seconds."""
    code = """if True:
        import sys
        import numpy as np
        from skmaf import MAFDensity, VariationalFlow
        MAFDensity(max_iter=1, early_stopping=False).fit(np.eye(9, 2))
        VariationalFlow(lambda x: -x.square().sum(1) / 2, 2, max_iter=1).fit()
        sys.exit("torch._dynamo" in sys.modules)
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
