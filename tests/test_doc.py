"""The code on the pages and in the docstrings runs, and prints what it says."""

import doctest
import importlib
import re
import runpy
import warnings
from pathlib import Path

import matplotlib
import pytest

DOC = Path(__file__).parents[1] / "doc"
PAGES = {path.stem for path in DOC.glob("*.rst") if ">>> " in path.read_text("utf-8")}
NEEDED = {"onnx": ("ndonnx", "onnxruntime")}


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(PAGES - {"integrations"}))
def test_pages(page):
    for library in NEEDED.get(page, ()):
        pytest.importorskip(library, reason=f"needs {library}, of the extra 'test'")
    results = doctest.testfile(str(DOC / f"{page}.rst"), module_relative=False)
    assert results.attempted > 0
    assert results.failed == 0


def sections():
    """The beginning of a page, and what follows each comment that says what it needs."""
    text = (DOC / "integrations.rst").read_text(encoding="utf-8")
    beginning, *rest = re.split(r"^\.\. needs: (\w+)$", text, flags=re.MULTILINE)
    return [(name, beginning + section) for name, section in zip(rest[::2], rest[1::2])]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of other libraries, about themselves
@pytest.mark.parametrize("library, text", sections(), ids=[name for name, _ in sections()])
def test_integrations(library, text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip(library, reason=f"needs {library}")
    test = doctest.DocTestParser().get_doctest(text, {}, library, None, None)
    results = doctest.DocTestRunner().run(test)
    assert results.attempted > 5
    assert results.failed == 0


@pytest.mark.slow
@pytest.mark.parametrize("figure", sorted(path.stem for path in (DOC / "figures").glob("*.py")))
def test_figures(figure):
    """They are drawn, and a page shows each."""
    import matplotlib.pyplot as plt

    with matplotlib.rc_context({"backend": "Agg"}):
        axes = runpy.run_path(str(DOC / "figures" / f"{figure}.py"))["figure"].axes
        plt.close("all")
    assert all(axis.has_data() or axis.texts for axis in axes)
    pages = [path.read_text("utf-8") for path in DOC.glob("*.rst")]
    assert any(f"figures/{figure}.py" in page for page in pages)


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    [
        "_versions",
        "classifier",
        "conditional",
        "density",
        "ensemble",
        "imblearn",
        "multiscale",
        "outlier",
        "plotting.conditional",
        "plotting.density",
        "plotting.explanation",
        "plotting.pairs",
        "plotting.pit",
        "plotting.scores",
        "plotting.training",
        "persistence.files",
        "pyod",
        "reading.tables",
        "streamed",
        "table.relation_search",
        "table.relations",
        "variational",
    ],
)
def test_docstrings(module):
    if module in ("imblearn", "pyod"):
        pytest.importorskip(module, reason=f"needs the extra {module!r}")
    results = doctest.testmod(importlib.import_module(f"skmaf.{module}"))
    assert results.attempted > 0
    assert results.failed == 0
