"""VariationalFlow: targets of which all is known, k-hat, interrupts, torch's settings, errors."""

import copy
import inspect
import math
import pickle
import sys
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import genpareto
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skmaf import VariationalFlow, variational
from skmaf.flows.layers import base_log_prob
from skmaf.inference import evidence
from skmaf.training import reverse_kl

MEAN = torch.tensor([0.5, -1.0])
ROOT = torch.tensor([[1.0, 0.0], [0.9, 0.6]])
LOG_EVIDENCE = 3.0
N_DRAWS = 10_000


def correlated(x):
    """A normal distribution times exp(3)."""
    normal = torch.distributions.MultivariateNormal(MEAN, scale_tril=ROOT)
    return LOG_EVIDENCE + normal.log_prob(x)


def banana(x):
    """A normal distribution that is bent along a parabola."""
    return -0.5 * x[:, 0] ** 2 - 2 * (x[:, 1] - 0.5 * x[:, 0] ** 2) ** 2


def standard(x):
    return -x.square().sum(1) / 2


def cauchy(x):
    return -x.square().log1p().sum(1)


def small(log_density=standard, n_dims=2, **parameters):
    """A flow that fits in a second."""
    defaults = {
        "n_layers": 2,
        "hidden_layer_sizes": (16,),
        "max_iter": 300,
        "batch_size": 128,
        "learning_rate_init": 0.02,
        "random_state": 0,
    }
    return VariationalFlow(log_density, n_dims, **{**defaults, **parameters})


@pytest.fixture(scope="module")
def bent():
    """One flow fitted to the banana; do not change it."""
    return small(banana, n_layers=4, max_iter=500).fit()


@pytest.fixture(scope="module")
def fitted():
    """One flow after a few steps, for tests that only ask it; do not change it."""
    return small(max_iter=20).fit()


def grid(half_width=10, n=501):
    axis = torch.linspace(-half_width, half_width, n, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis), (axis[1] - axis[0]).item() ** 2


@pytest.mark.slow
@pytest.mark.parametrize("family", ["iaf", "realnvp", "planar"])
def test_a_correlated_normal_is_found(family):
    """Within 4 standard errors, and what the last steps leave of the divergence."""
    flow = small(correlated, family=family, n_layers=4).fit()
    assert flow.k_hat_ < 0.7
    assert abs(flow.log_evidence_ - LOG_EVIDENCE) < 4 * flow.log_evidence_error_
    assert flow.log_evidence_error_ < 0.01
    # a lower bound, up to the error of 6400 draws
    assert -np.mean(flow.loss_curve_[-50:]) < LOG_EVIDENCE + 0.01
    X = flow.sample(N_DRAWS, random_state=1)
    covariance = (ROOT @ ROOT.T).double().numpy()
    variances = covariance.diagonal()
    np.testing.assert_array_less(
        abs(X.mean(0) - MEAN.numpy()), 4 * np.sqrt(variances / N_DRAWS) + 0.03
    )
    error = np.sqrt((np.outer(variances, variances) + covariance**2) / N_DRAWS)
    np.testing.assert_array_less(abs(np.cov(X.T) - covariance), 4 * error + 0.06)


@pytest.mark.slow
def test_a_banana_is_that_of_a_grid(bent):
    cells, area = grid()
    log_p = banana(cells)
    assert bent.k_hat_ < 0.7
    assert (
        abs(bent.log_evidence_ - log_p.logsumexp(0).item() - math.log(area))
        < 4 * bent.log_evidence_error_
    )
    share = log_p.softmax(0)[:, None]
    means = (share * cells).sum(0)
    sds = (share * (cells - means) ** 2).sum(0).sqrt()
    X = bent.sample(N_DRAWS, random_state=1)
    # 4 standard errors, and some bias
    np.testing.assert_allclose(X.mean(0), means, rtol=0, atol=0.06)
    np.testing.assert_allclose(X.std(0), sds, rtol=0.1)


@pytest.mark.slow
def test_the_density_integrates_to_1_and_is_that_of_the_draws(bent):
    cells, area = grid()
    share = np.exp(bent.score_samples(cells.numpy())) * area
    assert share.sum() == pytest.approx(1, abs=1e-3)
    X = bent.sample(N_DRAWS, random_state=2)
    for power in (1, 2):
        moments = cells.numpy() ** power
        mean = share @ moments
        error = np.sqrt((share @ moments**2 - mean**2) / N_DRAWS)
        np.testing.assert_array_less(abs((X**power).mean(0) - mean), 4 * error + 1e-3)


