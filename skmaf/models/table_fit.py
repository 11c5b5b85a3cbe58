"""Fitting the density of a table: its columns, the training of the flow, the baseline."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from tqdm.auto import tqdm

from .. import __version__
from .._devices import pick_device
from .._families import FAMILIES
from .._torch import isolated_torch, threads_for
from .._validation import seed_from, weigh
from ..flows import Categories, CodesDensity, RowDensity, TableFlow, make_table_flow
from ..table.column_kinds import (
    continuous_column,
    exact_column,
    find_columns,
    with_few_circles,
)
from ..table.flow_space import Columns
from ..training.budget import Budget, hold_out, make_budget
from ..training.checkpoint import Checkpoint, TrainingSlot
from ..training.epochs import Epoch
from ..training.hiding import Hiding
from ..training.loop import History, WeightedRows, joined, train, weighted_rows
from ..training.noise import dequantise
from .baseline import Baseline, fit_baseline
from .capacity import candidates, first_spread
from .contract import ModulePrecisions
from .fingerprint import fingerprint
from .row_file import AllRows, RowStream
from .specs import FlowSpec, TableKnowledge, TrainingSpec
from .table_density import TableDensity, flow_log_probs, rows_of

Option = TypeVar("Option")
Result = TypeVar("Result")
Jacobians = tuple[float, float]  # mean logarithms, of training and of validation rows


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
    checkpoint: Checkpoint | None = None,
    all_rows: AllRows | None = None,
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
    checkpoint : Checkpoint, default=None
        Where states of the training are kept, and whence it goes on; the random state is an int.
    all_rows : AllRows, default=None
        The rows to train on, if there are more than N, which then describe the columns, validate,
        and make the baseline.

    Returns
    -------
    density : TableDensity
    history : History
        Its scores are in nats and in the units of N.
    """
    order, weights = weigh(N if context is None else np.hstack([N, context]), sample_weight)
    generator = torch.Generator().manual_seed(seed_from(random_state))
    fraction = training.validation_fraction if training.early_stopping else 0
    fitted, validation = hold_out(len(order), fraction, generator)
    fit = _Fit(
        N=N[order],
        weights=weights,
        context=rows_of(context, order),
        fitted=fitted,
        validation=validation,
        flow_spec=flow_spec,
        training=training,
        known=known,
        generator=generator,
        checkpoint=checkpoint,
        all_rows=None if all_rows is None else all_rows.take(order),
    )
    if checkpoint is not None:
        checkpoint.open(fit.in_short(random_state, start))
    if start is not None:
        flow = copy.deepcopy(start.flow).train().requires_grad_(True)
        return fit.density(start.columns, [flow])
    tries = ((columns, fit.new_flows(columns)) for columns in fit.descriptions())
    return _best_of(tries, lambda described: fit.density(*described))


@dataclass(frozen=True, eq=False)
class _Fit:
    """The rows of a table to train on and to validate with, and all that `fit_table_density` is
    told."""

    N: np.ndarray
    weights: np.ndarray
    context: np.ndarray | None
    fitted: np.ndarray
    validation: np.ndarray
    flow_spec: FlowSpec
    training: TrainingSpec
    known: TableKnowledge
    generator: torch.Generator
    checkpoint: Checkpoint | None
    all_rows: AllRows | None

    @property
    def n_context(self) -> int:
        return 0 if self.context is None else self.context.shape[1]

    def in_short(self, random_state: int, start: TableDensity | None) -> str:
        """Return a text that is another one for another fit: a hash of all that goes into it."""
        hashes = None if self.all_rows is None else self.all_rows.hashes
        rows = (self.N, self.weights, self.context, hashes)
        training = replace(self.training, progress=None, on_epoch=None)
        told = (self.flow_spec, training, self.known, random_state)
        begun = None if start is None else (start.columns, start.flow.state_dict())
        return fingerprint((__version__, rows, told, begun))

    def descriptions(self) -> list[Columns]:
        """Return what the columns may be: without months as labels of days, and with them.

        Others may follow months, or a trend, which months break into steps: held-out rows tell.
        """
        columns = self._columns(self.known)
        cycles = {j: replace(each, has_months=True) for j, each in self.known.cycles.items()}
        if not cycles or len(self.validation) == 0:
            return [columns]
        with_months = self._columns(replace(self.known, cycles=cycles))
        return [columns, with_months] if with_months.n_codes > columns.n_codes else [columns]

    def _columns(self, known: TableKnowledge) -> Columns:
        # a column of which the rows to train on know nothing is described by all rows
        is_known = (~np.isnan(self.N[self.fitted])).any(axis=0).all()
        rows: Any = self.fitted if is_known else slice(None)
        has_context = FAMILIES[self.flow_spec.family].layer_type is None
        return find_columns(
            exact_column if has_context else continuous_column,
            self.N[rows],
            self.weights[rows],
            known.n_categories,
            with_few_circles(known.declared),
            known.cycles,
        )

    def new_flows(self, columns: Columns) -> list[TableFlow]:
        """Return flows of the columns, of which held-out rows choose one."""
        specs = candidates(self.flow_spec, len(self.fitted), len(columns.owners))
        specs = specs if len(self.validation) else specs[:1]
        spread = first_spread(self.flow_spec.activation, len(self.fitted))
        told = (self.known.has_missing, self.n_context, spread, self.generator)
        return [_new_flow(columns, spec, *told) for spec in specs]

    def density(self, columns: Columns, flows: list[TableFlow]) -> tuple[TableDensity, History]:
        """Return the density of the flow, of those trained, that held-out rows favour."""
        rows = _FlowRows.of(columns, self.N, self.weights, self.context, self.generator)
        fitted = rows.take(self.fitted)
        validation = rows.take(self.validation)
        draft = _draft_baseline(columns, fitted) if len(self.validation) else None
        hiding = Hiding(columns.owners, columns.n_codes) if self.known.has_missing else None
        device = pick_device(self.training.device)
        stream = None
        if self.all_rows is not None:
            stream = self.all_rows.stream(columns, self.validation, hiding)

        def train_flow(flow: TableFlow) -> tuple[TableFlow, History]:
            flow = flow.to(device)
            told = (self.training, hiding, self.generator, self.checkpoint, stream)
            return flow, _train(flow, columns, fitted, validation, draft, *told)

        flow, history = _best_of(flows, train_flow)
        baseline = None
        if draft is not None:
            baseline = _final_baseline(draft, flow, validation, rows)
        flow = flow.cpu().eval().requires_grad_(False)
        precisions = ModulePrecisions(flow, self.training.device)
        dtype = self.N.dtype
        density = TableDensity(columns, precisions, baseline, self.flow_spec, dtype, self.n_context)
        return density, _in_units(history, fitted, validation)


