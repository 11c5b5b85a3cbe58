"""What pickle, joblib and skops get of a fitted estimator: text and arrays."""

import json

from sklearn.base import BaseEstimator


class PlainState(BaseEstimator):
    """An estimator whose state, once it is fitted, is JSON and arrays."""

    def __getstate__(self) -> dict:
        """Return the state as text and arrays; as it is, where a part of it is no such thing."""
        # torch is here by now: only what is fitted has all of this to say
        if not self.__sklearn_is_fitted__():
            return super().__getstate__()
        from .encoding import NotPlainError, describe

        try:
            described = describe(self)
        except NotPlainError:
            return super().__getstate__()
        return {"described": json.dumps(described.json), "arrays": described.arrays}

    def __setstate__(self, state: dict) -> None:
        """Become what `__getstate__` has described."""
        if "described" not in state:
            super().__setstate__(state)
            return
        from .decoding import restored

        arrays = state["arrays"]
        value, _ = restored(json.loads(state["described"]), lambda i: arrays[i].copy())
        self.__dict__.update(vars(value))
