"""The three networks of the notebook under review, as they were (review point R3.1).

Their sigmoid at the end has become the loss's, as everywhere here: all return logits. Their weights are the
notebook's in number and place; sizes that two poolings do not divide are padded.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.models.blocks import pad_to_multiple, stack


class JuniorUNet(nn.Module):
    """U-Net of 419,777 parameters, with a ReLU after the transposed convolutions too.

    dropout : of whole channels, after the second level and the bottleneck. The notebook declared 0.5, but its
        use was commented out; the review proposed 0.1.
    """

    def __init__(self, dropout: float = 0.0):
        super().__init__()
        self.encoder1 = _convolutions(1, 32, 32)
        self.encoder2 = _convolutions(32, 64, 64)
        self.bottleneck = _convolutions(64, 128, 128)
        self.dropout = nn.Dropout2d(dropout)
        self.up2 = nn.ConvTranspose2d(128, 64, 2, stride=2)
        self.decoder2 = _convolutions(128, 64)
        self.up1 = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.decoder1 = _convolutions(64, 32)
        self.head = nn.Conv2d(32, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H and W of at least 5."""
        height, width = images.shape[-2:]
        skip1 = self.encoder1(pad_to_multiple(images, 4))  # (N, 32, H, W)
        skip2 = self.dropout(self.encoder2(F.max_pool2d(skip1, 2)))  # (N, 64, H/2, W/2)
        x = self.dropout(self.bottleneck(F.max_pool2d(skip2, 2)))  # (N, 128, H/4, W/4)
        x = self.decoder2(stack(skip2, F.relu(self.up2(x))))
        x = self.decoder1(stack(skip1, F.relu(self.up1(x))))
        return self.head(x)[..., :height, :width]


class JuniorAttentionUNet(nn.Module):
    """Attention U-Net of 96,519 parameters, with batch norm in its gates.

    In the notebook the second bottleneck convolution (36,928 parameters, 38 %) gave its result to a name that
    was never used, so it never learned.

    dropout : of whole channels, after the second level and the bottleneck. mended : use that convolution.
    """

    def __init__(self, dropout: float = 0.3, mended: bool = False):
        super().__init__()
        self.mended = mended
        self.encoder1 = _convolutions(1, 16)
        self.encoder2 = _convolutions(16, 32)
        self.bottleneck1 = _convolutions(32, 64)
        self.bottleneck2 = _convolutions(64, 64)
        self.dropout = nn.Dropout2d(dropout)
        self.up2 = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.gate2 = _Gate(32)
        self.decoder2 = _convolutions(64, 32)
        self.up1 = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.gate1 = _Gate(16)
        self.decoder1 = _convolutions(32, 16)
        self.head = nn.Conv2d(16, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H and W of at least 5."""
        height, width = images.shape[-2:]
        skip1 = self.encoder1(pad_to_multiple(images, 4))  # (N, 16, H, W)
        skip2 = self.dropout(self.encoder2(F.max_pool2d(skip1, 2)))  # (N, 32, H/2, W/2)
        x = self.bottleneck1(F.max_pool2d(skip2, 2))  # (N, 64, H/4, W/4)
        if self.mended:
            x = self.bottleneck2(x)
        x = F.relu(self.up2(self.dropout(x)))
        x = self.decoder2(stack(self.gate2(skip2, x), x))
        x = F.relu(self.up1(x))
        x = self.decoder1(stack(self.gate1(skip1, x), x))
        return self.head(x)[..., :height, :width]


class JuniorResUNet(nn.Module):
    """ResUNet of about two million parameters: 64, 128 and 256 channels, bilinear steps upwards."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1)
        )
        self.stem_shortcut = nn.Conv2d(1, 64, 1)
        self.encoder2 = _Residual(64, 128, stride=2)
        self.bottleneck = _Residual(128, 256, stride=2)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.decoder2 = _Residual(256 + 128, 128)
        self.decoder1 = _Residual(128 + 64, 64)
        self.head = nn.Conv2d(64, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H and W of at least 5."""
        height, width = images.shape[-2:]
        images = pad_to_multiple(images, 4)
        skip1 = self.stem(images) + self.stem_shortcut(images)  # (N, 64, H, W)
        skip2 = self.encoder2(skip1)  # (N, 128, H/2, W/2)
        x = self.bottleneck(skip2)  # (N, 256, H/4, W/4)
        x = self.decoder2(stack(self.up(x), skip2))
        x = self.decoder1(stack(self.up(x), skip1))
        return self.head(x)[..., :height, :width]


def _convolutions(*channels: int) -> nn.Sequential:
    """3 x 3 convolutions with a ReLU each, from the first number of channels through the others."""
    steps = zip(channels[:-1], channels[1:], strict=True)
    return nn.Sequential(*(layer for i, o in steps for layer in (nn.Conv2d(i, o, 3, padding=1), nn.ReLU())))


class _Gate(nn.Module):
    """Weighs a skip by itself and by the decoder's features of the same size."""

    def __init__(self, channels: int):
        super().__init__()
        self.from_gate = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels))
        self.from_skip = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels))
        self.weight = nn.Sequential(nn.Conv2d(channels, 1, 1), nn.BatchNorm2d(1))

    def forward(self, skip: Tensor, gate: Tensor) -> Tensor:
        return skip * torch.sigmoid(self.weight(F.relu(self.from_gate(gate) + self.from_skip(skip))))


class _Residual(nn.Module):
    """Twice (batch norm, ReLU, convolution), plus a convolution of 1 x 1 as shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1):
        super().__init__()
        self.residual = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.ReLU(),
            nn.Conv2d(in_channels, out_channels, 3, stride, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
        )
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.shortcut(x[..., :: self.stride, :: self.stride])
