"""The training loop: the best weights come back, whatever happens on the way."""

import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from skmaf.flows import Flow, make_flow
from skmaf.training.budget import Budget
from skmaf.training.loop import MAX_GRADIENT_NORM, AdamW, WeightedRows, mean_log_prob, train


def new_flow(seed=0):
    return make_flow(
        2,
        bijector="spline",
        n_layers=2,
        hidden_layer_sizes=(16,),
        activation="relu",
        n_bins=4,
        generator=torch.Generator().manual_seed(seed),
    )


def draw(n_rows, seed):
    """Rows of weight 1."""
    x = torch.randn(n_rows, 2, generator=torch.Generator().manual_seed(seed))
    return weighted(torch.stack([x[:, 0], x[:, 0].square() + 0.3 * x[:, 1] - 1], dim=1))


def weighted(x):
    return WeightedRows(x, torch.ones(len(x)))


def run(flow, rows, held_out, *, on_epoch=lambda history: None, seed=0, **changes):
    """`train` with settings for small tables, all of which may be changed."""
    settings = dict(widths=torch.zeros(2), tol=0.0)
    budget = dict(n_epochs=30, batch_size=32, learning_rate=1e-2, weight_decay=0.0, patience=1000)
    for name, value in changes.items():
        (budget if name in budget else settings)[name] = value
    generator = torch.Generator().manual_seed(seed)
    return train(
        flow,
        rows,
        held_out,
        budget=Budget(**budget),
        generator=generator,
        on_epoch=on_epoch,
        **settings,
    )


def weights(flow):
    return torch.cat([p.detach().flatten() for p in flow.parameters()])


def disturb(monkeypatch, action):
    """Let ``action(step, log_prob)`` change what the flow gives at each training step, counted from 0."""
    genuine, steps = Flow.log_prob, []

    def log_prob(self, x, context=None):
        if not torch.is_grad_enabled():
            return genuine(self, x, context)
        steps.append(None)
        return action(len(steps) - 1, genuine(self, x, context))

    monkeypatch.setattr(Flow, "log_prob", log_prob)


def test_training_raises_the_likelihood():
    flow, x, x_val = new_flow(), draw(500, 0), draw(300, 1)
    before = mean_log_prob(flow, x_val)
    history = run(flow, x, x_val)
    assert mean_log_prob(flow, x_val) > before + 0.5
    assert len(history.loss_curve) == len(history.validation_scores) == 30
    assert history.loss_curve[-1] < history.loss_curve[0]
    assert not history.converged and not history.interrupted


def test_best_weights_are_restored_at_max_epochs():
    """A few rows, overfitted: the best epoch lies in the middle."""
    flow, x, x_val = new_flow(), draw(20, 0), draw(300, 1)
    history = run(flow, x, x_val, n_epochs=300, batch_size=20)
    scores = history.validation_scores
    assert not history.converged and len(scores) == 300
    assert 0 < np.argmax(scores) < 299 and scores[-1] < max(scores) - 0.05
    assert mean_log_prob(flow, x_val) == pytest.approx(max(scores), abs=1e-5)


def test_patience_ends_the_training():
    flow, x, x_val = new_flow(), draw(20, 0), draw(300, 1)
    history = run(flow, x, x_val, n_epochs=3000, batch_size=20, patience=25, tol=1e-3)
    scores = np.array(history.validation_scores)
    assert history.converged and len(scores) < 3000
    assert max(scores[-25:]) <= max(scores[:-25]) + 1e-3
    assert scores[-26] == pytest.approx(max(scores[:-25]), abs=1e-3)
    assert mean_log_prob(flow, x_val) == pytest.approx(max(scores), abs=1e-5)


def test_gains_below_the_tolerance_do_not_count_for_patience():
    """But their weights do: the best ones come back all the same."""
    flow, x, x_val = new_flow(), draw(500, 0), draw(300, 1)
    before = mean_log_prob(flow, x_val)
    history = run(flow, x, x_val, patience=6, tol=100.0)
    assert history.converged and len(history.validation_scores) == 6
    assert mean_log_prob(flow, x_val) == pytest.approx(max(history.validation_scores), abs=1e-5)
    assert mean_log_prob(flow, x_val) > before


