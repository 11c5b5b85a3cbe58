"""The code in the user guide and in the docstrings runs and prints what it says."""

import doctest
import importlib
from pathlib import Path

import pytest

DOC = Path(__file__).parents[1] / "doc"


@pytest.mark.slow
@pytest.mark.parametrize("page", ["user_guide", "families", "plotting", "reliability"])
def test_pages(page):
    results = doctest.testfile(str(DOC / f"{page}.rst"), module_relative=False)
    assert results.attempted >= 10
    assert results.failed == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    [
        "classifier",
        "conditional",
        "density",
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
        "reading.tables",
        "streamed",
        "table.relation_search",
        "variational",
    ],
)
def test_docstrings(module):
    results = doctest.testmod(importlib.import_module(f"skmaf.{module}"))
    assert results.attempted > 0
    assert results.failed == 0
