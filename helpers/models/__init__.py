"""Architectures, one file each. All take (N, 1, H, W) and return logits of the same shape."""

from torch import nn

from helpers.models.unet import UNet

ARCHITECTURES = {"unet": UNet}


def build_model(name: str, **options) -> nn.Module:
    """Return a new model, weights drawn from torch's global generator.

    Parameters
    ----------
    name : one of `ARCHITECTURES`, for example "unet".
    options : passed to the architecture, for example `dropout=0.2`.

    Raises
    ------
    ValueError : no architecture has this name.

    >>> sum(p.numel() for p in build_model("unet").parameters())
    419777
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"No architecture is called {name!r}; choose one of {sorted(ARCHITECTURES)}.")
    return ARCHITECTURES[name](**options)