# a few draws far out may raise k-hat where the evidence is right to three digits
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:k-hat")
@pytest.mark.parametrize("family", ["iaf", "maf", "nice", "radial"])
def test_one_column(family):
    """With any family, and far from the start."""
    flow = small(lambda x: -0.5 * ((x[:, 0] - 2) / 0.5) ** 2, 1, family=family).fit()
    truth = math.log(0.5 * math.sqrt(2 * math.pi))
    assert flow.log_evidence_ == pytest.approx(truth, abs=max(1e-3, 4 * flow.log_evidence_error_))
    X = flow.sample(N_DRAWS, random_state=0)
    assert X.mean() == pytest.approx(2, abs=0.1)
    assert X.std() == pytest.approx(0.5, abs=0.05)


def draws(flow, n, seed):
    """Rows of the flow and their log-density, by its torch module."""
    module = copy.deepcopy(flow.flow_).double()
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn((n, flow.n_dims), generator=generator, dtype=torch.float64)
    with torch.no_grad():
        x, log_det = module.inverse(z)
        return x, base_log_prob(z) + log_det


def test_scores_of_draws_are_their_log_q(fitted):
    x, log_q = draws(fitted, 100, seed=0)
    np.testing.assert_allclose(fitted.sample(100, random_state=0), x, rtol=0, atol=1e-9)
    np.testing.assert_allclose(fitted.score_samples(x.numpy()), log_q, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_heavy_tails_raise_k_hat():
    with pytest.warns(
        UserWarning, match="k-hat is .* more layers, another family, a larger max_iter.*tails"
    ):
        flow = small(cauchy, family="planar").fit()
    assert flow.k_hat_ > 0.7
    with pytest.warns(UserWarning, match="k-hat"):
        assert flow.evidence(50_000, random_state=0).k_hat > 0.7


@pytest.mark.parametrize("shape", [0.2, 0.6, 1.0])
def test_k_hat_is_the_shape_of_the_tail(shape, monkeypatch):
    """Within 4 standard errors, about (1 + shape) / sqrt(300).

    That is so by arviz and by scipy, which agree more closely.
    """
    log_weights = np.log(genpareto.rvs(shape, size=10_000, random_state=np.random.RandomState(0)))
    by_default = evidence.tail_shape(log_weights)
    monkeypatch.setitem(sys.modules, "arviz_stats.base", None)
    monkeypatch.setitem(sys.modules, "arviz", None)
    by_scipy = evidence.tail_shape(log_weights)
    assert abs(by_scipy - shape) < 4 * (1 + shape) / math.sqrt(300)
    assert by_default == pytest.approx(by_scipy, abs=0.05)
    assert evidence.tail_shape(np.zeros(100)) == -math.inf


def test_evidence_is_the_mean_of_the_weights(fitted):
    estimate = fitted.evidence(1000, random_state=3)
    x, log_q = draws(fitted, 1000, seed=3)
    weights = np.exp((standard(x) - log_q).numpy())
    assert estimate.log_evidence == pytest.approx(np.log(weights.mean()), abs=1e-6)
    assert estimate.standard_error == pytest.approx(
        weights.std(ddof=1) / weights.mean() / math.sqrt(1000), rel=1e-4
    )


def test_draws_without_density_only_have_no_weight(fitted):
    half = clone(fitted).fit()
    half.log_density = lambda x: torch.where(x[:, 0] > 0, standard(x), -math.inf)
    estimate = half.evidence(random_state=0)
    assert abs(estimate.log_evidence - math.log(math.pi)) < 4 * estimate.standard_error


def test_the_same_random_state_gives_the_same_and_the_global_one_is_untouched(fitted):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    again = clone(fitted).fit()
    assert again.loss_curve_ == fitted.loss_curve_
    assert again.log_evidence_ == fitted.log_evidence_
    np.testing.assert_array_equal(again.sample(5, random_state=1), fitted.sample(5, random_state=1))
    assert not np.array_equal(again.sample(5), again.sample(5))
    assert clone(fitted).set_params(random_state=1).fit().loss_curve_ != fitted.loss_curve_
    assert torch.equal(torch.get_rng_state(), before)


def test_attributes_and_parameters(fitted):
    assert fitted.n_iter_ == len(fitted.loss_curve_) == 20
    assert fitted.sample().shape == (1, 2)
    assert fitted.sample().dtype == fitted.score_samples([[0, 0]]).dtype == np.float64
    assert clone(fitted).get_params() == fitted.get_params()
    assert "VariationalFlow(" in repr(fitted)


def test_interrupt_keeps_what_was_learned():
    n_calls = 0

    def interrupted(x):
        nonlocal n_calls
        n_calls += 1
        if n_calls == 6:
            raise KeyboardInterrupt
        return standard(x)

    with pytest.warns(UserWarning, match="interrupted after 5 steps"):
        flow = small(interrupted).fit()
    assert flow.n_iter_ == 5
    assert flow.sample(3).shape == (3, 2)


FITTED = ["flow_", "loss_curve_", "n_iter_", "log_evidence_", "log_evidence_error_", "k_hat_"]
FILES = {module.__file__ for module in (variational, reverse_kl, evidence)}


def fit_until(flow, n_lines):
    """Fit, with a KeyboardInterrupt before so many lines of our code have run; how many did."""
    n_run = 0

    def trace(frame, event, argument):
        nonlocal n_run
        if frame.f_code.co_filename not in FILES:
            return None
        n_run += event == "line"
        if n_run == n_lines:
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        flow.fit()
    finally:
        sys.settrace(before)
    return n_run


@pytest.mark.slow
@pytest.mark.parametrize("is_fitted, stride", [(False, 4), (True, 1)])
@pytest.mark.filterwarnings("ignore:Training was interrupted", "ignore:k-hat")
def test_an_interrupt_at_any_line_leaves_the_old_fit_or_a_new_one(is_fitted, stride, monkeypatch):
    monkeypatch.setattr(variational, "EVIDENCE_DRAWS", 200)
    # so little is learned that the importance weights have no tail, whose shape takes long
    shape = {"family": "nice", "n_layers": 1, "learning_rate_init": 1e-9}
    flow = small(**shape, max_iter=2, batch_size=50)
    if is_fitted:
        flow.fit()
    before = dict(vars(flow))
    outcomes = []
    for n_lines in range(1, fit_until(clone(flow), math.inf) + 1, stride):
        again = copy.copy(flow)
        try:
            fit_until(again, n_lines)
        except KeyboardInterrupt:
            outcomes.append("raised")
        else:
            outcomes.append("in training")
            assert again.n_iter_ <= 2
        if again.__dict__.get("flow_") is before.get("flow_"):
            assert vars(again) == before
            assert outcomes[-1] == "raised"
            if not is_fitted:
                with pytest.raises(NotFittedError):
                    again.sample()
        else:
            outcomes[-1] += ", whole"
            assert all(getattr(again, name) is not before.get(name) for name in FITTED[:2])
            assert again.n_iter_ == len(again.loss_curve_)
            assert again.k_hat_ == -math.inf
            assert again.sample(2).shape == (2, 2)
    assert outcomes.count("raised") > 30 / stride
    assert outcomes.count("in training, whole") > 10 / stride
    # what was raised after the fit was kept: at its last lines
    n_late = outcomes.count("raised, whole")
    assert n_late < 10
    assert outcomes[len(outcomes) - n_late :] == ["raised, whole"] * n_late


@pytest.mark.parametrize("is_fitted", [False, True])
def test_an_error_at_any_call_leaves_all_as_it_was(is_fitted):
    """Of the log-density: two calls in training, then one for each batch of the evidence."""
    flow = small(max_iter=2, batch_size=5000)
    if is_fitted:
        flow.fit()
    before = dict(vars(flow))
    for n_calls in range(1, 5):
        calls = iter(range(n_calls - 1))

        def failing(x, calls=calls):
            if next(calls, None) is None:
                raise KeyError("of the user")
            return standard(x)

        flow.log_density = failing
        with pytest.raises(KeyError, match="of the user"):
            flow.fit()
        flow.log_density = standard
        assert vars(flow) == before


AMBIENTS = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "grad off": lambda: torch.set_grad_enabled(False),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "meta": lambda: torch.device("meta"),
}


