"""The density of a table with normal noise of many levels, and the function that fits one."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from joblib import delayed
from scipy.stats import trim_mean
from sklearn.utils import gen_batches
from tqdm.auto import tqdm

from .._devices import pick_device
from .._jobs import jobs_and_threads, run_jobs
from .._memory import BatchSize
from .._torch import isolated_torch, threads_for
from .._validation import check_count, seed_from
from ..flows import Flow, MixtureMADE
from ..table.column_kinds import find_columns, standardised_column
from ..table.flow_space import Columns
from ..training.hiding import Hiding
from ..training.loop import History
from ..training.noise import NoiseLevels
from ..training.side_by_side import NoisyRows, StepBudget, train_side_by_side
from .contract import ModulePrecisions, check_context, check_rows, finite_log_prob
from .kernel import Kernel
from .specs import TableKnowledge

BATCH_ROWS = 256
SIDE_BY_SIDE = 3  # densities whose networks are trained together
PEAK_RATE = 0.015
WEIGHT_DECAY = 0.01
MANY_COLUMNS = 24  # beyond which steps, each of them longer, become fewer
FEWEST_STEPS = 0.05  # of max_iter
# up to which steps beyond the first ones become fewer, and Muon has no say: there is less to learn
MANY_ROWS = 500
ENOUGH_STEPS = 180
N_NOISE_LEVELS = 5  # that are mixed, from the lowest to the highest
N_GAP_LEVELS = 9  # at which the generalisation gap is measured
KERNEL_ROWS = 2000  # of the kernel density, at most
# that are scored together, always: products of other sizes are rounded in another way, and a row
# must get the same score alone and among others
BLOCK_ROWS = 128
# what a row may gain at a noise level by having been learned from: the larger of a share of the
# spread of other rows' log-densities, and some nats
GAIN_SHARE = 0.75
GAIN_NATS = 1.0
TRIMMED = 0.1  # of the rows at both ends, when gains are averaged: outliers must not decide
SPREAD = (16, 84)  # percentiles, two standard deviations apart in a normal law


@dataclass(frozen=True)
class MultiscaleSpec:
    """The parameters of `MultiscaleDensity`."""

    lowest_noise: float
    highest_noise: float
    n_components: int
    hidden_layer_sizes: tuple[int, ...]
    kernel_share: float
    max_iter: int
    device: str

    @property
    def noise(self) -> NoiseLevels:
        """The range of noise levels."""
        return NoiseLevels(self.lowest_noise, self.highest_noise)

    @property
    def noise_levels(self) -> np.ndarray:
        """The noise levels, in geometric steps."""
        return self.noise.level(self.noise.contexts(N_NOISE_LEVELS).numpy())


@dataclass(frozen=True, eq=False)
class MultiscaleTableDensity:
    """The mixture, over noise levels, of a network's density and of a kernel density.

    Attributes
    ----------
    columns : Columns
        What each column is.
    precisions : ModulePrecisions
        The network, in the precisions that were asked for.
    kernel : Kernel
        The training rows, with the noise levels as bandwidths.
    kernel_share : float
        Share of the kernel density in the mixture.
    noise : NoiseLevels
        The range of noise levels.
    noise_contexts : ndarray
        What the network is told of each noise level that is mixed.
    order : ndarray of int
        The order in which the network takes the columns of flow space.
    dtype : numpy dtype
        Of rows that are drawn.
    """

    columns: Columns
    precisions: ModulePrecisions[MixtureMADE]
    kernel: Kernel
    kernel_share: float
    noise: NoiseLevels
    noise_contexts: np.ndarray
    order: np.ndarray
    dtype: np.dtype

    @property
    def flow(self) -> MixtureMADE:
        """The network on the CPU, in float32."""
        return self.precisions.module

    @property
    def device(self) -> str:
        """Where it computes."""
        return self.precisions.device

    @property
    def noise_levels(self) -> np.ndarray:
        """The noise levels that are mixed."""
        return self.noise.level(self.noise_contexts)

    def without_baseline(self) -> "MultiscaleTableDensity":
        """Return the density itself, which has no baseline."""
        return self

    def log_prob(self, N: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return the log-density of each row, of the cells that it has, in nats and units of N.

        Parameters
        ----------
        N : ndarray of shape (n, n_features)
            NaN where a cell is missing.
        context : None

        Returns
        -------
        log_prob : ndarray of shape (n,), float64
        """
        check_context(context, len(N), n_context=0)
        by_network, by_kernel = self.log_prob_of_parts(N)
        if self.kernel_share == 0:
            return by_network
        return np.logaddexp(
            by_network + np.log1p(-self.kernel_share), by_kernel + np.log(self.kernel_share)
        )

    @isolated_torch()
    def log_prob_of_parts(self, N: np.ndarray) -> np.ndarray:
        """Return the log-densities of each row by the network, and by the kernel density.

        Parameters
        ----------
        N : ndarray of shape (n, n_features)

        Returns
        -------
        log_probs : ndarray of shape (2, n), float64
            The second of zeros where the kernel density has no share.
        """
        N = check_rows(N, len(self.columns.columns))
        Z = self.columns.to_flow(N)
        by_network = self._network_log_probs(Z, self.noise_contexts)
        by_kernel = _kernel_log_prob(self.kernel, Z) if self.kernel_share else np.zeros(len(Z))
        log_probs = np.stack([_mean_density(by_network), by_kernel])
        return finite_log_prob(log_probs + self.columns.log_jacobian(N))

    @isolated_torch()
    def network_log_probs(self, N: np.ndarray) -> np.ndarray:
        """Return the network's log-densities of each row: the mean density, and by noise level.

        Parameters
        ----------
        N : ndarray of shape (n, n_features)

        Returns
        -------
        log_probs : ndarray of shape (1 + n_levels, n), float64
            From the lowest noise level that is mixed to the highest.
        """
        N = check_rows(N, len(self.columns.columns))
        of_levels = self._network_log_probs(self.columns.to_flow(N), self.noise_contexts)
        log_probs = np.concatenate([_mean_density(of_levels)[None], of_levels])
        return finite_log_prob(log_probs + self.columns.log_jacobian(N))

    @isolated_torch()
    def log_prob_of_kernel(self, N: np.ndarray, kernel: Kernel, scales: np.ndarray) -> np.ndarray:
        """Return the log-densities of rows by another kernel, of values divided by scales.

        Parameters
        ----------
        N : ndarray of shape (n, n_features)
        kernel : Kernel
        scales : ndarray of shape (n_values,)

        Returns
        -------
        log_prob : ndarray of shape (n,), float64
            In nats and units of N.
        """
        N = check_rows(N, len(self.columns.columns))
        Z = self.columns.to_flow(N) / scales
        log_jacobian = self.columns.log_jacobian(N) - ~np.isnan(Z) @ np.log(scales)
        return finite_log_prob(_kernel_log_prob(kernel, Z) + log_jacobian)

    @isolated_torch()
    def sample(
        self, n_samples: int = 1, random_state: Any = None, context: np.ndarray | None = None
    ) -> np.ndarray:
        """Draw rows, shape (n_samples, n_features), with noise of the levels that are mixed."""
        check_count("n_samples", n_samples)
        check_context(context, n_samples, n_context=0)
        seed = seed_from(random_state)
        generator = torch.Generator().manual_seed(seed)
        rng = np.random.RandomState(seed)
        network = self.precisions.in_precision(self.dtype)
        largest = np.finfo(self.dtype).max
        N = np.empty((n_samples, len(self.columns.columns)), dtype=self.dtype)
        with threads_for(1), torch.no_grad():
            for rows in gen_batches(n_samples, network.batch_rows_inverse):
                Z = self._draw(network, rows.stop - rows.start, generator, rng)
                N[rows] = np.clip(self.columns.from_flow(Z), -largest, largest)
        return N

    @isolated_torch()
    def generalisation_gap(self, fitted: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        """Return how much too well the network knows rows that it was fitted on.

        Parameters
        ----------
        fitted : ndarray of shape (n_fitted, n_features)
        held_out : ndarray of shape (n_held_out, n_features)

        Returns
        -------
        gap : ndarray of shape (N_GAP_LEVELS,)
            The mean gain of a row at each noise level, as a multiple of what is allowed.
        """
        if self.columns.n_values == 0:
            return np.zeros(N_GAP_LEVELS)
        of_fitted = self._log_probs_of_levels(fitted)
        of_held_out = self._log_probs_of_levels(held_out)
        gains = trim_mean(of_fitted, TRIMMED, axis=1) - trim_mean(of_held_out, TRIMMED, axis=1)
        [spreads] = np.diff(np.percentile(of_held_out, SPREAD, axis=1), axis=0) / 2
        return gains / np.maximum(GAIN_SHARE * spreads, GAIN_NATS)

    @isolated_torch()
    def select_noise_levels(self, gap: np.ndarray) -> "MultiscaleTableDensity":
        """Return the density without the noise levels at which the gap is above 1.

        Parameters
        ----------
        gap : ndarray of shape (N_GAP_LEVELS,)
            As `generalisation_gap` gives it. The finest noise level becomes that at which it
            falls to 1.
        """
        contexts = self.noise.contexts(N_GAP_LEVELS).numpy()
        high = np.flatnonzero(gap > 1)
        n_out = high[-1] + 1 if len(high) else 0
        if n_out == N_GAP_LEVELS:
            return self._with_contexts(contexts[-1:])
        finest = contexts[0]
        if n_out:
            neighbours = [n_out, n_out - 1]
            finest = np.interp(1, gap[neighbours], contexts[neighbours])
        # as close to each other as they are over the whole range
        n_levels = 1 + math.ceil((contexts[-1] - finest) / 2 * (N_NOISE_LEVELS - 1))
        return self._with_contexts(np.linspace(finest, contexts[-1], n_levels))

    def _with_contexts(self, contexts: np.ndarray) -> "MultiscaleTableDensity":
        kernel = replace(self.kernel, bandwidths=self.noise.level(contexts))
        return replace(self, kernel=kernel, noise_contexts=contexts)

    def _network_log_probs(self, Z: np.ndarray, contexts: np.ndarray) -> np.ndarray:
        """Return the network's log-density of rows of flow space at noise levels.

        Its shape is (n_levels, n).
        """
        if Z.shape[1] == 0:
            return np.zeros((len(contexts), len(Z)))
        # in the precision that it was trained in: it resolves no more
        network = self.precisions.in_precision(np.dtype(np.float32))
        of_levels = network.tensor(contexts)
        blocks = _whole_blocks(Z[:, self.order])

        def compute(rows: slice) -> torch.Tensor:
            # all levels in one pass: small products cost as much as larger ones
            block = network.tensor(blocks[rows])
            context = of_levels.repeat_interleave(len(block))[:, None]
            log_probs = network.log_prob(block.repeat(len(contexts), 1), context)
            return log_probs.view(len(contexts), -1)

        with threads_for(1), torch.no_grad():
            parts = BatchSize(BLOCK_ROWS).batches(compute, len(blocks))
            log_probs = torch.cat([part for _, part in parts], 1)
        return log_probs[:, : len(Z)].cpu().double().numpy()

    def _log_probs_of_levels(self, N: np.ndarray) -> np.ndarray:
        """Return the network's log-density at all noise levels, those not mixed included."""
        contexts = self.noise.contexts(N_GAP_LEVELS).numpy()
        return self._network_log_probs(self.columns.to_flow(N), contexts)

    def _draw(
        self,
        network: MixtureMADE,
        n_rows: int,
        generator: torch.Generator,
        rng: np.random.RandomState,
    ) -> np.ndarray:
        """Draw rows of flow space, some from the network and some from the kernel."""
        z = network.tensor(torch.randn((n_rows, self.columns.n_values), generator=generator))
        Z = np.empty(z.shape)
        if Z.shape[1]:
            levels = rng.randint(len(self.noise_contexts), size=n_rows)
            contexts = network.tensor(self.noise_contexts[levels])[:, None]
            chance = network.tensor(rng.random_sample(z.shape))
            Z[:, self.order] = network.draw(z, chance, contexts).cpu().double().numpy()
            from_kernel = rng.random_sample(n_rows) < self.kernel_share
            Z[from_kernel] = self.kernel.sample(from_kernel.sum(), rng)
        return Z


def _mean_density(log_probs: np.ndarray) -> np.ndarray:
    """Return the logarithm of the mean density over the first axis."""
    return np.logaddexp.reduce(log_probs, axis=0) - np.log(len(log_probs))


def _kernel_log_prob(kernel: Kernel, Z: np.ndarray) -> np.ndarray:
    """Return the log-density of rows of flow space by a kernel; 0 where these have no columns."""
    if Z.shape[1] == 0:
        return np.zeros(len(Z))
    blocks = _whole_blocks(Z)
    with threads_for(1):
        parts = BatchSize(BLOCK_ROWS).batches(
            lambda rows: kernel.log_prob(blocks[rows]), len(blocks)
        )
        return np.concatenate([part for _, part in parts])[: len(Z)]


def _whole_blocks(Z: np.ndarray) -> np.ndarray:
    """Return rows of which blocks of `BLOCK_ROWS` are whole, filled up with copies of the first."""
    n_missing = -len(Z) % BLOCK_ROWS
    return np.concatenate([Z, np.repeat(Z[:1], n_missing, axis=0)]) if n_missing else Z


@isolated_torch()
def fit_multiscale_densities(
    N: np.ndarray,
    weights: np.ndarray,
    fitted: Sequence[np.ndarray],
    spec: MultiscaleSpec,
    known: TableKnowledge,
    random_state: Any = None,
    n_jobs: int | None = None,
    verbose: bool = False,
) -> dict[int, tuple[MultiscaleTableDensity, History]]:
    """Fit densities of rows of a table, each of some of them, at all noise levels.

    The networks of a few densities are trained side by side; such groups are the same whatever
    ``n_jobs`` is, and so are the results.

    Parameters
    ----------
    N : ndarray of shape (n, n_features)
        Numbers, and codes of categories; NaN where a cell is missing.
    weights : ndarray of shape (n,)
    fitted : sequence of ndarray of int
        For each density the rows that it learns.
    spec : MultiscaleSpec
    known : TableKnowledge
    random_state : int, RandomState instance or None, default=None
    n_jobs : int or None, default=None
        How many groups of densities are fitted at a time, as joblib takes it.
    verbose : bool, default=False
        Whether to show a progress bar.

    Returns
    -------
    densities : dict of int to tuple (MultiscaleTableDensity, History)
        By the positions in ``fitted``; of some of these if an interrupt came after them. Losses
        are in nats and in the units of N.
    """
    seed = seed_from(random_state)
    drafts = [
        _Draft.of(N[rows], weights[rows], spec, known, seed + k) for k, rows in enumerate(fitted)
    ]
    groups = _groups_of_one_shape(drafts)
    n_jobs, _ = jobs_and_threads(n_jobs)
    tasks = (delayed(_train)([drafts[k] for k in group], spec, seed + group[0]) for group in groups)
    trained = run_jobs(tasks, n_jobs, prefer="threads")
    bar = tqdm(total=len(drafts), desc="Densities", unit="fold", disable=not verbose)
    densities: dict[int, tuple[MultiscaleTableDensity, History]] = {}
    try:
        for of_group, group in zip(trained, groups):
            densities |= dict(zip(group, of_group))
            bar.update(len(group))
    except KeyboardInterrupt:
        if not densities:
            raise
    finally:
        bar.close()
    return dict(sorted(densities.items()))


@dataclass(frozen=True, eq=False)
class _Draft:
    """What a density is made of, its network not trained yet.

    Attributes
    ----------
    columns : Columns
    network : MixtureMADE or Flow
        A flow without layers where no column varies.
    order : ndarray of int
    rows : NoisyRows
        What the network is to learn.
    kernel : Kernel
    log_jacobian : float
        Mean of that of the way to flow space.
    dtype : numpy dtype
    """

    columns: Columns
    network: Any
    order: np.ndarray
    rows: NoisyRows
    kernel: Kernel
    log_jacobian: float
    dtype: np.dtype

    @classmethod
    def of(
        cls,
        N: np.ndarray,
        weights: np.ndarray,
        spec: MultiscaleSpec,
        known: TableKnowledge,
        seed: int,
    ) -> "_Draft":
        """Return the draft of the density of weighted rows."""
        generator = torch.Generator().manual_seed(seed)
        columns = find_columns(
            standardised_column, N, weights, known.n_categories, known.declared, known.cycles
        )
        order = torch.randperm(columns.n_values, generator=generator).numpy()
        network = _new_network(columns.n_values, spec, known.has_missing, generator)
        network = network.to(pick_device(spec.device))
        Z = columns.to_flow(N)
        # the same for all rows: no transform comes before the standardisation
        steps = columns.steps(np.empty((0, len(columns.columns))))[:, order]
        kept = torch.randperm(len(Z), generator=generator)[:KERNEL_ROWS].numpy()
        return cls(
            columns,
            network,
            order,
            NoisyRows(
                network.tensor(Z[:, order]),
                network.tensor(weights / weights.mean()),
                network.tensor(steps),
                Hiding(columns.owners[order], 0) if known.has_missing else None,
            ),
            Kernel(spec.noise_levels, Z[kept], weights[kept]),
            np.average(columns.log_jacobian(N), weights=weights),
            N.dtype,
        )

    def finished(self, spec: MultiscaleSpec) -> MultiscaleTableDensity:
        """Return the density with the network as it is now."""
        network = self.network.cpu().eval().requires_grad_(False)
        return MultiscaleTableDensity(
            columns=self.columns,
            precisions=ModulePrecisions(network, spec.device),
            kernel=self.kernel,
            kernel_share=spec.kernel_share,
            noise=spec.noise,
            noise_contexts=spec.noise.contexts(N_NOISE_LEVELS).numpy(),
            order=self.order,
            dtype=self.dtype,
        )


def _new_network(
    n_columns: int, spec: MultiscaleSpec, has_missing: bool, generator: torch.Generator
) -> Any:
    """Return an untrained `MixtureMADE`, or a flow without layers where no column varies."""
    if n_columns == 0:
        return Flow([])
    sizes = spec.hidden_layer_sizes
    return MixtureMADE(n_columns, spec.n_components, sizes, spec.noise, generator, has_missing)


def _groups_of_one_shape(drafts: list[_Draft]) -> list[list[int]]:
    """Return the positions of densities that are trained side by side."""
    of_shape = defaultdict(list)
    for k, draft in enumerate(drafts):
        of_shape[draft.columns.n_values].append(k)
    return [
        same[batch] for same in of_shape.values() for batch in gen_batches(len(same), SIDE_BY_SIDE)
    ]


@isolated_torch()
def _train(
    drafts: list[_Draft], spec: MultiscaleSpec, seed: int
) -> list[tuple[MultiscaleTableDensity, History]]:
    """Return the densities with their networks, of one shape, trained, and what happened.

    They are returned because in another process the networks of the drafts are copies.
    """
    histories = _train_networks(drafts, spec, seed)
    return [(draft.finished(spec), history) for draft, history in zip(drafts, histories)]


def _train_networks(drafts: list[_Draft], spec: MultiscaleSpec, seed: int) -> list[History]:
    """Train the networks of one shape, and return what happened in the units of the table."""
    n_columns = drafts[0].columns.n_values
    if n_columns == 0:
        return [History(best_score=0.0, converged=True) for _ in drafts]
    n_rows = max(len(draft.rows.x) for draft in drafts)
    steps = max(min(spec.max_iter, ENOUGH_STEPS), spec.max_iter * min(1, n_rows / MANY_ROWS))
    n_steps = max(1, round(steps * np.clip(MANY_COLUMNS / n_columns, FEWEST_STEPS, 1)))
    muon = n_rows >= MANY_ROWS
    budget = StepBudget(n_steps, BATCH_ROWS, PEAK_RATE, WEIGHT_DECAY, muon)
    generator = torch.Generator().manual_seed(seed)
    networks = [draft.network for draft in drafts]
    rows = [draft.rows for draft in drafts]
    with threads_for(1):
        histories = train_side_by_side(networks, rows, budget, spec.noise, generator)
    return [
        replace(history, loss_curve=[loss - draft.log_jacobian for loss in history.loss_curve])
        for draft, history in zip(drafts, histories)
    ]