@dataclass(frozen=True, eq=False)
class _FlowRows:
    """Rows of a table in flow space.

    Attributes
    ----------
    Z : ndarray of shape (n, n_codes + n_values)
    dequantised : ndarray, of the same shape
        The rows, spread uniformly over their steps: once, so that rows for validation stay.
    steps : ndarray of shape (n, n_codes + n_values), or (1, ...) for all rows alike
    weights : ndarray of shape (n,)
    context : ndarray of shape (n, n_context) or None
    log_jacobians : ndarray of shape (n,)
        What takes the log-density of each row to the units of the table.
    """

    Z: np.ndarray
    dequantised: np.ndarray
    steps: np.ndarray
    weights: np.ndarray
    context: np.ndarray | None
    log_jacobians: np.ndarray

    @classmethod
    def of(
        cls,
        columns: Columns,
        N: np.ndarray,
        weights: np.ndarray,
        context: np.ndarray | None,
        generator: torch.Generator,
    ) -> "_FlowRows":
        """Return rows of numbers and codes in flow space."""
        N = columns.copies(N)[0]
        Z = columns.to_flow(N)
        steps = columns.steps(N)
        n_context = 0 if context is None else context.shape[1]
        dequantised = dequantise(
            torch.from_numpy(Z), torch.from_numpy(steps), n_context, generator
        ).numpy()
        return cls(Z, dequantised, steps, weights, context, columns.log_jacobian(N))

    def take(self, positions: np.ndarray) -> "_FlowRows":
        """Return the rows at these positions."""
        return _FlowRows(
            Z=self.Z[positions],
            dequantised=self.dequantised[positions],
            steps=self.steps[positions] if len(self.steps) > 1 else self.steps,
            weights=self.weights[positions],
            context=rows_of(self.context, positions),
            log_jacobians=self.log_jacobians[positions],
        )

    @property
    def mean_log_jacobian(self) -> float:
        """What takes the mean log-density to the units of the table."""
        if len(self.log_jacobians) == 0:
            return 0.0
        return float(np.average(self.log_jacobians, weights=self.weights))


def _draft_baseline(columns: Columns, rows: _FlowRows) -> Baseline:
    """Return a baseline of the rows to train on, which has no share beside a flow yet."""
    shares = [column.shares for column in columns.discrete]
    return fit_baseline(rows.dequantised, rows.weights, shares, rows.context)


def _final_baseline(
    draft: Baseline, flow: TableFlow, validation: _FlowRows, rows: _FlowRows
) -> Baseline:
    """Return the baseline of all rows, with its shares beside a flow by validation rows."""
    Z = validation.dequantised
    log_probs = flow_log_probs(flow, Z, validation.context)
    stacked = draft.stacked(log_probs, Z, validation.weights, validation.context)
    return stacked.refitted(rows.dequantised, rows.weights, rows.context)


def _in_units(history: History, fitted: _FlowRows, validation: _FlowRows) -> History:
    """Return the history of a training in the units of the table."""
    of_fitted = fitted.mean_log_jacobian
    of_validation = validation.mean_log_jacobian
    return replace(
        history,
        loss_curve=[loss - of_fitted for loss in history.loss_curve],
        validation_scores=[score + of_validation for score in history.validation_scores],
        best_score=history.best_score + of_validation,
    )


