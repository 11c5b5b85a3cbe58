"""Fitting the density of a table: its columns, the training of the flow, the baseline."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from .._devices import pick_device
from .._torch import isolated_torch, threads_for
from .._validation import seed_from, weigh
from ..flows import FAMILIES, Categories, RowDensity, TableFlow, make_table_flow
from ..table.column_kinds import continuous_column, exact_column, find_columns
from ..table.columns import Columns
from ..training.budget import WEIGHT_DECAY_ROWS, hold_out, make_budget
from ..training.hiding import Hiding
from ..training.loop import History, WeightedRows, joined, train, weighted_rows
from ..training.noise import dequantise
from .baseline import Baseline, fit_baseline
from .contract import ModulePrecisions
from .table_density import FlowSpec, TableDensity, flow_log_probs, rows_of


@dataclass(frozen=True)
class TrainingSpec:
    """The parameters of the training, as in `MAFDensity`.

    Attributes
    ----------
    decay_rows : int
        Rows up to which weights decay in full where ``alpha`` is "auto".
    progress : str or None
        What to call the progress bar; None for none.
    """

    alpha: float | str
    batch_size: int | str
    learning_rate_init: float | str
    max_iter: int | str
    early_stopping: bool
    validation_fraction: float | str
    n_iter_no_change: int | str
    tol: float
    device: str
    decay_rows: int = WEIGHT_DECAY_ROWS
    progress: str | None = None


@dataclass(frozen=True)
class TableKnowledge:
    """What is known of a table before a density is fitted to its rows.

    Attributes
    ----------
    n_categories : list of int or None
        How many categories each column has; None for a column of numbers.
    declared : dict of int to str or tuple
        Kinds of columns that the user declared, by position.
    has_missing : bool
        Whether cells may be missing.
    """

    n_categories: list
    declared: dict = field(default_factory=dict)
    has_missing: bool = False


@isolated_torch()
def fit_table_density(
    N: np.ndarray,
    sample_weight: np.ndarray | None,
    flow_spec: FlowSpec,
    training: TrainingSpec,
    known: TableKnowledge,
    *,
    context: np.ndarray | None = None,
    start: TableDensity | None = None,
    random_state: Any = None,
) -> tuple[TableDensity, History]:
    """Fit the density of a table's rows, perhaps given a context.

    Parameters
    ----------
    N : ndarray of shape (n, n_features)
        Numbers, and codes of categories; NaN where a cell is missing.
    sample_weight : ndarray of shape (n,) or None
    flow_spec : FlowSpec
    training : TrainingSpec
    known : TableKnowledge
    context : ndarray of shape (n, n_context), default=None
    start : TableDensity, default=None
        A density whose columns are kept, and whose flow is trained on.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    density : TableDensity
    history : History
        Its scores are in nats and in the units of N.
    """
    n_context = 0 if context is None else context.shape[1]
    order, weights = weigh(N if context is None else np.hstack([N, context]), sample_weight)
    N = N[order]
    context = rows_of(context, order)
    device = pick_device(training.device)
    generator = torch.Generator().manual_seed(seed_from(random_state))
    fraction = training.validation_fraction if training.early_stopping else 0
    fitted, validation = hold_out(len(N), fraction, generator)
    if start is None:
        columns = _find_columns(N, weights, fitted, flow_spec, known)
        flow = _new_flow(columns, flow_spec, known.has_missing, n_context, generator)
    else:
        columns = start.columns
        flow = copy.deepcopy(start.flow).train().requires_grad_(True)
    sample = _Sample(columns, N, weights, context, fitted, validation, generator)
    flow = flow.to(device)
    history = _train(flow, sample, training, known.has_missing, generator)
    baseline = None
    if len(validation):
        baseline = sample.stacked_baseline(flow)
    trained = flow.cpu().eval().requires_grad_(False)
    precisions = ModulePrecisions(trained, training.device)
    density = TableDensity(columns, precisions, baseline, flow_spec, N.dtype, n_context)
    return density, sample.in_units(history)


class _Sample:
    """The rows of a fit in flow space, some of them for validation."""

    def __init__(
        self,
        columns: Columns,
        N: np.ndarray,
        weights: np.ndarray,
        context: np.ndarray | None,
        fitted: np.ndarray,
        validation: np.ndarray,
        generator: torch.Generator,
    ):
        self.columns = columns
        self.weights = weights
        self.context = context
        self.fitted = fitted
        self.validation = validation
        self.Z = columns.to_flow(N)
        self.steps = columns.steps(N)
        # once and for all: the rows that choose the weights must not change
        n_context = 0 if context is None else context.shape[1]
        self.dequantised = dequantise(
            torch.from_numpy(self.Z), torch.from_numpy(self.steps), n_context, generator
        ).numpy()
        self.log_jacobians = [
            np.average(columns.log_jacobian(N[rows]), weights=weights[rows]) if len(rows) else 0.0
            for rows in (fitted, validation)
        ]
        self.draft = None
        if len(validation):
            shares = [column.shares for column in columns.discrete]
            self.draft = fit_baseline(
                self.dequantised[fitted], weights[fitted], shares, rows_of(context, fitted)
            )

    def training_rows(self, flow: TableFlow) -> WeightedRows:
        """Return the rows to train on."""
        rows = self.fitted
        context = rows_of(self.context, rows)
        return weighted_rows(flow, self.Z[rows], self.weights[rows], context)

    def training_steps(self) -> np.ndarray:
        """Return the steps of these rows, or one row of steps for all."""
        return self.steps[self.fitted] if len(self.steps) > 1 else self.steps

    def validation_rows(self, flow: TableFlow) -> list[WeightedRows | None]:
        """Return, for each part of the flow, the rows that choose its best weights, or None."""
        if self.draft is None:
            return [None] * len(flow.parts)
        rows = self.validation
        Z = self.dequantised[rows]
        context = rows_of(self.context, rows)
        of_parts = self.draft.log_probs(Z, context)[-len(flow.parts) :]
        return [
            weighted_rows(flow, Z, self.weights[rows], context, of_part) for of_part in of_parts
        ]

    def stacked_baseline(self, flow: TableFlow) -> Baseline:
        """Return the baseline of all rows, with shares by the rows for validation."""
        assert self.draft is not None
        rows = self.validation
        Z = self.dequantised[rows]
        context = rows_of(self.context, rows)
        log_probs = flow_log_probs(flow, Z, context)
        stacked = self.draft.stacked(log_probs, Z, self.weights[rows], context)
        return stacked.refitted(self.dequantised, self.weights, self.context)

    def in_units(self, history: History) -> History:
        """Return the history of a training in the units of the table."""
        of_fitted, of_validation = self.log_jacobians
        return replace(
            history,
            loss_curve=[loss - of_fitted for loss in history.loss_curve],
            validation_scores=[score + of_validation for score in history.validation_scores],
            best_score=history.best_score + of_validation,
        )


def _find_columns(
    N: np.ndarray,
    weights: np.ndarray,
    fitted: np.ndarray,
    flow_spec: FlowSpec,
    known: TableKnowledge,
) -> Columns:
    # a column of which the rows to train on know nothing is described by all rows
    is_known = (~np.isnan(N[fitted])).any(axis=0).all()
    rows: Any = fitted if is_known else slice(None)
    has_context = FAMILIES[flow_spec.family].layer_type is None
    make_column = exact_column if has_context else continuous_column
    return find_columns(make_column, N[rows], weights[rows], known.n_categories, known.declared)


def _new_flow(
    columns: Columns,
    spec: FlowSpec,
    has_missing: bool,
    n_context: int,
    generator: torch.Generator,
) -> TableFlow:
    """Return a flow of the columns, with the discrete ones before it."""
    categories = None
    if columns.n_codes:
        shares = [column.shares for column in columns.discrete]
        numbers = [column.numbers for column in columns.discrete]
        categories = Categories(shares, numbers, has_missing)
    return make_table_flow(
        categories,
        columns.presence_conditions,
        has_missing,
        hidden_layer_sizes=spec.hidden_layer_sizes,
        activation=spec.activation,
        generator=generator,
        n_context=n_context,
        family=spec.family,
        bijector=spec.bijector,
        n_layers=spec.n_layers,
        n_bins=spec.n_bins,
    )


def _train(
    flow: TableFlow,
    sample: _Sample,
    training: TrainingSpec,
    has_missing: bool,
    generator: torch.Generator,
) -> History:
    """Train the parts of a flow one after another, until one is interrupted."""
    columns = sample.columns
    hiding = Hiding(columns.owners, columns.n_codes) if has_missing else None
    sizes = [columns.n_codes, columns.n_values][-len(flow.parts) :]
    histories = []
    for part, size, validation in zip(flow.parts, sizes, sample.validation_rows(flow)):
        assert isinstance(part, RowDensity)
        rows = sample.training_rows(flow)
        history = _train_part(part, size, rows, validation, sample, training, hiding, generator)
        histories.append(history)
        if history.interrupted:
            break
    return joined(histories)


def _train_part(
    part: RowDensity,
    n_columns: int,
    rows: WeightedRows,
    validation: WeightedRows | None,
    sample: _Sample,
    training: TrainingSpec,
    hiding: Hiding | None,
    generator: torch.Generator,
) -> History:
    """Train one part of a flow, with a progress bar."""
    budget = make_budget(
        len(rows.x),
        part,
        n_columns=n_columns,
        batch_size=training.batch_size,
        max_iter=training.max_iter,
        learning_rate=training.learning_rate_init,
        alpha=training.alpha,
        patience=training.n_iter_no_change,
        decay_rows=training.decay_rows,
    )
    name = training.progress
    bar = tqdm(total=budget.n_epochs, desc=name, unit="epoch", disable=name is None)
    with threads_for(budget.batch_size * part.widest), bar:
        return train(
            part,
            rows,
            validation,
            steps=part.tensor(sample.training_steps()),
            budget=budget,
            tol=training.tol,
            generator=generator,
            on_epoch=_shown_on(bar, sample.log_jacobians[1]),
            hiding=hiding,
        )


def _shown_on(bar: tqdm, log_jacobian: float) -> Callable[[History], None]:
    """Return a function that shows a history on a progress bar, in the units of the table."""

    def show(history: History) -> None:
        if history.validation_scores:
            score = history.best_score + log_jacobian
            bar.set_postfix_str(f"best held-out score {score:.3f} nats", refresh=False)
        bar.update()

    return show
