"""The code in the user guide and in the docstrings runs and prints what it says."""

import doctest
import importlib
from pathlib import Path

import pytest

DOC = Path(__file__).parents[1] / "doc"


def test_user_guide():
    results = doctest.testfile(str(DOC / "user_guide.rst"), module_relative=False)
    assert results.attempted > 10
    assert results.failed == 0


@pytest.mark.parametrize("module", ["density", "multiscale", "outlier"])
def test_docstrings(module):
    results = doctest.testmod(importlib.import_module(f"skmaf.{module}"))
    assert results.attempted > 0
    assert results.failed == 0
