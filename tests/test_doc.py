"""The code on the pages and in the docstrings runs, and prints what it says."""

import doctest
import importlib
import runpy
from pathlib import Path

import matplotlib
import pytest

DOC = Path(__file__).parents[1] / "doc"


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", sorted(path.stem for path in DOC.glob("*.rst") if ">>> " in path.read_text("utf-8"))
)
def test_pages(page):
    results = doctest.testfile(str(DOC / f"{page}.rst"), module_relative=False)
    assert results.attempted >= 9
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
        "classifier",
        "conditional",
        "density",
        "ensemble",
        "multiscale",
        "outlier",
        "reading.tables",
        "table.relation_search",
        "table.relations",
        "variational",
    ],
)
def test_docstrings(module):
    results = doctest.testmod(importlib.import_module(f"skmaf.{module}"))
    assert results.attempted > 0
    assert results.failed == 0
