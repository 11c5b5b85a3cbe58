"""What `show_versions` prints."""

from importlib import metadata

import numpy as np
import torch

import skmaf


def test_versions_of_all_dependencies(capsys):
    skmaf.show_versions()
    printed = capsys.readouterr().out
    lines = dict(line.strip().split(": ", 1) for line in printed.splitlines() if ": " in line)
    assert lines["numpy"] == np.__version__
    assert lines["torch"] == torch.__version__
    assert lines["scikit-learn"] == metadata.version("scikit-learn")
    assert lines["skmaf"] == metadata.version("skmaf")
    assert lines["python"].startswith("3.")
    assert lines["device"] in ("cpu", "mps") or lines["device"].startswith("cuda")
    for requirement in metadata.requires("skmaf"):
        if "extra" not in requirement:
            assert any(requirement.startswith(name) for name in lines)
    assert "not installed" not in printed


def test_extras_are_listed_only_where_they_are(capsys, monkeypatch):
    needed = ["numpy>=2", "no-such-package>=1; extra == 'test'", "gone[all]>=2"]
    monkeypatch.setattr(metadata, "requires", lambda name: needed)
    skmaf.show_versions()
    printed = capsys.readouterr().out
    assert "no-such-package" not in printed
    assert "gone: not installed" in printed
