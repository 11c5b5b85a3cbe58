"""DensityEnsemble: the mixture of several fits of one density."""

from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from ._compat import HasMethods, Interval, fit_context
from ._interrupts import interrupts_end_fits
from ._warnings import warn_user
from .base import TableDensityEstimator, keep_fitted, learn_table, without_weightless
from .density import MAFDensity
from .folds import fit_each
from .models.mixture_density import MixtureDensity
from .multiscale import MultiscaleDensity
from .persistence.checkpoints import refuse_checkpoint
from .table.codec import TableCodec
from .table.frames import as_table


class DensityEnsemble(TableDensityEstimator):
    """The mixture of several fits of a density to the same rows, with different seeds.

    Each fit starts from other weights and holds out other rows, and so errs in other places: the
    mean of the densities is nearer to the truth than one of them, and depends less on the seed
    [1]_. It takes as many times as long to fit and to score as there are fits.

    Parameters
    ----------
    estimator : MAFDensity or MultiscaleDensity, default=None
        What is fitted; None is ``MAFDensity()``. What its ``random_state`` is has no say.
    n_estimators : int, default=5
        How many fits there are.
    n_jobs : int, default=None
        How many fit at a time, as joblib takes it. The result does not depend on it.
    verbose : bool, default=False
        Whether to show a progress bar.
    random_state : int, RandomState instance or None, default=None
        Gives each fit its seed.

    Attributes
    ----------
    estimators_ : list of estimator
        The fits.
    density_ : MixtureDensity
        The fitted density of numbers, as `codec_` makes them of a table.
    codec_, columns_, schema_, relations_, ranges_, constraints_
        As those of `MAFDensity`; the columns are those of the first fit.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame.

    See Also
    --------
    MAFDensity : One fit.

    References
    ----------
    .. [1] Lakshminarayanan, Pritzel and Blundell (2017). Simple and scalable predictive uncertainty
           estimation using deep ensembles. NeurIPS 30.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmaf import DensityEnsemble, MAFDensity
    >>> X = load_iris().data
    >>> density = MAFDensity(max_iter=20, early_stopping=False)
    >>> ensemble = DensityEnsemble(density, n_estimators=2, random_state=0).fit(X)
    >>> ensemble.score_samples(X).shape
    (150,)
    >>> ensemble.sample(3, random_state=0).shape
    (3, 4)
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "score_samples"]), None],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "verbose": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any = None,
        n_estimators: int = 5,
        *,
        n_jobs: int | None = None,
        verbose: bool = False,
        random_state: Any = None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    @property
    def flow_(self) -> Any:
        """There is none: each of `estimators_` has its own."""
        raise AttributeError("DensityEnsemble has no flow_: each of its estimators_ has one.")

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, codec: TableCodec | None = None
    ) -> "DensityEnsemble":
        """Fit the density several times to the rows of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; at least 2, as the `fit` of ``estimator`` takes them, in memory.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, as in `MAFDensity.fit`.
        codec : TableCodec, default=None
            How to read X, as in `MAFDensity.fit`.

        Returns
        -------
        self : DensityEnsemble

        Raises
        ------
        ValueError
            If ``estimator`` is another one, or keeps a checkpoint; else as its `fit`.

        Warns
        -----
        UserWarning
            If an interrupt (Ctrl-C) came after some of the fits: these make the ensemble.
        """
        estimator = MAFDensity() if self.estimator is None else self.estimator
        _check_member(estimator)
        refuse_checkpoint(self)
        X, sample_weight = without_weightless(as_table(X, min_rows=2), sample_weight)
        codec, _ = learn_table(X, estimator.column_kinds, codec)
        seeds = check_random_state(self.random_state).randint(2**31, size=self.n_estimators)
        fits = [
            partial(_fit_one, clone(estimator).set_params(random_state=int(seed))) for seed in seeds
        ]
        told = (X, sample_weight, codec)
        name = type(self).__name__ if self.verbose else None
        with interrupts_end_fits():
            fitted = list(fit_each(fits, told, self.n_jobs, name, "fit").values())
        density = MixtureDensity(tuple(member.density_ for member in fitted))
        kept = {"constraints_": fitted[0].constraints_, "estimators_": fitted}
        keep_fitted(self, codec, density_=density, **kept)
        if len(fitted) < len(fits):
            warn_user(
                f"Fitting was interrupted after {len(fitted)} of {len(fits)} fits; the ensemble "
                "consists of these."
            )
        return self


def _check_member(estimator: Any) -> None:
    if not isinstance(estimator, (MAFDensity, MultiscaleDensity)):
        raise ValueError(
            f"estimator must be a MAFDensity or a MultiscaleDensity, got "
            f"{type(estimator).__name__}."
        )


def _fit_one(estimator: Any, X: Any, sample_weight: np.ndarray | None, codec: TableCodec) -> Any:
    return estimator.fit(X, sample_weight=sample_weight, codec=codec)