def results(make):
    """All that a flow gives, and of what kind the rows are that its log-density gets."""
    kinds = set()

    def log_density(x):
        kinds.add((x.dtype, x.device.type))
        return standard(x)

    flow = make(log_density).fit()
    parts = [flow.loss_curve_, flow.log_evidence_, flow.sample(5, random_state=1)]
    parts += [flow.score_samples(np.eye(2)), *flow.evidence(200, random_state=2)]
    return [np.asarray(part) for part in parts], kinds


@pytest.fixture(scope="module")
def expected():
    parts, kinds = results(quick)
    assert kinds == {(torch.float32, "cpu")}
    return parts


def quick(log_density):
    return small(log_density, max_iter=5)


@pytest.mark.parametrize("ambient", [*AMBIENTS, "float64", "default meta"])
def test_what_is_set_in_torch_has_no_say(ambient, expected):
    def settings():
        return (
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch.empty(0).device,
            torch.get_default_dtype(),
        )

    def fails(x):
        raise KeyError("of the user")

    plain = settings()
    try:
        if ambient == "float64":
            torch.set_default_dtype(torch.float64)
        elif ambient == "default meta":
            torch.set_default_device("meta")
        with AMBIENTS.get(ambient, torch.enable_grad)():
            before = settings()
            parts, kinds = results(quick)
            assert settings() == before
            with pytest.raises(KeyError, match="of the user"):
                quick(fails).fit()
            assert settings() == before != plain
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    assert settings() == plain
    assert kinds == {(torch.float32, "cpu")}
    for part, truth in zip(parts, expected):
        np.testing.assert_array_equal(part, truth)


