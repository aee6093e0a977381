"""What the U-Nets of this package share: convolutions that know a pipe, and sizes that pool evenly."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PADDINGS = ("zeros", "circular")


class PipeConv2d(nn.Conv2d):
    """A 3 x 3 convolution that can go around a pipe.

    azimuth : what lies beyond the first and last column: "zeros", or "circular", the columns of the other
        side. Beyond the first and last row there are zeros. ValueError : it is neither.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int | tuple[int, int] = 1, azimuth: str = "zeros"
    ):
        if azimuth not in PADDINGS:
            raise ValueError(f"Expected a padding of azimuth in {PADDINGS}, found {azimuth!r}.")
        super().__init__(in_channels, out_channels, 3, stride, padding=1 if azimuth == "zeros" else 0)
        self.circular = azimuth == "circular"

    def forward(self, x: Tensor) -> Tensor:
        if self.circular:
            x = F.pad(x, (1, 1, 0, 0), mode="circular")
            x = F.pad(x, (0, 0, 1, 1))
        return super().forward(x)


def conv_relu(in_channels: int, out_channels: int, azimuth: str = "zeros") -> nn.Sequential:
    return nn.Sequential(PipeConv2d(in_channels, out_channels, azimuth=azimuth), nn.ReLU())


def double_conv(in_channels: int, out_channels: int, dropout: float, azimuth: str = "zeros") -> nn.Sequential:
    return nn.Sequential(
        conv_relu(in_channels, out_channels, azimuth),
        nn.Dropout(dropout),
        conv_relu(out_channels, out_channels, azimuth),
    )


class AttentionGate(nn.Module):
    """Additive attention gate on a skip (Oktay et al. 2018, https://arxiv.org/abs/1804.03999, figure 2).

    The coarser features, one level down, say where in the skip to look: a weight between 0 and 1 for each
    pixel. The weights are enlarged around the pipe too, where `azimuth` is "circular".
    """

    def __init__(self, skip_channels: int, gate_channels: int, azimuth: str = "zeros"):
        super().__init__()
        self.azimuth = azimuth
        channels = skip_channels // 2
        self.from_skip = nn.Conv2d(skip_channels, channels, 2, stride=2, bias=False)
        self.from_gate = nn.Conv2d(gate_channels, channels, 1)
        self.weight = nn.Conv2d(channels, 1, 1)

    def forward(self, skip: Tensor, gate: Tensor) -> Tensor:
        """(N, C, H, W) skip and (N, G, H/2, W/2) gate -> (N, C, H, W): the skip, weighted."""
        weight = self.weight(F.relu(self.from_skip(skip) + self.from_gate(gate))).sigmoid()
        around = F.pad(weight, (1, 1, 0, 0), mode="circular" if self.azimuth == "circular" else "replicate")
        return skip * F.interpolate(around, scale_factor=2, mode="bilinear", align_corners=False)[..., 2:-2]


def pad_to_multiple(images: Tensor, multiple: int | tuple[int, int], azimuth: str = "zeros") -> Tensor:
    """Pad rows below and columns on the right until both are multiples, so that poolings divide evenly.

    Rows repeat the last one; columns too, or go on around the pipe where `azimuth` is "circular".
    The model cuts its output to the images' own size again.
    """
    rows, columns = (multiple, multiple) if isinstance(multiple, int) else multiple
    height, width = images.shape[-2:]
    mode = "circular" if azimuth == "circular" else "replicate"
    images = F.pad(images, (0, -width % columns, 0, 0), mode=mode)
    return F.pad(images, (0, 0, 0, -height % rows), mode="replicate")


def stack(*features: Tensor) -> Tensor:
    """Join features of equal size along their channels."""
    return torch.cat(features, dim=1)
