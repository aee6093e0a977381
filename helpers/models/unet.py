"""U-Net (Ronneberger, Fischer and Brox 2015, https://arxiv.org/abs/1505.04597), the reviewed size."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv_relu(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.ReLU())


def double_conv(in_channels: int, out_channels: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        conv_relu(in_channels, out_channels),
        nn.Dropout(dropout),
        conv_relu(out_channels, out_channels),
    )


class UNet(nn.Module):
    """The U-Net under review: 419,777 parameters, two poolings (36 -> 18 -> 9).

    Unlike Ronneberger's it pads each convolution, so that the output has the input's size,
    and has one convolution in each step of the decoder instead of two.

    Parameters
    ----------
    dropout : probability of zeroing a value between the two convolutions of an encoder block.
    """

    def __init__(self, dropout: float = 0.1):
        super().__init__()
        self.encoder1 = double_conv(1, 32, dropout)
        self.encoder2 = double_conv(32, 64, dropout)
        self.bottleneck = double_conv(64, 128, dropout)
        self.up2 = nn.ConvTranspose2d(128, 64, 2, stride=2)
        self.decoder2 = conv_relu(64 + 64, 64)
        self.up1 = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.decoder1 = conv_relu(32 + 32, 32)
        self.head = nn.Conv2d(32, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H and W of at least 4."""
        height, width = images.shape[-2:]
        # Two poolings halve the size twice: pad to a multiple of 4, and cut the padding off again.
        x = F.pad(images, (0, -width % 4, 0, -height % 4), mode="replicate")
        skip1 = self.encoder1(x)  # (N, 32, H, W)
        skip2 = self.encoder2(F.max_pool2d(skip1, 2))  # (N, 64, H/2, W/2)
        x = self.bottleneck(F.max_pool2d(skip2, 2))  # (N, 128, H/4, W/4)
        x = self.decoder2(torch.cat([self.up2(x), skip2], dim=1))  # (N, 64, H/2, W/2)
        x = self.decoder1(torch.cat([self.up1(x), skip1], dim=1))  # (N, 32, H, W)
        return self.head(x)[..., :height, :width]
