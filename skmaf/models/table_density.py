"""The density of a table by a flow, with simple densities beside it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.utils import gen_batches

from .._memory import BatchSize
from .._torch import isolated_torch, threads_for
from .._validation import check_count, seed_from
from ..flows import TableFlow
from ..table.flow_space import Columns
from .baseline import Baseline
from .contract import ModulePrecisions, check_context, check_rows, finite_log_prob
from .specs import FlowSpec


@dataclass(frozen=True, eq=False)
class TableDensity:
    """The density of rows of numbers and codes of categories, perhaps given a context.

    It is that of a flow, in a mixture with simple densities.

    Attributes
    ----------
    columns : Columns
        What each column is.
    precisions : ModulePrecisions
        The flow, in the precisions that were asked for.
    baseline : Baseline or None
        The simple densities beside the flow.
    spec : FlowSpec
        What the flow was to be made of.
    dtype : numpy dtype
        Of rows that are drawn.
    n_context : int
        How many columns of context it is given.
    """

    columns: Columns
    precisions: ModulePrecisions[TableFlow]
    baseline: Baseline | None
    spec: FlowSpec
    dtype: np.dtype
    n_context: int = 0

    @property
    def flow(self) -> TableFlow:
        """The flow on the CPU, in float32."""
        return self.precisions.module

    @property
    def device(self) -> str:
        """Where it computes."""
        return self.precisions.device

    def without_baseline(self) -> "TableDensity":
        """Return the density of the flow alone."""
        return replace(self, baseline=None)

    @isolated_torch()
    def log_prob(self, N: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return the log-density of each row, of the cells that it has, in nats and units of N.

        Parameters
        ----------
        N : ndarray of shape (n, n_features)
            NaN where a cell is missing.
        context : ndarray of shape (n, n_context), default=None

        Returns
        -------
        log_prob : ndarray of shape (n,), float64
        """
        N = check_rows(N, len(self.columns.columns))
        context = check_context(context, len(N), self.n_context)
        copies = self.columns.copies(N)
        parts = [finite_log_prob(self._log_prob(copy, context)) for copy in copies]
        return np.logaddexp.reduce(parts, axis=0)

    def _log_prob(self, N: np.ndarray, context: np.ndarray | None) -> np.ndarray:
        """Return the log-density of each row where it lies, on circles at one place of two."""
        flow = self.precisions.in_precision(N.dtype)

        def compute(rows: slice) -> np.ndarray:
            Z = self.columns.to_flow(N[rows])
            batch_context = rows_of(context, rows)
            of_codes, of_values = _batch_log_probs(flow, Z, batch_context)
            if self.baseline is None:
                in_flow_space = of_codes + of_values
            else:
                in_flow_space = self.baseline.mix((of_codes, of_values), Z, batch_context)
            return in_flow_space + self.columns.log_jacobian(N[rows])

        with threads_for(1), torch.no_grad():
            parts = BatchSize(flow.batch_rows).batches(compute, len(N))
            return np.concatenate([part for _, part in parts])

    @isolated_torch()
    def sample(
        self, n_samples: int = 1, random_state: Any = None, context: np.ndarray | None = None
    ) -> np.ndarray:
        """Draw rows, shape (n_samples, n_features); with a context one for each of its rows."""
        check_count("n_samples", n_samples)
        context = check_context(context, n_samples, self.n_context)
        seed = seed_from(random_state)
        generator = torch.Generator().manual_seed(seed)
        rng = np.random.RandomState(seed)
        flow = self.precisions.in_precision(self.dtype)
        N = np.empty((n_samples, len(self.columns.columns)), dtype=self.dtype)
        with threads_for(1), torch.no_grad():
            for rows in gen_batches(n_samples, flow.batch_rows_inverse):
                n_rows = rows.stop - rows.start
                Z = self._draw(flow, n_rows, rows_of(context, rows), generator, rng)
                N[rows] = self._out_of_flow_space(Z)
        return N

    @isolated_torch()
    def to_base(self, N: np.ndarray) -> np.ndarray:
        """Return the rows in base space; NaN where a cell is missing, and else finite."""
        N = check_rows(N, len(self.columns.columns))
        check_context(None, len(N), self.n_context)
        flow = self.precisions.in_precision(N.dtype)
        Z = np.empty((len(N), len(self.columns.owners)), dtype=N.dtype)
        N = self.columns.copies(N)[0]
        with threads_for(1), torch.no_grad():
            batches = BatchSize(flow.batch_rows).batches(
                lambda rows: flow.to_base(flow.tensor(self.columns.to_flow(N[rows]))), len(N)
            )
            for rows, z in batches:
                Z[rows] = z.cpu().numpy()
        largest = np.finfo(N.dtype).max
        Z = np.nan_to_num(Z, nan=largest, posinf=largest, neginf=-largest)
        Z[np.isnan(N)[:, self.columns.owners]] = np.nan
        return Z

    @isolated_torch()
    def from_base(self, Z: np.ndarray) -> np.ndarray:
        """Return the rows whose image in base space is ``Z``."""
        Z = check_rows(Z, len(self.columns.owners))
        check_context(None, len(Z), self.n_context)
        flow = self.precisions.in_precision(self.dtype)
        N = np.empty((len(Z), len(self.columns.columns)), dtype=self.dtype)
        with threads_for(1), torch.no_grad():
            for rows in gen_batches(len(Z), flow.batch_rows_inverse):
                drawn = torch.cat(flow.from_base(flow.tensor(Z[rows])), 1)
                N[rows] = self._out_of_flow_space(drawn.cpu().double().numpy())
        return N

    @isolated_torch()
    def from_base_nodes(self, nodes: np.ndarray, context: np.ndarray) -> np.ndarray:
        """Return where the flow of one continuous column takes nodes of base space.

        Parameters
        ----------
        nodes : ndarray of shape (n_nodes,)
        context : ndarray of shape (n, n_context)

        Returns
        -------
        z : ndarray of shape (n, n_nodes)
            Standardised values of the column, given each row of the context.
        """
        flow = self.precisions.in_precision(self.dtype)
        with threads_for(1), torch.no_grad():
            inverse = flow.values.flow.inverse_of_many(flow.tensor(nodes), flow.tensor(context))
        return inverse.cpu().double().numpy()

    def _draw(
        self,
        flow: TableFlow,
        n_rows: int,
        context: np.ndarray | None,
        generator: torch.Generator,
        rng: np.random.RandomState,
    ) -> np.ndarray:
        """Draw rows of flow space."""
        n_codes = self.columns.n_codes
        flow_context = None if context is None else flow.tensor(context)
        z = flow.tensor(torch.randn((n_rows, self.columns.n_values), generator=generator))
        codes = torch.empty((n_rows, 0))
        if flow.codes is not None:
            chance = torch.rand((n_codes, n_rows), generator=generator).T
            codes = flow.codes.draw(flow.tensor(chance), flow_context).cpu()
            if self.baseline is not None:
                self.baseline.replace_codes(codes.numpy(), rng)
        drawn = flow.values.draw(z, flow.tensor(codes), flow_context)
        values = drawn.cpu().double().numpy()
        if self.baseline is not None:
            self.baseline.replace_values(values, rng, context)
        return np.column_stack([codes, values])

    def _out_of_flow_space(self, Z: np.ndarray) -> np.ndarray:
        largest = np.finfo(self.dtype).max
        return np.clip(self.columns.from_flow(Z), -largest, largest)


def flow_log_probs(
    flow: TableFlow, Z: np.ndarray, context: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return what the flow alone gives rows of flow space.

    Returns
    -------
    of_codes, of_values : ndarray of shape (n,)
        Log-probability of the codes, and log-density of the values given these.
    """
    with torch.no_grad():
        batches = BatchSize(flow.batch_rows).batches(
            lambda rows: _batch_log_probs(flow, Z[rows], rows_of(context, rows)), len(Z)
        )
        of_codes, of_values = np.hstack([part for _, part in batches])
    return of_codes, of_values


def _batch_log_probs(flow: TableFlow, Z: np.ndarray, context: np.ndarray | None) -> np.ndarray:
    """Return the log-probabilities of codes, and the log-densities of values, shape (2, n)."""
    flow_context = None if context is None else flow.tensor(context)
    log_probs = torch.stack(flow.log_probs(flow.tensor(Z), flow_context))
    return log_probs.cpu().double().numpy()


def rows_of(context: np.ndarray | None, rows: Any) -> np.ndarray | None:
    """Return some rows of a context, if there is one."""
    return None if context is None else context[rows]
