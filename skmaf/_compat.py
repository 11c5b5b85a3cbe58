"""Every private or version-dependent import of scikit-learn, in one place."""

from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from sklearn.utils.validation import (
    _check_feature_names_in as check_feature_names_in,
)
from sklearn.utils.validation import (
    _check_n_features as check_n_features,
)
from sklearn.utils.validation import (
    _check_sample_weight as check_sample_weight,
)
from sklearn.utils.validation import (
    _check_y as check_y,
)
from sklearn.utils.validation import (
    _get_feature_names as get_feature_names,
)

__all__ = [
    "HasMethods",
    "Interval",
    "Options",
    "StrOptions",
    "check_feature_names_in",
    "check_n_features",
    "check_sample_weight",
    "check_y",
    "fit_context",
    "get_feature_names",
]
