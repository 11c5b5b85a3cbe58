"""The lines for a shell in the documentation run, and print what stands below them."""

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from short_fits import shorten_detector

from skmaf.cli import main

ROOT = Path(__file__).parents[1]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def console_lines(path):
    """The commands in the blocks of a page, each with what it prints."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        blocks = re.findall(r"^```console\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    else:
        blocks = re.findall(r"^\.\. code-block:: console\n\n((?:   .*\n|\n)+)", text, re.MULTILINE)
    for block in blocks:
        lines = [line.removeprefix("   ") for line in block.splitlines()]
        for part in re.split(r"^\$ ", "\n".join(lines), flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            yield command, expected.strip()


def run_in_shell(line):
    """Run a line in a shell, in which `skmaf` is the command."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    text = f'skmaf() {{ "{sys.executable}" -m skmaf "$@"; }}; {line}'
    done = subprocess.run(["bash", "-c", text], env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("page, n_commands", [("doc/command.rst", 12), ("README.md", 5)])
def test_shell_lines(tmp_path, monkeypatch, capsys, page, n_commands):
    """With short trainings; those that are no pipes in this process, which is quicker."""
    shorten_detector(monkeypatch, 20)
    monkeypatch.setattr("skmaf.training.budget.STEPS", (30, 60, 60, 60))
    monkeypatch.setattr(sys, "argv", ["skmaf"])
    monkeypatch.chdir(tmp_path)
    for name in ("penguins.csv", "TABLE.csv", "NEW.csv"):
        shutil.copy(ROOT / "tests" / "data" / "penguins.csv", name)
    commands = list(console_lines(ROOT / page))
    assert len(commands) >= n_commands
    for line, expected in commands:
        words = shlex.split(line, comments=True)
        if words[0] == "skmaf" and "|" not in words:
            code = main(words[1:])
            printed = "".join(capsys.readouterr())
        else:
            code, printed = run_in_shell(line)
        assert code == (2 if expected.startswith("skmaf: ") else 0), (line, printed)
        if page.endswith(".rst"):
            matches = doctest.OutputChecker().check_output(expected, printed.strip(), FLAGS)
            assert matches, (line, printed)
