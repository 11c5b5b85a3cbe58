"""What `show_versions` prints."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch

import skmaf

ROOT = Path(__file__).parents[1]


def test_versions_of_all_dependencies(capsys):
    skmaf.show_versions()
    printed = capsys.readouterr().out
    lines = dict(line.strip().split(": ", 1) for line in printed.splitlines() if ": " in line)
    assert lines["numpy"] == np.__version__
    # some builds name what they are for, "+cu132", in the module alone
    assert torch.__version__.startswith(lines["torch"])
    assert lines["scikit-learn"] == metadata.version("scikit-learn")
    assert lines["skmaf"] == metadata.version("skmaf")
    assert lines["python"].startswith("3.")
    assert lines["device"] in ("cpu", "mps") or lines["device"].startswith("cuda")
    for requirement in metadata.requires("skmaf"):
        if "extra" not in requirement:
            assert any(requirement.startswith(name) for name in lines)
    missing = {name for name, version in lines.items() if version == "not installed"}
    assert missing <= {"pip"}


def test_extras_are_listed_only_where_they_are(capsys, monkeypatch):
    needed = ["numpy>=2", "no-such-package>=1; extra == 'test'", "gone[all]>=2"]
    monkeypatch.setattr(metadata, "requires", lambda name: needed)
    skmaf.show_versions()
    printed = capsys.readouterr().out
    assert "no-such-package" not in printed
    assert "gone: not installed" in printed


@pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="needs a checkout")
def test_lowest_versions_are_those_that_are_tested():
    """CI installs those of constraints-oldest.txt."""
    text = (ROOT / "constraints-oldest.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w-]+)==(.+)$", text, flags=re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    requirements = sum((extras[name] for name in extras if name != "doc"), project["dependencies"])
    for requirement in requirements:
        name, lowest = re.match(r"([\w-]+).*>=(.+)", requirement).groups()
        assert re.fullmatch(rf"{re.escape(lowest)}(\.\d+)?", pins[name]), requirement
