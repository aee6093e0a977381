"""Architectures, one file each. All take (N, 1, H, W) thickness and return logits of the same shape."""

from copy import deepcopy
from importlib import import_module
from inspect import signature

from torch import nn

# Name -> the module it lives in, and what to call there. A module is imported when its model is built: the
# baseline does not need timm.
ARCHITECTURES = {
    "unet": ("unet", "UNet"),
    "attention_unet": ("attention_unet", "AttentionUNet"),
    "resunet": ("resunet", "ResUNet"),
    "unet++": ("unetpp", "UNetPlusPlus"),
    "vgg16_unet": ("vgg16_unet", "VGG16UNet"),
    "ag_curesnest": ("ag_curesnest", "AGCUResNeSt"),
    "vit": ("vit", "vit"),
    "deit": ("vit", "deit"),
    "mask_rcnn": ("mask_rcnn", "GrooveMaskRCNN"),
}
# The notebook under review had these; the three above of the same kinds are ours, of about equal size.
JUNIOR_ARCHITECTURES = {
    "junior_unet": ("junior", "JuniorUNet"),
    "junior_attention_unet": ("junior", "JuniorAttentionUNet"),
    "junior_resunet": ("junior", "JuniorResUNet"),
}
# Not compared with the others, since it learns from sections of wells (notebook 07), not from patches.
WHOLE_WELL_ARCHITECTURES = {"well_resunet": ("well_resunet", "WellResUNet")}


def build_model(name: str, **options) -> nn.Module:
    """Return a new model, weights drawn from torch's global generator.

    name : one of `ARCHITECTURES`, for example "unet", or of the other two tables.
    options : passed to the architecture: `dropout` and `azimuth` for "unet", "attention_unet", "resunet" and
        "unet++", `width` for "unet", "resunet" and "well_resunet", `norm` for the latter,
        `dropout` for the junior's U-Nets and `mended` for one of them, `pretrained` for the others.
    ValueError : no architecture has this name, or it has no such option.
    helpers.models.pretrained.DownloadError : `pretrained=True` without the internet.

    >>> sum(p.numel() for p in build_model("unet").parameters())
    419777
    """
    every = ARCHITECTURES | JUNIOR_ARCHITECTURES | WHOLE_WELL_ARCHITECTURES
    if name not in every:
        raise ValueError(f"No architecture is called {name!r}; choose one of {sorted(every)}.")
    module, attribute = every[name]
    build = getattr(import_module(f"helpers.models.{module}"), attribute)
    known = list(signature(build).parameters)
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(f"{name} has no option {', '.join(unknown)}; its options are {', '.join(known)}.")
    return build(**options)


def mean_of_weights(*networks: nn.Module) -> nn.Module:
    """Return a network whose every weight is the mean of these networks', on the device of the last.

    Of a network before and after it was trained further: it keeps more of what it knew (Wortsman et al. 2022,
    "Robust fine-tuning of zero-shot models", https://arxiv.org/abs/2109.01903, with equal shares).
    """
    model = deepcopy(networks[-1])
    states = [network.to(next(model.parameters()).device).state_dict() for network in networks]
    model.load_state_dict({name: sum(state[name] for state in states) / len(states) for name in states[0]})
    return model
