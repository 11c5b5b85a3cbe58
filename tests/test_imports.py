"""What is imported when: torch by a fit or a fitted pickle, and no library by `import skmaf`.

scikit-learn's own `sklearn.base` imports pandas and scipy.stats: no estimator can do without them.
Torch, and the parts of scikit-learn that a fit alone needs, can wait.
"""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import skmaf
from skmaf import DensityOutlierDetector, MultiscaleDensity
from skmaf.cli.command import SUBCOMMANDS

LIBRARIES = {"narwhals", "numpy", "pandas", "scipy", "sklearn", "torch", "tqdm"}
OF_FITS = {"torch", "sklearn.covariance", "sklearn.linear_model", "sklearn.metrics"}


def fresh(code, *arguments):
    """Run code in a fresh process, and return what it prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def imported(code, names):
    """Return which of the modules are there after code in a fresh process."""
    printed = fresh(f"{code}\nimport sys; print(*{names} & sys.modules.keys())")
    return set(printed.splitlines()[-1].split())


def test_the_package_imports_no_library():
    assert imported("import skmaf; dir(skmaf); skmaf.__version__", LIBRARIES) == set()


@pytest.mark.parametrize("words", ["--help", "--version", "--no-such-option", *SUBCOMMANDS])
def test_the_command_line_imports_no_library(words):
    """Nor does the help of a subcommand."""
    options = [words] if words.startswith("--") else [words, "--help"]
    code = "from skmaf.cli import main\ntry: main({!r})\nexcept SystemExit: print()"
    assert imported(code.format(options), LIBRARIES) == set()


NETWORK = """
import io, sys
asked = []
of_network = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request")
sys.addaudithook(lambda event, arguments: asked.append(event) if event in of_network else None)
import warnings, tempfile
warnings.simplefilter("ignore")
import numpy as np, pandas as pd, skmaf
X = pd.DataFrame({"x": np.arange(40.0) ** 1.5, "word": ["a", "b"] * 20})
small = {"n_layers": 1, "hidden_layer_sizes": (4,), "max_iter": 2}
for estimator in [skmaf.MAFDensity(**small), skmaf.MultiscaleDensity(max_iter=2)]:
    detector = skmaf.DensityOutlierDetector(estimator, n_folds=2).fit(X)
    detector.explain(X[:2])
    with tempfile.TemporaryDirectory() as folder:
        skmaf.save(detector, folder + "/detector.skmaf")
        skmaf.load(folder + "/detector.skmaf").p_values(X)
skmaf.MAFClassifier(**small).fit(X[["x"]], X["word"]).predict(X[["x"]])
skmaf.ConditionalMAFDensity(**small).fit(X[["word"]], X["x"]).predict(X[["word"]][:2])
skmaf.read_table(io.BytesIO(b"x,y\\n1,2\\n3,4\\n"))
print(asked)
"""


@pytest.mark.slow
def test_nothing_uses_the_network():
    assert fresh(NETWORK) == "[]\n"


ESTIMATORS = """
import pickle
from sklearn.base import clone
from sklearn.utils import get_tags
from skmaf import *
for estimator in [
    ConditionalMAFDensity(),
    DensityOutlierDetector(MAFDensity()),
    DensityOutlierDetector(),
    MAFClassifier(),
    MAFDensity(),
    MultiscaleDensity(),
    VariationalFlow(len, 2),
]:
    copied = pickle.loads(pickle.dumps(clone(estimator).set_params(random_state=0)))
    print(copied, copied.get_params(), get_tags(copied))
"""


def test_reading_a_table_imports_no_torch():
    code = "import io, skmaf; skmaf.read_table(io.StringIO('a,b\\n1,2\\n3,4\\n'))"
    assert imported(code, OF_FITS) == set()


def test_estimators_import_no_torch_before_they_are_fitted():
    assert imported(ESTIMATORS, OF_FITS) == set()


@pytest.mark.slow
def test_a_fit_imports_torch():
    assert imported(ESTIMATORS + "MAFDensity(max_iter=1).fit([[0], [1]])", OF_FITS) == OF_FITS


LOAD = """
import pickle, sys
with open(sys.argv[1], "rb") as file:
    estimators = pickle.load(file)
with open(sys.argv[2], "wb") as file:
    pickle.dump([estimator.score_samples([[0.5, 100, 0]]) for estimator in estimators], file)
"""


@pytest.mark.slow
def test_fitted_pickles_load_in_a_fresh_process(fitted, rows, tmp_path):
    small = MultiscaleDensity(max_iter=2, hidden_layer_sizes=(8,), random_state=0)
    detector = DensityOutlierDetector(small, n_folds=2, random_state=0).fit(rows)
    estimators = [fitted, detector]
    dumped = tmp_path / "estimators.pkl"
    dumped.write_bytes(pickle.dumps(estimators))
    fresh(LOAD, dumped, tmp_path / "scores.pkl")
    scores = pickle.loads((tmp_path / "scores.pkl").read_bytes())
    expected = [estimator.score_samples([[0.5, 100, 0]]) for estimator in estimators]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_the_names_of_the_package():
    assert set(skmaf.__all__) <= set(dir(skmaf))
    everything = {}
    exec("from skmaf import *", everything)
    assert everything.keys() - {"__builtins__"} == set(skmaf.__all__)
    assert all(everything[name].__name__ == name for name in skmaf.__all__)
    with pytest.raises(AttributeError, match="module 'skmaf' has no attribute 'Nothing'"):
        _ = skmaf.Nothing
    with pytest.raises(ImportError, match="Nothing"):
        exec("from skmaf import Nothing")
