"""Results in a CSV file, a line each, so that an interrupted benchmark goes on where it was."""

import pandas as pd


def is_done(path, key):
    """Whether the file has a line with all the values of ``key``, a dictionary."""
    if not path.exists():
        return False
    names = list(key)
    return bool((pd.read_csv(path)[names] == pd.Series(key)[names]).all(axis=1).any())


def append(path, result):
    """Add a line, a dictionary, to the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([result]).to_csv(path, mode="a", header=not path.exists(), index=False)