def test_without_held_out_rows_all_epochs_run():
    flow, x = new_flow(), draw(200, 0)
    before = mean_log_prob(flow, x)
    history = run(flow, x, None, n_epochs=20, patience=1)
    assert len(history.loss_curve) == 20 and history.validation_scores == []
    assert mean_log_prob(flow, x) > before + 0.3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("bad_steps", [{0}, {40}, {40, 41, 42, 90}, set(range(100, 10**6))])
def test_non_finite_loss_is_survived(bad, bad_steps, monkeypatch):
    flow, x, x_val = new_flow(), draw(320, 0), draw(300, 1)
    disturb(
        monkeypatch, lambda step, log_prob: log_prob * 0 + bad if step in bad_steps else log_prob
    )
    history = run(flow, x, x_val)
    assert np.isfinite(history.loss_curve).all() and np.isfinite(history.validation_scores).all()
    assert weights(flow).isfinite().all()
    assert mean_log_prob(flow, x_val) == pytest.approx(max(history.validation_scores), abs=1e-5)
    assert mean_log_prob(flow, x_val) > mean_log_prob(new_flow(), x_val) + 0.1


def test_after_a_non_finite_loss_the_best_weights_go_on_at_a_lower_rate(monkeypatch):
    flow, x, x_val = new_flow(), draw(320, 0), draw(300, 1)
    score, after = [], []

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
    flow, x = new_flow(), draw(100, 0)
    start = weights(flow).clone()
    disturb(monkeypatch, lambda step, log_prob: log_prob * np.nan)
    run(flow, x, draw(50, 1))
    assert torch.equal(weights(flow), start)


@pytest.mark.parametrize("held_out", [True, False])
@pytest.mark.parametrize("bad_steps", [{0}, {5, 55}, {299}])
def test_non_finite_gradient_is_survived(bad_steps, held_out, monkeypatch):
    """The loss is fine and its gradient is not: the square root of 0. Step 299 is the last one."""
    flow, x, x_val = new_flow(), draw(320, 0), draw(300, 1)
    before = mean_log_prob(flow, x_val)
    disturb(monkeypatch, lambda step, p: p + (p * 0).abs().sqrt() if step in bad_steps else p)
    run(flow, x, x_val if held_out else None)
    assert weights(flow).isfinite().all()
    assert mean_log_prob(flow, x_val) > before + 0.1


def test_extreme_learning_rate_never_gives_a_broken_flow():
    flow, x, x_val = new_flow(), draw(200, 0), draw(200, 1)
    before = mean_log_prob(flow, x_val)
    run(flow, x, x_val, learning_rate=1e4)
    assert weights(flow).isfinite().all()
    assert mean_log_prob(flow, x_val) >= before


@pytest.mark.parametrize("last", [1, 7])
def test_interrupt_between_epochs_leaves_the_best_weights(last):
    def stop(history):
        if len(history.loss_curve) == last:
            raise KeyboardInterrupt

    flow, x_val = new_flow(), draw(300, 1)
    history = run(flow, draw(200, 0), x_val, on_epoch=stop)
    assert history.interrupted and not history.converged
    assert len(history.validation_scores) == last
    assert mean_log_prob(flow, x_val) == pytest.approx(max(history.validation_scores), abs=1e-5)


@pytest.mark.parametrize("step", [0, 33])
@pytest.mark.parametrize("held_out", [True, False])
def test_interrupt_within_an_epoch_leaves_usable_weights(step, held_out, monkeypatch):
    def interrupt(now, log_prob):
        if now == step:
            raise KeyboardInterrupt
        return log_prob

    flow, x_val = new_flow(), draw(300, 1)
    before = mean_log_prob(flow, x_val)
    disturb(monkeypatch, interrupt)
    history = run(flow, draw(320, 0), x_val if held_out else None)
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
        run(flow, draw(200, 0), None, seed=seed, n_epochs=3, widths=torch.tensor([0.1, 0.0]))
        return weights(flow)

    assert torch.equal(trained(0), trained(0))
    assert not torch.equal(trained(0), trained(1))


