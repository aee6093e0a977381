"""The three networks of the notebook under review, as they were (review point R3.1).

Their sigmoid at the end has become the loss's, as everywhere here: all return logits. Their weights are the
notebook's in number and place; sizes that two poolings do not divide are padded.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.models.blocks import conv_relu, pad_to_multiple, stack
from helpers.models.resunet import ResUNet
from helpers.models.unet import UNet


class JuniorUNet(UNet):
    """U-Net of 419,777 parameters, with a ReLU after the transposed convolutions too.

    dropout : of whole channels, after the second level and the bottleneck. The notebook declared 0.5, but its
        use was commented out; the review proposed 0.1.
    """

    def __init__(self, dropout: float = 0.0):
        super().__init__(dropout=0.0)
        self.dropout = nn.Dropout2d(dropout)

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
        self.encoder1 = conv_relu(1, 16)
        self.encoder2 = conv_relu(16, 32)
        self.bottleneck1 = conv_relu(32, 64)
        self.bottleneck2 = conv_relu(64, 64)
        self.dropout = nn.Dropout2d(dropout)
        self.up2 = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.gate2 = _Gate(32)
        self.decoder2 = conv_relu(64, 32)
        self.up1 = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.gate1 = _Gate(16)
        self.decoder1 = conv_relu(32, 16)
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


class JuniorResUNet(ResUNet):
    """ResUNet of about two million parameters: 64, 128 and 256 channels, bilinear steps upwards, and no norm
    in the shortcuts."""

    def __init__(self):
        super().__init__(dropout=0.0, width=64)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        for block in (self.encoder2, self.bottleneck, self.decoder2, self.decoder1):
            block.shortcut = block.shortcut[0]


class _Gate(nn.Module):
    """Weighs a skip by itself and by the decoder's features of the same size."""

    def __init__(self, channels: int):
        super().__init__()
        self.from_gate = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels))
        self.from_skip = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels))
        self.weight = nn.Sequential(nn.Conv2d(channels, 1, 1), nn.BatchNorm2d(1))

    def forward(self, skip: Tensor, gate: Tensor) -> Tensor:
        return skip * torch.sigmoid(self.weight(F.relu(self.from_gate(gate) + self.from_skip(skip))))
