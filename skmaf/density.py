"""MAFDensity: the density of a table by a masked autoregressive flow."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from ._compat import check_feature_names_in, fit_context
from ._dask import lazy_on_dask
from ._families import FAMILIES
from .base import (
    TableDensityEstimator,
    encode_rows,
    knowledge_of,
    learn_constraints,
    learn_table,
    without_weightless,
)
from .flow_estimator import FlowEstimator
from .streamed import read_all, sample_of, seed_of, stream_of
from .table.codec import TableCodec
from .table.column_kinds import declared_kinds
from .table.frames import as_table

if TYPE_CHECKING:
    from .models.torch_distribution import DensityDistribution


class MAFDensity(TableDensityEstimator, TransformerMixin, FlowEstimator):
    """Density of a table by a masked autoregressive flow.

    Continuous columns are standardised, then a stack of masked networks [2]_ maps the rows to a
    standard normal distribution. Discrete columns come before them, with probabilities by a masked
    network of their own; the flow is told what they hold. The density is exact: the
    log-determinants of all steps are counted, those of the standardisation too.

    Parameters
    ----------
    family : {"maf", "made", "nice", "realnvp", "iaf", "planar", "radial"}, default="maf"
        The flow: masked autoregressive [1]_; a single layer of it [2]_; couplings, additive
        ("nice") or affine ("realnvp"); inverse autoregressive, which samples in one pass but is
        slow to score and to fit; planar or radial. All are exact. The user guide compares them.
        Planar and radial flows are for continuous columns without missing cells.
    bijector : {"auto", "affine", "spline", "mixture", "additive"}, default="auto"
        Map of each column given the columns that the family has it see: affine, as in [1]_; affine
        and then a rational-quadratic spline [3]_; or to the normal scores of a mixture of normals,
        with which "made" is the MADE MoG of [1]_. "auto" is "spline" for "maf", "additive", as its
        only one, for "nice", and else "affine".
    n_layers : int or "auto", default="auto"
        Number of layers; "auto" is 3, but 2 of splines for 2,000 rows and more; 5 for "iaf", 8 for
        couplings, 32 for planar and radial flows, and 1, as its only number, for "made".
    hidden_layer_sizes : tuple of int or "auto", default="auto"
        Units of the hidden layers of each masked network; "auto" is (128, 256). With under 50 rows
        to a column "maf" also fits a small flow, of (32,) units and with 2 layers unless
        ``n_layers`` is set, and keeps the one that the held-out rows favour.
    activation : {"auto", "gelu", "relu", "silu", "tanh"}, default="auto"
        Activation of the hidden units; "auto" is "gelu" [5]_ with splines, and else "relu".
    n_bins : int, default=16
        Bins of the spline.
    alpha : float or "auto", default="auto"
        Weight decay; "auto" is 0.2 for up to 15,000 rows, and falls with the square of their
        number.
    batch_size : int or "auto", default="auto"
        Rows of a minibatch; "auto" grows it with the table, from 128 to 1,024, and keeps it small
        where columns are many.
    learning_rate_init : float or "auto", default="auto"
        Peak of the learning rate, which follows a cosine to 0 over ``max_iter`` epochs; "auto" is
        0.01 for up to 40,000 rows, and falls with the root of their number to 0.005.
    max_iter : int or "auto", default="auto"
        Number of epochs; "auto" makes 500 steps of the optimiser for up to 250 rows, 2,000 for
        1,000 to 15,000, 3,000 for 40,000 and more: many epochs of a small table, few of a large
        one, and not under 4, unless these are over 6,000 steps. With more than 32 columns the steps
        become fewer, down to a tenth.
    early_stopping : bool, default=True
        Whether to hold out rows, to keep the weights that are best for them, to stop when they no
        longer get better, and to let a simple density share in where they say so (see Notes).
    validation_fraction : float or "auto", default="auto"
        Share of the rows to hold out; "auto" is a tenth, but up to a fifth where that is no more
        than 50 rows, and 1,000 rows at most.
    n_iter_no_change : int or "auto", default="auto"
        Epochs without a better held-out score after which training stops; "auto" is a twentieth
        of ``max_iter``, at least 10. Those that fit the training rows worse, too, do not count.
    tol : float, default=1e-4
        What counts as better, in nats.
    warm_start : bool, default=False
        Whether `fit` goes on with the flow of the last fit, in its units, instead of starting anew.
        With the same rows and an int as ``random_state`` the same rows are held out again.
    device : str, default="auto"
        Where to compute: "cpu", "cuda", "mps", or "auto" for the fastest that is there.
    column_kinds : dict, default=None
        What columns are, by name or position, where it should not be found out: "continuous",
        "grid" (integers, rounded), "categorical", "heavy-tailed", bounds as a tuple ``(low, high)``
        of which one may be None, or ``("periodic", 360)`` for angles: on a circle, on which 359 and
        0 are neighbours; from the fifth such column on, times of day included, plain numbers.
    relations : "auto", None or list of Order, Sum and Determines, default="auto"
        What holds in every row, and is to hold in rows that are drawn or filled: an order of two
        columns, a sum, a column that another one determines. "auto" is what `find_relations` finds
        in X, None is nothing; of a list, which may hold some of these and others, all must hold in
        every row of X. The density itself does not depend on it.
    checkpoint : str or path-like, default=None
        File to which the state of the training is written every half minute. A fit of the same rows
        with the same parameters that finds it there, after a crash or an interrupt, goes on from
        it, to the same result as one that was never stopped; a fit that ends deletes it. It needs
        an int as ``random_state``.
    callbacks : list of callable, default=None
        Each is called as ``callback(estimator, epoch)`` after every epoch, with its number, loss
        and held-out score (see Notes); where one returns True that training ends, and the best
        weights so far are kept.
    verbose : bool, default=False
        Whether to show a progress bar with the held-out score.
    random_state : int, RandomState instance or None, default=None
        Governs the held-out rows, the initial weights, and the batches.

    Attributes
    ----------
    columns_ : Columns
        What each column is: discrete, with point masses, continuous or constant; its categories,
        scale, grid step.
    schema_ : Schema
        The form of the table: names, dtypes, categories.
    flow_ : TableFlow
        The trained torch module, on the CPU, in float32.
    codec_ : TableCodec
        Reads tables like that of `fit` as numbers, and writes them.
    density_ : TableDensity
        The fitted density of such numbers.
    relations_ : list of Order, Sum and Determines
        What holds in every row of `fit`, and in rows that are drawn or filled; ``str`` says each in
        words.
    ranges_ : dict
        Columns at whose ends rows pile up, and these ends, beyond which none is drawn; infinite
        for an end that is open.
    constraints_ : RowConstraints
        All that rows which are drawn are held to.
    baseline_ : Baseline or None
        The simple densities that share the probability with the flow, and their ``share``; None
        without held-out rows.
    n_iter_ : int
        Number of epochs run; of all fits since the last cold start, as in the two curves.
    loss_curve_ : list of float
        Mean negative log-likelihood of the training rows in each epoch, in nats, in the units of X.
    validation_scores_ : list of float
        Mean log-likelihood of the held-out rows, spread over their grids, after each epoch, in
        nats, in the units of X. The baseline has a tenth of the density here, so that no single far
        row decides.
    best_validation_score_ : float or None
        That of the weights that were kept: the largest of these in the last fit, or that of the
        weights it started from.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame.

    See Also
    --------
    DensityOutlierDetector : Finds the rows that do not belong, by a threshold on the density.
    sklearn.neighbors.KernelDensity : Fast to fit, for few columns.
    sklearn.mixture.GaussianMixture : For clustered rows.

    Notes
    -----
    Log-densities are in nats and in the units of X: they exceed 0 where rows are concentrated, and
    change by a constant when a column changes its unit. They are with respect to a product measure:
    categories, constants and point masses (values that come again and again) count, with
    probabilities; numbers on a grid count times its step; the rest have the length of their unit.

    Rows with missing cells have the log-density of the cells that they have, given which these are:
    in training further cells are hidden at random. Where `fit` saw none, rows with missing cells
    are refused.

    On columns of integers, rounded values or ties a density is unbounded. The training rows are
    therefore spread uniformly over the step of their grid; a row is evaluated at its own value,
    where the density times the step estimates the probability of the value. Samples fall back on
    the grid. A constant column counts with probability almost 1 for its value; a row with another
    value gets a low, finite density.

    Few rows can be too few for a flow. So the density is a mixture of the flow, a Gaussian with
    shrunk covariance and heavy tails (it is mixed with a Student's t) and, up to 1,000 rows, a
    kernel density, with the shares that make rows left out most likely [4]_. Where the flow is
    good, its share is almost 1, and what the tails keep stops single rows from getting absurdly low
    densities. The mixture is as exact as the flow. Without held-out rows (``early_stopping=False``)
    the density is the flow alone.

    Callbacks are told of an epoch by an object with ``number``, which counts from 1 in each
    training of a fit (see ``part``), ``max_iter``, ``part`` ("discrete" for the training of the
    probabilities of discrete columns, which comes first, or "continuous"), ``loss``,
    ``validation_score`` and ``best_validation_score`` (None without held-out rows), in nats and in
    the units of X. The estimator is the one that is being fitted: it has its parameters, and is
    otherwise as it was before. An error in a callback ends the fit, and leaves it so. The logger
    "skmaf" has a record of each epoch and of each fit, at level DEBUG (of a fit at INFO if
    ``verbose``). `skmaf.save` refuses functions: set ``callbacks=None`` before.

    X in float32 is scored and sampled in float32, other X in float64. Rows so far out that their
    density vanishes get -1e300.

    References
    ----------
    .. [1] Papamakarios, Pavlakou and Murray (2017). Masked autoregressive flow for density
           estimation. NeurIPS 30.
    .. [2] Germain, Gregor, Murray and Larochelle (2015). MADE: masked autoencoder for distribution
           estimation. ICML.
    .. [3] Durkan, Bekasov, Murray and Papamakarios (2019). Neural spline flows. NeurIPS 32.
    .. [4] Smyth and Wolpert (1999). Linearly combining density estimators via stacking. Machine
           Learning 36.
    .. [5] Hendrycks and Gimpel (2016). Gaussian error linear units. arXiv 1606.08415.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmaf import MAFDensity
    >>> X = load_iris().data
    >>> density = MAFDensity(random_state=0).fit(X)
    >>> density.score_samples(X).shape
    (150,)
    >>> density.sample(3, random_state=0).shape
    (3, 4)
    >>> Z = density.transform(X)  # independent standard normal numbers, if the density is right
    >>> bool(abs(density.inverse_transform(Z) - X).max() < 1e-6)
    True
    """

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, codec: TableCodec | None = None
    ) -> "MAFDensity":
        """Learn the density of the rows of X.

        An interrupt (Ctrl-C) ends the training, not the fit: the best weights so far are kept, with
        a warning.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; at least 2. An array, or a DataFrame of pandas or polars; columns of text, of
            truth values and of a categorical dtype are categories; dates, times, durations and
            text that is such throughout are numbers of steps; cells may be missing (NaN, None,
            pd.NA). A scan of polars, a dataset of pyarrow and an array from 512 MiB on, a memmap
            among such, are read in blocks of rows, and may be larger than memory.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss, the standardisation and the held-out score. Only ratios
            matter, but for whole numbers, which are counts: a row of weight 2 is to the last digit
            what two equal rows are, one of weight 0 is not there. (Counts that add up to over 10
            times the rows are taken as ratios.)
        codec : TableCodec, default=None
            How to read X, learned from a table that X is a part of, as in a fold of it: its
            categories, and whether cells may be missing. None learns this from X.

        Returns
        -------
        self : MAFDensity

        Raises
        ------
        ValueError
            If X holds infinity, a column without values or of too many categories, has under
            2 rows or no column; if weights are negative or not positive in 2 rows; if a parameter
            is out of its range, ``column_kinds`` does not fit the columns, rows break one of
            ``relations``, ``checkpoint`` is of another fit, or with ``warm_start`` a parameter that
            shapes the flow has changed.
        """
        from .models.table_fit import fit_table_density

        checkpoint = self._open_checkpoint()
        stream = stream_of(X, sample_weight)
        seed = seed_of(self, stream)
        if stream is not None:
            _refuse_weights(sample_weight)
            X, positions = sample_of(stream, seed)
        X, sample_weight = without_weightless(as_table(X, min_rows=2), sample_weight)
        is_warm = self._is_warm()
        if is_warm:
            codec = self.codec_
            N = encode_rows(self, X)
            self._check_unchanged(declared_kinds(X, self.column_kinds) == codec.declared)
        else:
            codec, N = learn_table(X, self.column_kinds, codec)
            self._check_missing(codec)
        constraints = learn_constraints(codec, N, sample_weight, self.relations)
        all_rows = None
        if stream is not None:
            constraints, all_rows = read_all(stream, codec, constraints, positions)
        density, history = fit_table_density(
            N,
            sample_weight,
            self._flow_spec(),
            self._training_spec(),
            knowledge_of(codec),
            start=self.density_ if is_warm else None,
            random_state=seed,
            checkpoint=checkpoint,
            all_rows=all_rows,
        )
        self._keep(codec, density, history, is_warm, checkpoint, constraints_=constraints)
        self._warn_of_training(history)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Rows in the base space of the flow: independent standard normal numbers, where the flow
        has the density right.

        Discrete columns come first: of a level, which has an interval of the normal law, it is the
        middle. Then come the others. A column in which some values come again and again has both,
        the second 0 in rows with such a value; a constant one has none. A category that `fit` did
        not see is 0. The simple densities beside the flow have no part in it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        Z : ndarray of shape (n_samples, n_features_out)
            Finite; but NaN, where some rows in `fit` had missing cells, in what comes from a cell
            that is missing.

        Raises
        ------
        ValueError
            As `score_samples`.
        """
        N = encode_rows(self, X)
        return self.density_.to_base(N)

    def inverse_transform(self, Z: Any) -> Any:
        """The rows whose image in base space is ``Z``.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_features_out)
            What `transform` gives; of standard normal numbers it makes rows of the flow's density.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Like X in `fit`.

        Raises
        ------
        ValueError
            If Z has another number of columns, or cells that are no finite numbers.
        """
        check_is_fitted(self)
        index = Z.index if isinstance(Z, pd.DataFrame) else None
        # torch takes no other
        checks = {"ensure_min_features": 0, "force_writeable": True}
        with np.errstate(invalid="ignore"):  # in the sum by which scikit-learn looks for NaN
            Z = check_array(Z, dtype=self.density_.dtype, **checks)
        n_columns = len(self.columns_.owners)
        if Z.shape[1] != n_columns:
            raise ValueError(
                f"Z has {Z.shape[1]} columns, and transform gives {n_columns}: give rows of base "
                "space."
            )
        X = self._write(self.density_.from_base(Z))
        return X if index is None or not isinstance(X, pd.DataFrame) else X.set_axis(index)

    def as_torch_distribution(self) -> "DensityDistribution":
        """The density as a torch distribution, for tables of continuous numbers.

        Its log-density has gradients in the row: to seek modes, to sample by Hamiltonian Monte
        Carlo, or as a term of a loss. It computes in float64 on the CPU, with the simple densities
        beside the flow.

        Returns
        -------
        distribution : torch.distributions.Distribution
            With ``log_prob``, of rows in the units of X, and ``sample``. There is no ``rsample``:
            the fitted weights are fixed, so that a draw depends on nothing with a gradient.

        Raises
        ------
        ValueError
            If `fit` saw missing cells, or a column holds categories, dates, or few, heaped or
            periodic values, in which a density has no gradient; ``column_kinds`` can declare
            numbers continuous.

        Examples
        --------
        >>> import torch
        >>> from sklearn.datasets import load_iris
        >>> from skmaf import MAFDensity
        >>> X = load_iris().data[:, :3]
        >>> density = MAFDensity(max_iter=30, early_stopping=False, random_state=0).fit(X)
        >>> law = density.as_torch_distribution()
        >>> row = torch.tensor(X[0], requires_grad=True)
        >>> law.log_prob(row).backward()      # which way the row would get likelier
        >>> row.grad.shape
        torch.Size([3])
        """
        from .models.torch_distribution import as_torch_distribution

        check_is_fitted(self)
        if self.codec_.has_missing:
            raise ValueError(
                "X in fit had missing cells, of which torch distributions know nothing: fit rows "
                "without, such as what impute gives."
            )
        return as_torch_distribution(self.density_, self.schema_)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns of base space.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of X, where `fit` saw none.

        Returns
        -------
        names : ndarray of str
            Those of the columns of X that they come from, with "_code" for the discrete part of a
            column that has two, and underscores behind it as long as another column is called so.
        """
        check_is_fitted(self)
        known = check_feature_names_in(self, input_features)
        names = known[self.columns_.owners].tolist()
        n_codes = self.columns_.n_codes
        for i in range(n_codes):
            if names[i] in names[n_codes:]:
                names[i] += "_code"
                while names[i] in known or names[i] in names[:i]:
                    names[i] += "_"
        return np.array(names, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        family = FAMILIES.get(self.family) if isinstance(self.family, str) else None
        if family is not None and family.layer_type:
            tags.input_tags.allow_nan = False
            tags.input_tags.string = False
            tags.input_tags.categorical = False
        return tags


def _refuse_weights(sample_weight: Any) -> None:
    if sample_weight is not None:
        raise ValueError(
            "sample_weight goes with a table in memory, and X is read in blocks: leave it out, or "
            "write a table in which rows come as often as they count."
        )


def _base_outline(density: MAFDensity, X: Any) -> pd.DataFrame:
    """Return what `transform` gives of no rows."""
    names = density.get_feature_names_out()
    dtypes = {X.dtype} if isinstance(X, np.ndarray) else set(X.dtypes)
    dtype = np.float32 if dtypes == {np.dtype(np.float32)} else np.float64
    return pd.DataFrame(np.empty((0, len(names)), dtype), columns=names)


# not in the class, where scikit-learn would make tables in memory of what Dask is to compute
_lazily = lazy_on_dask(_base_outline)
MAFDensity.transform = _lazily(MAFDensity.transform)  # type: ignore[method-assign]
