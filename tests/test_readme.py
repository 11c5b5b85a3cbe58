"""The code in README.md runs, and its two commands are what `.ci/run` and a newcomer expect."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import skmaf.outlier

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_python_blocks_run(monkeypatch):
    """As they stand, one after the other, with default budgets of fewer steps."""
    monkeypatch.setitem(skmaf.outlier.ROBUST, "max_iter", 40)
    monkeypatch.setattr("skmaf.training.budget.MIN_STEPS", 50)
    monkeypatch.setattr("skmaf.training.budget.MAX_STEPS", 100)
    names = {}
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), names)
    assert (names["detector"].predict(names["new"]) == -1).mean() < 0.2


def test_two_commands_of_one_line():
    run, test = blocks("sh")
    assert run.count("\n") == test.count("\n") == 1
    for command in (run, test):
        assert "python3 -m venv .venv" in command
        assert "-c constraints.txt" in command
    assert run.endswith("-m skmaf\n")
    assert test.endswith("-m pytest\n")
    assert (ROOT / "constraints.txt").exists()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("code", [0, 7])
def test_ci_runs_the_test_command(tmp_path, code):
    """With `python3` and `.venv` replaced by stubs, so that nothing is installed."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    shutil.copy(ROOT / "README.md", tmp_path)
    stubs = {"bin/python3": 0, ".venv/bin/pip": 0, ".venv/bin/python": code}
    for name, result in stubs.items():
        stub = tmp_path / name
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text(f'#!/bin/sh\necho "stub {name} $@"\nexit {result}\n')
        stub.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [tmp_path / ".ci" / "run"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == code
    assert done.stdout.splitlines() == [
        "+ " + blocks("sh")[1].strip(),
        "stub bin/python3 -m venv .venv",
        "stub .venv/bin/pip install -c constraints.txt -e .[test]",
        "stub .venv/bin/python -m pytest",
    ]
