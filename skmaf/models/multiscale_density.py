"""The density of a table with normal noise of many levels, and the function that fits one."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.special import logsumexp
from scipy.stats import trim_mean
from sklearn.utils import gen_batches

from .._devices import pick_device
from .._torch import isolated_torch, threads_for
from .._validation import check_count, seed_from, weigh
from ..flows import Flow, MixtureMADE
from ..table.column_kinds import find_columns, standardised_column
from ..table.columns import Columns
from ..training.budget import Budget
from ..training.hiding import Hiding
from ..training.loop import History, train, weighted_rows
from ..training.noise import NoiseLevels
from .contract import ModulePrecisions, check_context, check_rows, finite_log_prob
from .kernel import Kernel
from .specs import TableKnowledge

BATCH_ROWS = 128
EPOCH_BATCHES = 8  # at least: few rows are taken several times, so that batches are full
PEAK_RATE = 0.01
WEIGHT_DECAY = 0.01
MANY_COLUMNS = 24  # beyond which steps, each of them longer, become fewer
FEWEST_STEPS = 0.05  # of max_iter
N_NOISE_LEVELS = 9  # from the lowest to the highest
KERNEL_ROWS = 5000  # of the kernel density, at most
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
    max_iter: int
    device: str

    @property
    def noise(self) -> NoiseLevels:
        """The range of noise levels."""
        return NoiseLevels(self.lowest_noise, self.highest_noise)


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

    @isolated_torch()
    def log_prob(self, N: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return the log-density of each row, of the cells that it has, in nats and units of N.

        A row that is the same as a training row is scored by the kernel of the others.

        Parameters
        ----------
        N : ndarray of shape (n, n_features)
            NaN where a cell is missing.
        context : None

        Returns
        -------
        log_prob : ndarray of shape (n,), float64
        """
        N = check_rows(N, len(self.columns.columns))
        check_context(context, len(N), n_context=0)
        network = self.precisions.in_precision(N.dtype)
        log_prob = np.empty(len(N))
        with threads_for(1), torch.no_grad():
            for rows in gen_batches(len(N), network.batch_rows):
                Z = self.columns.to_flow(N[rows])
                in_flow_space = self._log_prob_in_flow_space(network, Z)
                log_prob[rows] = in_flow_space + self.columns.log_jacobian(N[rows])
        return finite_log_prob(log_prob)

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
        gap : ndarray of shape (N_NOISE_LEVELS,)
            The mean gain of a row at each noise level, as a multiple of what is allowed.
        """
        if self.columns.n_values == 0:
            return np.zeros(N_NOISE_LEVELS)
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
        gap : ndarray of shape (N_NOISE_LEVELS,)
            As `generalisation_gap` gives it. The finest noise level becomes that at which it
            falls to 1.
        """
        contexts = self.noise.contexts(N_NOISE_LEVELS).numpy()
        high = np.flatnonzero(gap > 1)
        n_out = high[-1] + 1 if len(high) else 0
        if n_out == 0:
            return self._with_contexts(contexts)
        if n_out == N_NOISE_LEVELS:
            return self._with_contexts(contexts[-1:])
        neighbours = [n_out, n_out - 1]
        finest = np.interp(1, gap[neighbours], contexts[neighbours])
        return self._with_contexts(np.linspace(finest, 1, N_NOISE_LEVELS - n_out))

    def _with_contexts(self, contexts: np.ndarray) -> "MultiscaleTableDensity":
        kernel = replace(self.kernel, bandwidths=self.noise.level(contexts))
        return replace(self, kernel=kernel, noise_contexts=contexts)

    def _log_prob_in_flow_space(self, network: MixtureMADE, Z: np.ndarray) -> np.ndarray:
        if Z.shape[1] == 0:
            return np.zeros(len(Z))
        of_levels = self._network_log_probs(network, Z, self.noise_contexts)
        by_network = logsumexp(of_levels, axis=0) - np.log(len(self.noise_contexts))
        return np.logaddexp(by_network, self.kernel.log_prob_leave_one_out(Z)) - np.log(2)

    def _network_log_probs(
        self, network: MixtureMADE, Z: np.ndarray, contexts: np.ndarray
    ) -> np.ndarray:
        """Return the network's log-density of rows at each noise level, shape (n_levels, n)."""
        z = network.tensor(Z[:, self.order])
        log_probs = [
            network.log_prob(z, z.new_full((len(z), 1), context)) for context in contexts.tolist()
        ]
        return torch.stack(log_probs).cpu().double().numpy()

    def _log_probs_of_levels(self, N: np.ndarray) -> np.ndarray:
        """Return the network's log-density at all noise levels, those not mixed included."""
        Z = self.columns.to_flow(N)
        contexts = self.noise.contexts(N_NOISE_LEVELS).numpy()
        with torch.no_grad(), threads_for(1):
            parts = [
                self._network_log_probs(self.flow, Z[rows], contexts)
                for rows in gen_batches(len(Z), self.flow.batch_rows)
            ]
        return np.concatenate(parts, axis=1)

    def _draw(
        self,
        network: MixtureMADE,
        n_rows: int,
        generator: torch.Generator,
        rng: np.random.RandomState,
    ) -> np.ndarray:
        """Draw rows of flow space, half of them from the network and half from the kernel."""
        z = network.tensor(torch.randn((n_rows, self.columns.n_values), generator=generator))
        Z = np.empty(z.shape)
        if Z.shape[1]:
            levels = rng.randint(len(self.noise_contexts), size=n_rows)
            contexts = network.tensor(self.noise_contexts[levels])[:, None]
            chance = network.tensor(rng.random_sample(z.shape))
            Z[:, self.order] = network.draw(z, chance, contexts).cpu().double().numpy()
            from_kernel = rng.random_sample(n_rows) < 0.5
            Z[from_kernel] = self.kernel.sample(from_kernel.sum(), rng)
        return Z


