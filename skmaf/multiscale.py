"""MultiscaleDensity: the density of a table at many degrees of blur, for anomalies."""

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._compat import Interval, StrOptions, fit_context
from ._validation import check_sizes, weigh
from ._warnings import warn_user
from .base import (
    TableDensityEstimator,
    encode_rows,
    keep_fitted,
    knowledge_of,
    learn_constraints,
    learn_table,
    warn_if_interrupted,
    without_weightless,
)
from .streamed import refuse_stream
from .table.codec import TableCodec
from .table.column_kinds import check_shown_kinds
from .table.frames import as_table

if TYPE_CHECKING:
    from .models.multiscale_density import MultiscaleSpec


class MultiscaleDensity(TableDensityEstimator):
    """Density of a table with normal noise of many levels, by a masked network told the level, and
    by the rows themselves.

    A MADE with mixtures of normals [1]_ learns the density of rows with noise at all levels at
    once, the level being its context [2]_. It tells what columns have to do with each other. A
    kernel density at the same levels remembers every training row, and so tells what is far from
    all of them. The density is the mixture of both over all `noise_levels_`, in equal shares: wide
    enough to tell rows apart that lie far from all others, and fine enough to follow thin
    structure. Categories are indicators, with noise as all else. For the likelihood of held-out
    rows `MAFDensity` is the better one: this one is for anomalies.

    Parameters
    ----------
    lowest_noise, highest_noise : float, default=0.05 and 2.5
        Standard deviations of the noise, in those of a column.
    n_components : int, default=4
        Normals in the mixture of a column.
    hidden_layer_sizes : tuple of int, default=(192, 192)
        Units of the hidden layers of the network. It takes the columns in a random order.
    kernel_share : float, default=0.5
        Share of the kernel density in the mixture. It takes anomalies among the training rows for
        normal at once, so 0 is better where there are such.
    max_iter : int, default=2000
        Steps of the optimiser, of 256 rows each. With more than 24 columns they become fewer, in
        proportion, down to a twentieth, and with fewer than 500 rows, down to 180.
    column_kinds : dict, default=None
        What columns are, by name or position: "categorical" for numbers that are names, or
        ``("periodic", 360)`` for angles, which become points on a circle.
    relations : "auto", None or list of Order, Sum and Determines, default="auto"
        What is to hold in rows that are drawn or filled, as in `MAFDensity`.
    device : str, default="auto"
        Where to compute: "cpu", "cuda", "mps", or "auto" for the fastest that is there.
    random_state : int, RandomState instance or None, default=None
        Governs the order of the columns, the initial weights, the noise and the batches.

    Attributes
    ----------
    noise_levels_ : ndarray
        The noise levels that are mixed, in geometric steps: 5 from the lowest to the highest, or
        fewer after `select_noise_levels`.
    columns_ : Columns
        What each column is: scale, grid step, constant.
    flow_ : MixtureMADE
        The trained torch module, on the CPU, in float32.
    codec_ : TableCodec
        Reads tables like that of `fit` as numbers, and writes them.
    density_ : MultiscaleTableDensity
        The fitted density of such numbers.
    relations_, ranges_, constraints_
        What rows keep that are drawn or filled, as in `MAFDensity`.
    loss_curve_ : list of float
        Mean negative log-likelihood of the rows with noise in each epoch, in nats, in the units of
        X.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame.

    See Also
    --------
    DensityOutlierDetector : Fits several of these, and says what a score means.
    MAFDensity : The density without noise.

    References
    ----------
    .. [1] Germain, Gregor, Murray and Larochelle (2015). MADE: masked autoencoder for distribution
           estimation. ICML.
    .. [2] Kim, Lee, Kim, Kim and Lee (2020). SoftFlow: probabilistic framework for normalizing flow
           on manifolds. NeurIPS 33.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmaf import MultiscaleDensity
    >>> X = load_iris().data
    >>> density = MultiscaleDensity(max_iter=200, random_state=0).fit(X)
    >>> density.score_samples(X).shape
    (150,)
    """

    _parameter_constraints = {
        "lowest_noise": [Interval(Real, 0, None, closed="neither")],
        "highest_noise": [Interval(Real, 0, None, closed="neither")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like"],
        "kernel_share": [Interval(Real, 0, 1, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "column_kinds": [dict, None],
        "relations": [StrOptions({"auto"}), list, tuple, None],
        "device": [str],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        lowest_noise=0.05,
        highest_noise=2.5,
        n_components=4,
        hidden_layer_sizes=(192, 192),
        kernel_share=0.5,
        max_iter=2000,
        column_kinds=None,
        relations="auto",
        device="auto",
        random_state=None,
    ):
        self.lowest_noise = lowest_noise
        self.highest_noise = highest_noise
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.kernel_share = kernel_share
        self.max_iter = max_iter
        self.column_kinds = column_kinds
        self.relations = relations
        self.device = device
        self.random_state = random_state

    @property
    def noise_levels_(self) -> np.ndarray:
        """The noise levels that are mixed."""
        return self.density_.noise_levels

    @property
    def levels_(self) -> np.ndarray:
        """Deprecated: `noise_levels_`."""
        levels = self.noise_levels_
        warn_user("levels_ is called noise_levels_ now, and goes in 0.3.", FutureWarning)
        return levels

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, codec: TableCodec | None = None
    ) -> "MultiscaleDensity":
        """Learn the density of the rows of X at all levels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; at least 2, of numbers and categories, perhaps with missing cells, as in
            `MAFDensity.fit`.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, as in `MAFDensity.fit`.
        codec : TableCodec, default=None
            How to read X, as in `MAFDensity.fit`.

        Returns
        -------
        self : MultiscaleDensity

        Raises
        ------
        ValueError
            If X holds dates, infinity, a column without values or of too many categories, has under
            2 rows or no column; if weights are negative or not positive in 2 rows; if a parameter
            is out of its range.
        """
        refuse_stream(self, X)
        X, sample_weight = without_weightless(as_table(X, min_rows=2), sample_weight)
        codec, N = learn_table(X, self.column_kinds, codec)
        constraints = learn_constraints(codec, N, sample_weight, self.relations)
        rows, weights = weigh(N, sample_weight)
        parts = [np.arange(len(rows))]
        density, history = self.fit_parts(codec, N[rows], weights, parts)[0]
        kept = {"constraints_": constraints, "loss_curve_": history.loss_curve}
        keep_fitted(self, codec, density_=density, **kept)
        warn_if_interrupted(history)
        return self

    def fit_parts(
        self,
        codec: TableCodec,
        N: np.ndarray,
        weights: np.ndarray,
        parts: list[np.ndarray],
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> dict[int, tuple[Any, Any]]:
        """Fit densities of several parts of a table side by side; the estimator stays as it is.

        Parameters
        ----------
        codec : TableCodec
        N : ndarray of shape (n, n_features)
            The table, as the codec reads it.
        weights : ndarray of shape (n,)
        parts : list of ndarray of int
            The rows of each part.
        n_jobs : int, default=None
            How many groups of densities to fit at a time, as joblib takes it.
        verbose : bool, default=False
            Whether to show a progress bar.

        Returns
        -------
        densities : dict of int to tuple (MultiscaleTableDensity, History)
            By the position of the part; not all if an interrupt came after some of them.
        """
        from .models.multiscale_density import fit_multiscale_densities

        known = knowledge_of(codec)
        return fit_multiscale_densities(
            N, weights, parts, self._spec(), known, self.random_state, n_jobs, verbose
        )

    def _spec(self) -> "MultiscaleSpec":
        """Return the parameters of the fit, checked."""
        from .models.multiscale_density import MultiscaleSpec

        check_shown_kinds(self.column_kinds)
        if self.lowest_noise > self.highest_noise:
            raise ValueError(
                f"lowest_noise={self.lowest_noise} is above highest_noise={self.highest_noise}."
            )
        return MultiscaleSpec(
            lowest_noise=self.lowest_noise,
            highest_noise=self.highest_noise,
            n_components=self.n_components,
            hidden_layer_sizes=check_sizes(self.hidden_layer_sizes),
            kernel_share=self.kernel_share,
            max_iter=self.max_iter,
            device=self.device,
        )

    def generalisation_gap(self, fitted: Any, held_out: Any) -> np.ndarray:
        """How much too well the network knows rows that `fit` saw, at each level of noise.

        A row gains log-density by having been learned from. That does no harm where it is little
        beside the differences between rows, which tell the anomalies: 0.75 of the standard
        deviation of held-out rows, or 1 nat, are allowed.

        Parameters
        ----------
        fitted : array-like of shape (n_samples, n_features)
            Rows that `fit` saw.
        held_out : array-like of shape (n_held_out, n_features)
            Rows from the same source that it did not see.

        Returns
        -------
        gap : ndarray of shape (9,)
            The mean gain of a row, as a multiple of what is allowed. Means are without the lowest
            and the highest tenth of the rows, and the standard deviation is half the distance of
            the percentiles 16 and 84.
        """
        N_fitted = encode_rows(self, fitted)
        N_held_out = encode_rows(self, held_out)
        return self.density_.generalisation_gap(N_fitted, N_held_out)

    def select_noise_levels(self, gap: Any) -> "MultiscaleDensity":
        """Leave out the noise levels at which the network knows fitted rows too well.

        Parameters
        ----------
        gap : array-like of shape (9,)
            What `generalisation_gap` gives. The finest noise level that is mixed becomes that at
            which it falls to 1.

        Returns
        -------
        self : MultiscaleDensity
        """
        check_is_fitted(self)
        self.density_ = self.density_.select_noise_levels(np.asarray(gap))
        return self

    def overfit(self, fitted: Any, held_out: Any) -> np.ndarray:
        """Deprecated: `generalisation_gap`."""
        warn_user("overfit is called generalisation_gap now, and goes in 0.3.", FutureWarning)
        return self.generalisation_gap(fitted, held_out)

    def settle(self, overfit: Any) -> "MultiscaleDensity":
        """Deprecated: `select_noise_levels`."""
        warn_user("settle is called select_noise_levels now, and goes in 0.3.", FutureWarning)
        return self.select_noise_levels(overfit)
