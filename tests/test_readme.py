"""The code in README.md runs, and its two commands are what `.ci/run` and a newcomer expect."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from short_fits import shorten_detector

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_python_blocks_run(monkeypatch):
    """As they stand, one after the other, with default budgets of fewer steps."""
    shorten_detector(monkeypatch, 40)
    monkeypatch.setattr("skmaf.training.budget.STEPS", (50, 100, 100, 100))
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


TOOLS = ["awk", "bash", "dirname", "sh", "timeout"]


def run_ci(folder, stubs):
    """Run `.ci/run` where commands are `TOOLS` and stubs, which are given as lines of a shell."""
    (folder / ".ci").mkdir()
    (folder / "bin").mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci")
    shutil.copy(ROOT / "README.md", folder)
    for tool in TOOLS:
        (folder / "bin" / tool).symlink_to(shutil.which(tool))
    for name, lines in stubs.items():
        stub = folder / name
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text(f"#!/bin/sh\n{lines}\n")
        stub.chmod(0o755)
    environment = os.environ | {"PATH": str(folder / "bin")}
    return subprocess.run([folder / ".ci" / "run"], env=environment, capture_output=True, text=True)


def stubs_of(code):
    """Stubs of what the test command calls, which ends with a code."""
    codes = {"bin/python3": 0, ".venv/bin/pip": 0, ".venv/bin/python": code}
    return {name: f'echo "stub {name} $@"\nexit {end}' for name, end in codes.items()}


needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, TOOLS)), reason="needs bash and the tools beside it"
)


@needs_tools
@pytest.mark.parametrize("code", [0, 7])
def test_ci_runs_the_test_command(tmp_path, code):
    """With `python3` and `.venv` replaced by stubs, so that nothing is installed."""
    browser = {"bin/chromium": "exit 1", "bin/chromedriver": "exit 1"}
    done = run_ci(tmp_path, stubs_of(code) | browser)
    assert done.returncode == code
    assert done.stdout.splitlines() == [
        "+ " + blocks("sh")[1].strip(),
        "stub bin/python3 -m venv .venv",
        "stub .venv/bin/pip install -c constraints.txt -e .[test]",
        "stub .venv/bin/python -m pytest",
    ]
    assert done.stderr == ""


@needs_tools
@pytest.mark.parametrize(
    "uid, apt, said",
    [
        (0, 0, ""),
        (0, 1, "chromium could not be installed: tests in a browser are skipped.\n"),
        (1000, 0, "No chromium here, nor root with apt-get to install it: "),
        (0, None, "No chromium here, nor root with apt-get to install it: "),
    ],
)
def test_ci_installs_a_browser_where_it_can(tmp_path, uid, apt, said):
    calls = tmp_path / "calls"
    stubs = stubs_of(0) | {"bin/id": f"echo {uid}"}
    if apt is not None:
        stubs["bin/apt-get"] = f'echo "$@" >> {calls}\necho noise\nexit {apt}'
    done = run_ci(tmp_path, stubs)
    assert done.returncode == 0
    assert done.stderr.startswith(said) and bool(done.stderr) == bool(said)
    assert len(done.stdout.splitlines()) == 4
    called = calls.read_text().splitlines() if calls.exists() else []
    install = "install -y --no-install-recommends chromium chromium-driver"
    expected = {0: ["update", install], 1: ["update"], None: []}[apt]
    assert called == (expected if uid == 0 else [])