def test_rows_are_spread_over_the_widths(monkeypatch):
    seen = []
    genuine = Flow.log_prob
    monkeypatch.setattr(
        Flow, "log_prob", lambda self, x, _: seen.append(x.detach()) or genuine(self, x)
    )
    run(
        new_flow(),
        weighted(torch.zeros(1000, 2)),
        None,
        n_epochs=2,
        batch_size=1000,
        widths=torch.tensor([0.5, 0.0]),
    )
    first, second = seen
    assert first.shape == (1000, 2)
    assert (first[:, 1] == 0).all()
    assert first[:, 0].abs().max() <= 0.25
    assert first[:, 0].std().item() == pytest.approx(0.5 / 12**0.5, rel=0.1)
    assert not torch.equal(first, second)


def test_every_row_is_seen_once_in_an_epoch(monkeypatch):
    seen = []
    genuine = Flow.log_prob
    monkeypatch.setattr(
        Flow, "log_prob", lambda self, x, _: seen.append(x.detach()) or genuine(self, x)
    )
    x = draw(103, 0)
    run(new_flow(), x, None, n_epochs=1, batch_size=10)
    seen, expected = torch.cat(seen), x.x
    assert torch.equal(seen[seen[:, 0].argsort()], expected[expected[:, 0].argsort()])


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


def test_background_keeps_a_far_row_from_deciding():
    """Without it, the best weights are those that know the least, as one far row among many says."""
    x = draw(300, 1).x
    x[0] = 40.0
    background = torch.full((300,), -8.0, dtype=torch.float64)
    scores = {}
    for name, rows in {
        "alone": weighted(x),
        "beside": weighted(x)._replace(background=background),
    }.items():
        flow = new_flow()
        run(flow, draw(500, 0), rows, n_epochs=20)
        scores[name] = mean_log_prob(flow, draw(300, 2))
    assert scores["beside"] > scores["alone"] + 0.1


def test_score_beside_a_background_is_that_of_the_mixture():
    flow, rows = new_flow(), draw(50, 0)
    background = torch.linspace(-9, 1, 50, dtype=torch.float64)
    mixture = (0.9 * flow.log_prob(rows.x).double().exp() + 0.1 * background.exp()).log()
    assert mean_log_prob(flow, rows._replace(background=background)) == pytest.approx(
        mixture.mean().item()
    )


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_steps_are_those_of_torch(weight_decay):
    """With gradients above and below the largest norm."""
    flow, other, rows = new_flow(), new_flow(), draw(64, 0).x
    ours = AdamW(flow.parameters(), weight_decay)
    theirs = torch.optim.AdamW(other.parameters(), weight_decay=weight_decay)
    norms = []
    for rate, scale in [(1e-3, 1.0), (1e-2, 100.0), (2e-2, 1.0), (5e-3, 0.1)]:
        assert ours.step(-scale * flow.log_prob(rows).mean(), rate)
        theirs.param_groups[0]["lr"] = rate
        theirs.zero_grad()
        (-scale * other.log_prob(rows).mean()).backward()
        norms.append(torch.nn.utils.clip_grad_norm_(other.parameters(), MAX_GRADIENT_NORM))
        theirs.step()
    assert min(norms) < MAX_GRADIENT_NORM < max(norms)
    for weight, expected in zip(flow.parameters(), other.parameters()):
        torch.testing.assert_close(weight, expected, rtol=1e-5, atol=1e-7)


def test_no_step_along_a_gradient_that_is_not_finite():
    weight = torch.nn.Parameter(torch.zeros(3))
    assert not AdamW([weight]).step(weight.sqrt().sum(), 0.1)
    assert torch.equal(weight, torch.zeros(3))


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
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
