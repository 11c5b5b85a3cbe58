"""The peers: other packages' density estimators behind one interface.

It is ``fit(X_train, X_val)`` and ``log_prob(X)``. Each takes at most ``budget`` seconds of
processor time to fit, and chooses by the held-out rows ``X_val``.
"""

import copy
import math
import time
import warnings

import numpy as np
import torch
import zuko
from nflows.distributions import StandardNormal
from nflows.flows import Flow, MaskedAutoregressiveFlow
from nflows.transforms import (
    CompositeTransform,
    MaskedPiecewiseRationalQuadraticAutoregressiveTransform,
    ReversePermutation,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

N_LAYERS = 5
N_BINS = 8
HIDDEN = 128  # units of each of the two hidden layers
LEARNING_RATE = 1e-3
BATCH_SIZE = 256
PATIENCE = 30  # epochs
MAX_GRADIENT_NORM = 5.0
N_COMPONENTS = (1, 2, 5, 10, 20, 40)
BANDWIDTHS = np.geomspace(2, 0.02, 20)
# held-out rows that choose the bandwidth, at most: scoring takes fit rows x held-out rows
BANDWIDTH_ROWS = 2000


def zuko_flow(bijector, n_columns, hidden=HIDDEN):
    """zuko's masked autoregressive flow, with 2 hidden layers in each of its layers."""
    if bijector == "affine":
        return zuko.flows.MAF(n_columns, transforms=N_LAYERS, hidden_features=[hidden] * 2)
    return zuko.flows.NSF(n_columns, bins=N_BINS, transforms=N_LAYERS, hidden_features=[hidden] * 2)


def nflows_flow(bijector, n_columns, hidden=HIDDEN):
    """nflows' masked autoregressive flow, of the shapes of `zuko_flow`.

    Its first layer comes on top of its blocks.
    """
    network = {"use_residual_blocks": False, "num_blocks": 1}
    if bijector == "affine":
        network["num_blocks_per_layer"] = network.pop("num_blocks")
        return MaskedAutoregressiveFlow(n_columns, hidden, N_LAYERS, **network)
    layers = []
    for _ in range(N_LAYERS):
        layers.append(ReversePermutation(n_columns))
        layers.append(
            MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
                n_columns, hidden, num_bins=N_BINS, tails="linear", tail_bound=5.0, **network
            )
        )
    return Flow(CompositeTransform(layers), StandardNormal([n_columns]))


class TorchFlow:
    """A peer's flow, trained by Adam until held-out rows no longer gain, with the best weights."""

    def __init__(self, make, budget, seed):
        self.make = make
        self.budget = budget
        self.seed = seed

    def fit(self, X_train, X_val):
        deadline = time.process_time() + self.budget
        torch.manual_seed(self.seed)
        x = _float32(X_train)
        x_val = _float32(X_val)
        self.flow = self.make(x.shape[1])
        adam = torch.optim.Adam(self.flow.parameters(), lr=LEARNING_RATE)
        best = -math.inf
        best_epoch = 0
        epoch = 0
        state = copy.deepcopy(self.flow.state_dict())
        while epoch - best_epoch < PATIENCE and time.process_time() < deadline:
            epoch += 1
            for rows in torch.randperm(len(x)).split(BATCH_SIZE):
                self._step(adam, x[rows])
            score = self.log_prob(x_val).mean()
            if score > best:
                best = score
                best_epoch = epoch
                state = copy.deepcopy(self.flow.state_dict())
        self.flow.load_state_dict(state)
        self.detail = f"epoch {best_epoch} of {epoch}"

    def _step(self, adam, x):
        loss = -self._log_prob(x).mean()
        adam.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.flow.parameters(), MAX_GRADIENT_NORM)
        if torch.isfinite(loss + norm):  # one bad batch must not spoil a peer's weights
            adam.step()

    def _log_prob(self, x):
        flow = self.flow() if isinstance(self.flow, zuko.lazy.LazyDistribution) else self.flow
        return flow.log_prob(x)

    def log_prob(self, X):
        with torch.no_grad():
            return self._log_prob(_float32(X)).numpy().astype(np.float64)


class Mixture:
    """Gaussian mixture, full covariances, as many as held-out rows choose; refitted on all rows.

    The numbers are tried in rising order as far as the budget goes; the deadline ends the last one
    where it stands.
    """

    def __init__(self, budget, seed):
        self.budget = budget
        self.seed = seed

    def fit(self, X_train, X_val):
        deadline = time.process_time() + self.budget
        best = -math.inf
        for n_components in N_COMPONENTS:
            if time.process_time() > deadline:
                break
            mixture = self._fit(X_train, n_components, deadline)
            score = mixture.score(X_val)
            if score > best:
                best = score
                self.mixture = mixture
        self.detail = f"{self.mixture.n_components} of up to {n_components} components"
        if time.process_time() < deadline:
            self.mixture = self._fit(
                np.concatenate([X_train, X_val]), self.mixture.n_components, deadline
            )

    def _fit(self, X, n_components, deadline):
        # a few iterations at a time, so that the deadline is kept
        mixture = GaussianMixture(n_components, max_iter=5, warm_start=True, random_state=self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(X)
            while not mixture.converged_ and time.process_time() < deadline:
                mixture.fit(X)
        return mixture

    def log_prob(self, X):
        return self.mixture.score_samples(X)


class Kernel:
    """Gaussian kernel density, its bandwidth chosen by held-out rows; refitted on all rows."""

    def __init__(self, budget, seed):
        self.budget = budget

    def fit(self, X_train, X_val):
        deadline = time.process_time() + self.budget
        best = -math.inf
        for bandwidth in BANDWIDTHS:
            if time.process_time() > deadline:
                break
            kernel = KernelDensity(bandwidth=bandwidth).fit(X_train)
            score = kernel.score(X_val[:BANDWIDTH_ROWS])
            if score > best:
                best = score
                self.kernel = kernel
        self.detail = f"bandwidth {self.kernel.bandwidth:.3f}, tried down to {bandwidth:.3f}"
        self.kernel = KernelDensity(bandwidth=self.kernel.bandwidth).fit(
            np.concatenate([X_train, X_val])
        )

    def log_prob(self, X):
        return self.kernel.score_samples(X)


def _float32(X):
    return torch.as_tensor(X, dtype=torch.float32)


PEERS = {
    "zuko-maf": lambda budget, seed: TorchFlow(lambda n: zuko_flow("affine", n), budget, seed),
    "zuko-nsf": lambda budget, seed: TorchFlow(lambda n: zuko_flow("spline", n), budget, seed),
    "nflows-maf": lambda budget, seed: TorchFlow(lambda n: nflows_flow("affine", n), budget, seed),
    "gmm": Mixture,
    "kde": Kernel,
}