def _new_flow(
    columns: Columns,
    spec: FlowSpec,
    has_missing: bool,
    n_context: int,
    spread: float,
    generator: torch.Generator,
) -> TableFlow:
    """Return a flow of the columns, with the discrete ones before it."""
    categories = None
    if columns.n_codes:
        shares = [column.shares for column in columns.discrete]
        numbers = [column.numbers for column in columns.discrete]
        categories = Categories(shares, numbers, has_missing)
    assert not isinstance(spec.hidden_layer_sizes, str)
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
        spread=spread,
    )


def _best_of(
    options: Iterable[Option], train: Callable[[Option], tuple[Result, History]]
) -> tuple[Result, History]:
    """Train with each option, until one is interrupted; return what held-out rows favour."""
    results = []
    for option in options:
        results.append(train(option))
        if results[-1][1].interrupted:
            break
    best, history = max(results, key=lambda result: result[1].best_score)
    return best, replace(history, interrupted=results[-1][1].interrupted)


def _train(
    flow: TableFlow,
    columns: Columns,
    fitted: _FlowRows,
    validation: _FlowRows,
    baseline: Baseline | None,
    training: TrainingSpec,
    hiding: Hiding | None,
    generator: torch.Generator,
    checkpoint: Checkpoint | None,
    stream: RowStream | None,
) -> History:
    """Train the parts of a flow one after another, until one is interrupted."""
    # a flow without codes has no part for them
    n_parts = len(flow.parts)
    sizes = [columns.n_codes, columns.n_values][-n_parts:]
    baselines: list = [None] * n_parts
    if baseline is not None:
        baselines = [*baseline.log_probs(validation.dequantised, validation.context)][-n_parts:]
    histories = []
    for part, size, of_baseline in zip(flow.parts, sizes, baselines):
        assert isinstance(part, RowDensity)
        validation_part = None
        if of_baseline is not None:
            validation_part = weighted_rows(
                flow, validation.dequantised, validation.weights, validation.context, of_baseline
            )
        n_rows = len(fitted.Z) if stream is None else len(stream)
        budget = _budget(part, n_rows, size, training)
        history = _train_part(
            part,
            fitted,
            validation_part,
            budget,
            training,
            hiding,
            generator,
            (fitted.mean_log_jacobian, validation.mean_log_jacobian),
            None if checkpoint is None else checkpoint.begin_training(),
            None if stream is None else replace(stream, tensor=part.tensor),
        )
        histories.append(history)
        if history.interrupted:
            break
    return joined(histories)


def _budget(part: RowDensity, n_rows: int, n_columns: int, training: TrainingSpec) -> Budget:
    return make_budget(
        n_rows,
        part,
        n_columns=n_columns,
        batch_size=training.batch_size,
        max_iter=training.max_iter,
        learning_rate=training.learning_rate_init,
        alpha=training.alpha,
        patience=training.n_iter_no_change,
        auto=training.auto,
    )


def _train_part(
    part: RowDensity,
    fitted: _FlowRows,
    validation: WeightedRows | None,
    budget: Budget,
    training: TrainingSpec,
    hiding: Hiding | None,
    generator: torch.Generator,
    jacobians: Jacobians,
    slot: TrainingSlot | None,
    stream: RowStream | None,
) -> History:
    """Train one part of a flow, with a progress bar in the units of the table."""
    name = training.progress
    bar = tqdm(total=budget.n_epochs, desc=name, unit="epoch", disable=name is None)
    show = _shown_on(bar, jacobians[1])
    is_discrete = isinstance(part, CodesDensity)

    def on_epoch(history: History) -> bool:
        show(history)
        if training.on_epoch is None:
            return False
        return training.on_epoch(_epoch_of(history, budget.n_epochs, is_discrete, jacobians))

    with threads_for(budget.batch_size * part.widest), bar:
        return train(
            part,
            weighted_rows(part, fitted.Z, fitted.weights, fitted.context),
            validation,
            steps=part.tensor(fitted.steps),
            budget=budget,
            tol=training.tol,
            generator=generator,
            on_epoch=on_epoch,
            hiding=hiding,
            slot=slot,
            stream=stream,
        )


def _shown_on(bar: tqdm, log_jacobian: float) -> Callable[[History], None]:
    """Return a function that shows a history on a progress bar, in the units of the table."""

    def show(history: History) -> None:
        if history.validation_scores:
            score = history.best_score + log_jacobian
            bar.set_postfix_str(f"best held-out score {score:.3f} nats", refresh=False)
        bar.update()

    return show


def _epoch_of(history: History, max_iter: int, is_discrete: bool, jacobians: Jacobians) -> Epoch:
    """Return the last epoch of a history in the units of the table.

    Of two parts of a flow the continuous one has the log-Jacobians, of training and validation
    rows: numbers of both add up to those of the whole.
    """
    of_fitted, of_validation = (0.0, 0.0) if is_discrete else jacobians
    scores = history.validation_scores
    return Epoch(
        number=len(history.loss_curve),
        max_iter=max_iter,
        part="discrete" if is_discrete else "continuous",
        loss=history.loss_curve[-1] - of_fitted,
        validation_score=scores[-1] + of_validation if scores else None,
        best_validation_score=history.best_score + of_validation if scores else None,
    )
