"""A small recurrent residual U-Net with attention, after the idea of the challenge's first place.

Rebuilt from the papers that it names, not from its code: recurrent residual convolutions (Alom et al. 2018,
https://arxiv.org/abs/1802.06955, figure 4d), channel and spatial attention (CBAM, Woo et al. 2018,
https://arxiv.org/abs/1807.06521, section 3), attention gates on the skips (Oktay et al. 2018), sections of
360 rows expanded around the azimuth, and robust scaling.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.models.blocks import AttentionGate, pad_to_multiple, stack

AROUND = 8  # columns that are repeated on each side of the pipe


class RecurrentConv(nn.Module):
    """One convolution applied three times: to its input, then twice to the input plus its own output."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        state = self.conv(x)
        for _ in range(2):
            state = self.conv(x + state)
        return state


class CBAM(nn.Module):
    """Weigh channels, then places, each by what their means and maxima say."""

    def __init__(self, channels: int, reduction: int = 4):
        super().__init__()
        self.of_channels = nn.Sequential(
            nn.Conv2d(channels, channels // reduction, 1),
            nn.ReLU(),
            nn.Conv2d(channels // reduction, channels, 1),
        )
        self.of_places = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        mean, most = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)  # (N, C, 1, 1)
        x = x * (self.of_channels(mean) + self.of_channels(most)).sigmoid()
        mean, most = x.mean(1, keepdim=True), x.amax(1, keepdim=True)  # (N, 1, H, W)
        return x * self.of_places(stack(mean, most)).sigmoid()


class RecurrentBlock(nn.Module):
    """Two recurrent convolutions with a shortcut around both, then CBAM."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.match = nn.Conv2d(in_channels, out_channels, 1)
        self.recurrent = nn.Sequential(RecurrentConv(out_channels), RecurrentConv(out_channels))
        self.attention = CBAM(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.match(x)
        return self.attention(x + self.recurrent(x))


class RecurrentUNet(nn.Module):
    """Recurrent residual U-Net with attention: two poolings, 35 to 40 thousand parameters at width 8.

    Each section is scaled by its own median and interquartile range (robust scaling), whatever the scale
    that it comes in. Takes any number of rows, and 36 columns as well as 72.

    Parameters
    ----------
    width : channels of the first level.
    """

    def __init__(self, width: int = 8):
        super().__init__()
        self.encoder1 = RecurrentBlock(1, width)
        self.encoder2 = RecurrentBlock(width, 2 * width)
        self.bottleneck = RecurrentBlock(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.gate2 = AttentionGate(2 * width, 4 * width)
        self.decoder2 = RecurrentBlock(4 * width, 2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.gate1 = AttentionGate(width, 2 * width)
        self.decoder1 = RecurrentBlock(2 * width, width)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H, and any W of at least 8."""
        height, width = images.shape[-2:]
        x = F.pad(robust_scale(images), (AROUND, AROUND, 0, 0), mode="circular")
        x = pad_to_multiple(x, 4)
        skip1 = self.encoder1(x)  # (N, C, H, W + 16)
        skip2 = self.encoder2(F.max_pool2d(skip1, 2))  # (N, 2C, H/2, W/2 + 8)
        x = self.bottleneck(F.max_pool2d(skip2, 2))  # (N, 4C, H/4, W/4 + 4)
        x = self.decoder2(stack(self.up2(x), self.gate2(skip2, x)))
        x = self.decoder1(stack(self.up1(x), self.gate1(skip1, x)))
        return self.head(x)[..., :height, AROUND : AROUND + width]


def robust_scale(images: Tensor) -> Tensor:
    """(image - median) / interquartile range, image by image; (N, 1, H, W)."""
    flat = images.float().flatten(1)
    low, middle, high = flat.quantile(torch.tensor([0.25, 0.5, 0.75], device=flat.device), dim=1)
    spread = (high - low).clamp(min=1e-3)
    return (images - middle[:, None, None, None]) / spread[:, None, None, None]
