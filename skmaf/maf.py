"""What estimators share whose flow learns by maximum likelihood: parameters, training, scores and draws."""

import copy
import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from tqdm.auto import tqdm

from ._devices import pick_device
from ._torch import threads_for
from ._validation import check_sizes, seed_from, weigh
from .base import FlowEstimator, warn_if_interrupted
from .flows import ACTIVATIONS, BIJECTORS, FAMILIES, Levels, make_table_flow, resolve
from .models.baseline import Background
from .table.column_kinds import check_kinds, declared_kinds, find_columns, sharp
from .table.schema import read_table
from .training.budget import WEIGHT_DECAY_ROWS, hold_out, make_budget
from .training.hiding import Hiding
from .training.loop import in_batches, joined, train, weighted_rows


class MAFEstimator(FlowEstimator):
    """A table's density by a flow, perhaps given other columns; the parameters are those of `MAFDensity`."""

    _decay_rows = WEIGHT_DECAY_ROWS
    _parameter_constraints = {
        "family": [StrOptions(set(FAMILIES))],
        "bijector": [StrOptions({"auto", *BIJECTORS})],
        "n_layers": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like"],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "n_bins": [Interval(Integral, 2, 500, closed="both")],
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "device": [str],
        "column_kinds": [dict, None],
        "verbose": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        family="maf",
        bijector="auto",
        n_layers="auto",
        hidden_layer_sizes=(128, 128),
        activation="relu",
        n_bins=8,
        alpha="auto",
        batch_size="auto",
        learning_rate_init="auto",
        max_iter="auto",
        early_stopping=True,
        validation_fraction="auto",
        n_iter_no_change="auto",
        tol=1e-4,
        warm_start=False,
        device="auto",
        column_kinds=None,
        verbose=False,
        random_state=None,
    ):
        self.family = family
        self.bijector = bijector
        self.n_layers = n_layers
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.n_bins = n_bins
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.device = device
        self.column_kinds = column_kinds
        self.verbose = verbose
        self.random_state = random_state

    def _read_training_rows(self, X):
        """The table as numbers, its schema learned; what is declared of its columns goes into ``_kinds``."""
        self._kinds = declared_kinds(X, self.column_kinds)
        X = read_table(
            self,
            X,
            reset=True,
            categorical=[j for j, kind in self._kinds.items() if kind == "categorical"],
        )
        check_kinds(self._kinds, X, self.schema_)
        return X

    def _fit_numbers(self, X, sample_weight, with_gaps, warm=False, given=None):
        """Learn from a table that is read already, its schema known.

        ``with_gaps`` says whether cells may be missing, here or not; ``given``, shape (n, n_given), is what the density is
        conditional on.
        """
        self._dtype, self._with_gaps = X.dtype, with_gaps
        given = np.empty((len(X), 0)) if given is None else given
        rows, weights = weigh(np.hstack([X, given]), sample_weight)
        X, given = X[rows], given[rows]
        device = pick_device(self.device)
        generator = torch.Generator().manual_seed(seed_from(self.random_state))
        held_in, held_out = hold_out(
            len(X), self.validation_fraction if self.early_stopping else 0, generator
        )
        shape = self._shape()
        if warm:
            flow = self._flow_to_go_on(shape)
        else:
            self.columns_ = self._find_columns(X, weights, held_in)
            flow = self._new_flow(shape, given.shape[1], generator)
            self._fitted_shape, self._fitted_kinds = shape, copy.deepcopy(self.column_kinds)
            self.loss_curve_, self.validation_scores_ = [], []
        Z, widths = np.hstack([self.columns_.to_flow(X), given]), self.columns_.widths(X)
        widths = np.pad(widths, ((0, 0), (0, given.shape[1])))
        # spread once and for all: the judge of the weights must not change
        spread = (
            Z
            + (torch.rand(Z.shape, generator=generator, dtype=torch.float64).numpy() - 0.5) * widths
        )
        self.background_ = None
        if len(held_out):
            level_shares = [column.shares for column in self.columns_.discrete]
            self.background_ = Background(
                spread[held_in], weights[held_in], level_shares, given.shape[1]
            )
        jacobians = (
            self._mean_log_jacobian(X, weights, held_in),
            self._mean_log_jacobian(X, weights, held_out),
        )
        flow = flow.to(device)
        rows = weighted_rows(flow, Z[held_in], weights[held_in])
        if len(widths) > 1:
            widths = widths[held_in]
        sizes = [self.columns_.n_codes, self.columns_.n_values][-len(flow.parts) :]
        histories = []
        for part, size, judges in zip(
            flow.parts, sizes, self._judges(flow, spread[held_out], weights[held_out])
        ):
            histories.append(self._train(part, size, judges, rows, widths, jacobians[1], generator))
            if histories[-1].interrupted:
                break
        history = joined(histories)
        self._warn(history)
        if len(held_out):
            self.background_.share_out(
                self._flow_log_probs(flow, spread[held_out]), spread[held_out], weights[held_out]
            )
            self.background_.refit(spread, weights)
        self._keep(flow, history, *jacobians)
        return self

    def _find_columns(self, X, weights, held_in):
        # a column that the rows held in know nothing of is described by all rows
        some = held_in if (~np.isnan(X[held_in])).any(axis=0).all() else slice(None)
        return find_columns(
            sharp, X[some], weights[some], self._n_categories(X.shape[1]), self._kinds
        )

    def _n_categories(self, n_columns):
        return self.schema_.n_categories

    def _shape(self):
        """The parameters that shape a flow, checked."""
        _, n_layers = resolve(self.family, self.bijector, self.n_layers)
        shape = {name: getattr(self, name) for name in ("family", "activation", "n_bins")}
        sizes = check_sizes(self.hidden_layer_sizes)
        return shape | {
            "bijector": self.bijector,
            "n_layers": n_layers,
            "hidden_layer_sizes": sizes,
        }

    def _flow_to_go_on(self, shape):
        """A copy of the fitted flow, for a warm start."""
        changed = [name for name in shape if shape[name] != self._fitted_shape[name]]
        changed += ["column_kinds"] * (self.column_kinds != self._fitted_kinds)
        if changed:
            raise ValueError(
                f"{changed[0]} has changed since the last fit: set it back, or set warm_start=False."
            )
        return copy.deepcopy(self.flow_).train().requires_grad_(True)

    def _new_flow(self, shape, n_given, generator):
        """A flow of the columns, with the discrete ones before it."""
        columns, levels = self.columns_, None
        if columns.n_codes:
            shares, numbers = zip(*((column.shares, column.numbers) for column in columns.discrete))
            levels = Levels(shares, numbers, self._with_gaps)
        return make_table_flow(
            levels, columns.gates, self._with_gaps, n_given=n_given, generator=generator, **shape
        )

    def _mean_log_jacobian(self, X, weights, rows):
        """What takes the mean log-density of some rows from flow space to the units of X."""
        return (
            np.average(self.columns_.log_jacobian(X[rows]), weights=weights[rows])
            if len(rows)
            else 0.0
        )

    def _judges(self, flow, Z, weights):
        """For each part of the flow the rows that decide on its best weights, or None."""
        if len(Z) == 0:
            return [None] * len(flow.parts)
        backgrounds = self.background_.score_parts(Z)[-len(flow.parts) :]
        return [weighted_rows(flow, Z, weights, background) for background in backgrounds]

    def _train(self, part, n_columns, judges, rows, widths, log_jacobian, generator):
        """Train a part of the flow, with a progress bar that shows its score with ``log_jacobian`` added."""
        budget = make_budget(
            len(rows.x),
            part,
            n_columns=n_columns,
            batch_size=self.batch_size,
            max_iter=self.max_iter,
            learning_rate=self.learning_rate_init,
            alpha=self.alpha,
            patience=self.n_iter_no_change,
            decay_rows=self._decay_rows,
        )
        with (
            threads_for(budget.batch_size * part.widest),
            tqdm(
                total=budget.n_epochs,
                desc=type(self).__name__,
                unit="epoch",
                disable=not self.verbose,
            ) as bar,
        ):

            def show(history):
                if history.validation_scores:
                    bar.set_postfix_str(
                        f"best held-out score {history.best_score + log_jacobian:.3f} nats",
                        refresh=False,
                    )
                bar.update()

            return train(
                part,
                rows,
                judges,
                widths=part.tensor(widths),
                budget=budget,
                tol=self.tol,
                generator=generator,
                on_epoch=show,
                hiding=Hiding(self.columns_.owners, self.columns_.n_codes)
                if self._with_gaps
                else None,
            )

    def _keep(self, flow, history, log_jacobian_in, log_jacobian_out):
        """Set the attributes that tell how the training went."""
        self.flow_ = flow.cpu().eval().requires_grad_(False)
        self.loss_curve_ += [loss - log_jacobian_in for loss in history.loss_curve]
        self.validation_scores_ += [score + log_jacobian_out for score in history.validation_scores]
        self.best_validation_score_ = (
            history.best_score + log_jacobian_out if self.early_stopping else None
        )
        self.n_iter_ = len(self.loss_curve_)

    def _warn(self, history):
        warn_if_interrupted(history)
        if (
            self.max_iter != "auto"
            and self.early_stopping
            and not (history.converged or history.interrupted)
        ):
            warnings.warn(
                f"Training reached max_iter={self.max_iter} before the held-out score stopped rising; the best weights so far "
                "are kept. Raise max_iter, or leave it at 'auto'.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _flow_log_probs(self, flow, Z):
        """Log-probability of codes, and log-density of values, by the flow alone."""
        parts = in_batches(lambda rows: torch.stack(flow.log_probs(rows), 1), flow, flow.tensor(Z))
        return parts.cpu().double().numpy().T

    def _log_density(self, flow, Z):
        log_probs = self._flow_log_probs(flow, Z)
        return (
            log_probs.sum(axis=0)
            if self.background_ is None
            else self.background_.mix(log_probs, Z)
        )

    def _sharp_log_density(self, flow, Z):
        return self._flow_log_probs(flow, Z).sum(axis=0)

    def _draw(self, flow, given, generator, rng):
        n_codes, n_values = self.columns_.n_codes, self.columns_.n_values
        z = flow.tensor(torch.randn((len(given), n_values), generator=generator))
        codes, given_to = z.new_empty((len(given), 0)), flow.tensor(given)
        if n_codes:
            chance = torch.rand((n_codes, len(given)), generator=generator).T
            codes = flow.codes.draw(flow.tensor(chance), given_to).cpu()
            if self.background_ is not None:
                self.background_.scatter_codes(codes.numpy(), rng)
        values = flow.values.draw(z, flow.tensor(codes), given_to).cpu().double().numpy()
        if self.background_ is not None:
            self.background_.scatter(values, given, rng)
        return np.column_stack([codes, values])