def test_one_copy_of_the_flow_in_float64(fitted, monkeypatch):
    flow = clone(fitted).fit()
    before = pickle.dumps(flow)
    flow.sample(2)

    def refuse(module):
        raise AssertionError("a second copy")

    with monkeypatch.context() as patch:
        patch.setattr(copy, "deepcopy", refuse)
        flow.sample(2)
        flow.score_samples(np.eye(2))
        flow.evidence(100)
    assert len(pickle.dumps(flow)) == len(before)
    for other in (pickle.loads(pickle.dumps(flow)), copy.copy(flow), copy.deepcopy(flow)):
        assert set(vars(other)) == {*flow.get_params(), *FITTED}
        np.testing.assert_array_equal(other.score_samples(np.eye(2)), flow.score_samples(np.eye(2)))


def test_a_refit_is_that_of_a_new_flow(fitted):
    flow = clone(fitted).fit()
    flow.sample(2)
    flow.set_params(random_state=1).fit()
    new = clone(flow).fit()
    np.testing.assert_array_equal(flow.sample(3, random_state=0), new.sample(3, random_state=0))
    np.testing.assert_array_equal(flow.score_samples(np.eye(2)), new.score_samples(np.eye(2)))
    assert flow.log_evidence_ == new.log_evidence_


def test_warnings_point_at_the_line_of_the_user(fitted, monkeypatch):
    calls = iter(range(2))

    def interrupted(x):
        if next(calls, None) == 1:
            raise KeyboardInterrupt
        return standard(x)

    monkeypatch.setattr(variational, "MAX_K_HAT", -math.inf)
    flow = clone(fitted).set_params(log_density=interrupted)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        flow.fit()
        line = inspect.currentframe().f_lineno - 1
        flow.evidence(200)
    messages = [str(warning.message).split()[0] for warning in caught]
    assert messages == ["Training", "k-hat", "k-hat"]
    assert {warning.filename for warning in caught} == {__file__}
    assert [warning.lineno for warning in caught] == [line, line, line + 2]


def test_steps_without_a_finite_gradient_move_nothing():
    steps = iter(range(1000))

    def log_density(x):  # 0 whose derivative is NaN, but for the first step
        return standard(x) + ((0 * x[:, 0]).sqrt() if next(steps) else 0.0)

    flow = small(log_density, max_iter=5).fit()
    assert np.isfinite(flow.score_samples([[0, 0]])).all()


def test_no_finite_gradient_at_all():
    with pytest.raises(ValueError, match="no finite gradient"):
        small(lambda x: standard(x) + (0 * x[:, 0]).sqrt(), max_iter=5).fit()


