"""Where torch computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def pick_device(name: str, fitted: bool = False) -> torch.device:
    """The torch device called ``name``, or the fastest one if that is "auto".

    Parameters
    ----------
    name : str
    fitted : bool, default=False
        Whether it is for a fitted estimator, which may come from another machine: the CPU takes
        the place of a device that this machine does not have.

    Raises
    ------
    ValueError
        If torch does not know the device or the machine does not have it.
    """
    import torch

    is_available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    available = [kind for kind in is_available if is_available[kind]]
    if name == "auto":
        return torch.device(available[0])
    if str(name).split(":")[0] in available:
        return torch.device(name)
    if fitted:
        return torch.device("cpu")
    raise ValueError(f"device={name!r} is not on this machine; use 'auto' or one of {available}.")
