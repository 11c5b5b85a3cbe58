"""The code is written as CONTRIBUTING.md says: format, lint, types and structure."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from structure import findings

import skmaf

ROOT = Path(__file__).parents[1]


def run(module, *arguments):
    pytest.importorskip(module, reason=f"needs {module}, of the extra 'test'")
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_structure():
    found = findings()
    assert found == dict.fromkeys(found, [])


def test_lines_of_the_tests():
    found = findings(ROOT / "tests")
    assert found["width"] == found["parallel"] == []


def test_lint():
    run("ruff", "check", ".")


def test_format():
    run("ruff", "format", "--check", ".")


@pytest.mark.slow
def test_types():
    run("mypy")


def public_functions(cls):
    for name, member in inspect.getmembers(cls, inspect.isfunction):
        if not name.startswith("_") and member.__module__.startswith("skmaf"):
            yield name, member


@pytest.mark.parametrize("name", skmaf.__all__)
def test_public_signatures_are_annotated(name):
    public = getattr(skmaf, name)
    for method, function in public_functions(public):
        signature = inspect.signature(function)
        parameters = [p for p in signature.parameters.values() if p.name != "self"]
        assert signature.return_annotation is not inspect.Signature.empty, method
        for parameter in parameters:
            assert parameter.annotation is not inspect.Parameter.empty, (method, parameter)