def spoiled(value, x):
    """A log-density that has this value for the first 3 draws."""
    return torch.where(torch.arange(len(x)) < 3, value, standard(x))


@pytest.mark.parametrize(
    "log_density, message",
    [
        (None, "log_density"),
        (lambda x: x.detach().numpy().sum(1), "torch tensor, got ndarray"),
        (lambda x: x, r"must return shape \(128,\) for x of shape \(128, 2\), got \(128, 2\)"),
        (lambda x: standard(x).sum(), r"must return shape \(128,\).* got \(\)"),
        (lambda x: standard(x.detach()), "no gradient"),
        (partial(spoiled, math.nan), "NaN for 3 of 128 draws"),
        (partial(spoiled, math.inf), r"\+inf for 3 of 128 draws"),
        (partial(spoiled, -math.inf), "-inf for 3 of 128 draws.*low finite value"),
    ],
)
def test_log_densities_that_are_refused(log_density, message):
    with pytest.raises(ValueError, match=message):
        small(log_density).fit()


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"n_dims": 0}, "n_dims"),
        ({"n_dims": 2.0}, "n_dims"),
        ({"family": "glow"}, "family"),
        ({"family": "planar", "bijector": "spline"}, "makes no sense with family='planar'"),
        ({"family": "made", "n_layers": 2}, "one layer"),
        ({"hidden_layer_sizes": ()}, "hidden_layer_sizes"),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes"),
        ({"max_iter": 0}, "max_iter"),
        ({"batch_size": 0}, "batch_size"),
        ({"learning_rate_init": 0}, "learning_rate_init"),
        ({"device": "abacus"}, "device"),
        ({"callbacks": ["no"]}, "callbacks must be functions"),
    ],
)
def test_parameters_that_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit()


def test_requests_that_are_refused(fitted):
    with pytest.raises(ValueError, match="3 columns, and the flow n_dims=2"):
        fitted.score_samples(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="NaN"):
        fitted.score_samples([[0, math.nan]])
    with pytest.raises(ValueError, match="n_samples"):
        fitted.sample(0)
    with pytest.raises(ValueError, match="n_samples=99 are too few"):
        fitted.evidence(99)
    with pytest.raises(ValueError, match="not fitted"):
        small().sample()


def test_callbacks_are_told_of_each_step_and_change_nothing(fitted):
    told = []
    flow = clone(fitted).set_params(callbacks=[lambda flow, step: told.append((flow, step))])
    flow.fit()
    assert {told_flow for told_flow, _ in told} == {flow}
    steps = [step for _, step in told]
    assert [step.number for step in steps] == list(range(1, 21))
    assert {step.max_iter for step in steps} == {20}
    assert [step.loss for step in steps] == flow.loss_curve_ == fitted.loss_curve_
    assert flow.log_evidence_ == fitted.log_evidence_


@pytest.mark.filterwarnings("error")
def test_a_callback_ends_the_training(fitted):
    """Without a warning; the weights are those of that moment, and all are told."""
    told = []
    callbacks = [lambda flow, step: step.number == 150, lambda flow, step: told.append(step)]
    flow = small(callbacks=callbacks).fit()
    assert flow.n_iter_ == len(flow.loss_curve_) == len(told) == 150
    assert abs(flow.log_evidence_ - math.log(2 * math.pi)) < 0.1


def test_an_error_in_a_callback_leaves_the_flow_as_it_was(fitted):
    def fail(flow, step):
        raise RuntimeError("on purpose")

    flow = clone(fitted).fit()
    before = dict(vars(flow))
    with pytest.raises(RuntimeError, match="on purpose"):
        flow.set_params(callbacks=[fail]).fit()
    assert vars(flow) == {**before, "callbacks": [fail]}


def test_steps_and_fits_are_logged(fitted, caplog):
    with caplog.at_level("DEBUG", "skmaf"):
        flow = small(max_iter=2).fit()
    first, _, last = [record.message for record in caplog.records]
    assert first == f"VariationalFlow: Step(number=1, max_iter=2, loss={flow.loss_curve_[0]})"
    assert last == f"VariationalFlow fitted in 2 steps; log-evidence {flow.log_evidence_:.4f} nats"
