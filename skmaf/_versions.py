"""The versions of what skmaf runs on, for reports of bugs."""

import platform
import re
import sys
from importlib import metadata


def show_versions() -> None:
    """Print the versions of Python, of skmaf and of what it needs or can use, and the devices.

    Paste what it prints into a report of a bug. Packages of extras are listed where they are
    installed.

    See Also
    --------
    sklearn.show_versions : More of NumPy's and SciPy's libraries of linear algebra.

    Examples
    --------
    >>> import skmaf
    >>> skmaf.show_versions()    # doctest: +ELLIPSIS, +NORMALIZE_WHITESPACE
    System:
        python: ...
    """
    from ._devices import pick_device

    print("System:")
    _print_table(
        {
            "python": sys.version.replace("\n", " "),
            "executable": sys.executable,
            "machine": platform.platform(),
            "device": str(pick_device("auto")),
        }
    )
    print("\nPackages:")
    _print_table(_versions())


def _versions() -> dict[str, str]:
    """Return the versions of skmaf and of its dependencies, and of extras that are installed."""
    versions = {}
    for requirement in ["pip", "skmaf", *(metadata.requires("skmaf") or [])]:
        name = re.split(r"[^\w.-]", requirement)[0]
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            if "extra ==" not in requirement:
                versions[name] = "not installed"
    return versions


def _print_table(rows: dict[str, str]) -> None:
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:>{width + 4}}: {value}")