@isolated_torch()
def fit_multiscale_density(
    N: np.ndarray,
    sample_weight: np.ndarray | None,
    spec: MultiscaleSpec,
    known: TableKnowledge,
    random_state: Any = None,
) -> tuple[MultiscaleTableDensity, History]:
    """Fit the density of a table's rows at all noise levels.

    Parameters
    ----------
    N : ndarray of shape (n, n_features)
        Numbers, and codes of categories; NaN where a cell is missing.
    sample_weight : ndarray of shape (n,) or None
    spec : MultiscaleSpec
    known : TableKnowledge
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    density : MultiscaleTableDensity
    history : History
        Its losses are in nats and in the units of N.
    """
    order, weights = weigh(N, sample_weight)
    N = N[order]
    device = pick_device(spec.device)
    generator = torch.Generator().manual_seed(seed_from(random_state))
    columns = find_columns(standardised_column, N, weights, known.n_categories)
    column_order = torch.randperm(columns.n_values, generator=generator).numpy()
    network = _new_network(columns.n_values, spec, known.has_missing, generator).to(device)
    Z = columns.to_flow(N)
    history = _train(network, columns, column_order, Z, weights, spec, known, generator)
    log_jacobian = np.average(columns.log_jacobian(N), weights=weights)
    history = replace(history, loss_curve=[loss - log_jacobian for loss in history.loss_curve])
    kept = torch.randperm(len(Z), generator=generator)[:KERNEL_ROWS].numpy()
    contexts = spec.noise.contexts(N_NOISE_LEVELS).numpy()
    density = MultiscaleTableDensity(
        columns=columns,
        precisions=ModulePrecisions(network.cpu().eval().requires_grad_(False), spec.device),
        kernel=Kernel(spec.noise.level(contexts), Z[kept], weights[kept]),
        noise=spec.noise,
        noise_contexts=contexts,
        order=column_order,
        dtype=N.dtype,
    )
    return density, history


def _new_network(
    n_columns: int, spec: MultiscaleSpec, has_missing: bool, generator: torch.Generator
) -> Any:
    """Return an untrained `MixtureMADE`, or a flow without layers where no column varies."""
    if n_columns == 0:
        return Flow([])
    sizes = spec.hidden_layer_sizes
    return MixtureMADE(n_columns, spec.n_components, sizes, spec.noise, generator, has_missing)


def _train(
    network: MixtureMADE,
    columns: Columns,
    order: np.ndarray,
    Z: np.ndarray,
    weights: np.ndarray,
    spec: MultiscaleSpec,
    known: TableKnowledge,
    generator: torch.Generator,
) -> History:
    share = np.clip(MANY_COLUMNS / max(1, Z.shape[1]), FEWEST_STEPS, 1)
    n_steps = max(1, round(spec.max_iter * share))
    # no more rows than the steps take
    if len(Z) > n_steps * BATCH_ROWS:
        kept = torch.randperm(len(Z), generator=generator)[: n_steps * BATCH_ROWS].numpy()
        Z = Z[kept]
        weights = weights[kept]
    n_times = -(-min(n_steps, EPOCH_BATCHES) * BATCH_ROWS // len(Z))
    Z = np.tile(Z[:, order], (n_times, 1))
    weights = np.tile(weights, n_times)
    n_epochs = max(1, round(n_steps * BATCH_ROWS / len(Z)))
    # the same for all rows: no transform comes before the standardisation
    steps = columns.steps(np.empty((0, len(columns.columns))))[:, order]
    with threads_for(BATCH_ROWS * network.widest):
        return train(
            network,
            weighted_rows(network, Z, weights),
            None,
            steps=network.tensor(steps),
            budget=Budget(n_epochs, BATCH_ROWS, PEAK_RATE, WEIGHT_DECAY, patience=n_epochs),
            tol=0.0,
            generator=generator,
            on_epoch=lambda history: None,
            noise=spec.noise,
            hiding=Hiding(columns.owners[order], 0) if known.has_missing else None,
        )
