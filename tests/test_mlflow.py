"""Estimators in MLflow: what doc/integrations.rst says needs nothing of our own."""

import importlib
import warnings

import numpy as np
import pytest
from skops.io import dumps, get_untrusted_types

import skmaf
from skmaf import DensityOutlierDetector

# mlflow-skinny is enough; it is in no extra, because it brings 30 packages. MLflow itself warns of
# its own annotations, of pickles, and of what it cannot infer.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def mlflow():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pytest.importorskip("mlflow", reason="needs mlflow-skinny, which is in no extra")
        importlib.import_module("mlflow.pyfunc")
        importlib.import_module("mlflow.sklearn")
    return found


@pytest.fixture(scope="module")
def detector(tiny, rows):
    return DensityOutlierDetector(tiny(), n_folds=2, random_state=0).fit(rows)


def test_a_detector_in_the_flavour_of_scikit_learn(mlflow, detector, rows, tmp_path):
    """Without pickle: the classes of skmaf are named as trusted."""
    trusted = get_untrusted_types(data=dumps(detector))
    assert trusted == ["skmaf.outlier.DensityOutlierDetector"]
    mlflow.sklearn.save_model(
        detector,
        tmp_path / "model",
        serialization_format="skops",
        skops_trusted_types=trusted,
        pip_requirements=["skmaf"],
    )
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.predict(rows), detector.predict(rows))
    ours = mlflow.sklearn.load_model(str(tmp_path / "model"))
    np.testing.assert_allclose(ours.p_values(rows), detector.p_values(rows))


def test_a_density_in_the_flavour_of_scikit_learn(mlflow, fitted, rows, tmp_path):
    mlflow.sklearn.save_model(
        fitted,
        tmp_path / "model",
        serialization_format="skops",
        skops_trusted_types=["skmaf.density.MAFDensity"],
        pip_requirements=["skmaf"],
    )
    loaded = mlflow.sklearn.load_model(str(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.score_samples(rows), fitted.score_samples(rows))


def test_log_densities_as_a_python_function(mlflow, fitted, rows, tmp_path):
    """The file of `skmaf.save` is an artifact of the model."""

    class DensityModel(mlflow.pyfunc.PythonModel):
        def load_context(self, context):
            self.density = skmaf.load(context.artifacts["density"])

        def predict(self, context, model_input, params=None):
            return self.density.score_samples(model_input)

    skmaf.save(fitted, tmp_path / "density.skmaf")
    mlflow.pyfunc.save_model(
        tmp_path / "model",
        python_model=DensityModel(),
        artifacts={"density": str(tmp_path / "density.skmaf")},
        pip_requirements=["skmaf"],
    )
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.predict(rows), fitted.score_samples(rows))
