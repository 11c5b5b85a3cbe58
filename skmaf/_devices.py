"""Where torch computes."""

import torch


def pick_device(name, fitted=False):
    """The torch device called ``name``; of a fitted estimator that came from another machine, the CPU if it is not here.

    Raises
    ------
    ValueError
        If torch does not know the device or the machine does not have it.
    """
    here = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, available in here.items() if available))
    kind = str(name).split(":")[0]
    if here.get(kind):
        return torch.device(name)
    if fitted:
        return torch.device("cpu")
    raise ValueError(
        f"device={name!r} is not on this machine; use 'auto' or one of {[k for k in here if here[k]]}."
    )
