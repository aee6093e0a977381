"""U-Net (Ronneberger, Fischer and Brox 2015, https://arxiv.org/abs/1505.04597), as large as the junior's."""

import torch.nn.functional as F
from torch import Tensor, nn

from helpers.models.blocks import conv_relu, double_conv, pad_to_multiple, stack


class UNet(nn.Module):
    """The baseline: 419,777 parameters, as the notebook's has, two poolings (36 -> 18 -> 9).

    It differs from that (`helpers.models.junior.JuniorUNet`) in that no ReLU follows the transposed
    convolutions, and that dropout zeroes single values between the convolutions of a block.

    Unlike Ronneberger's it pads each convolution, so that the output has the input's size,
    and has one convolution in each step of the decoder instead of two.

    dropout : probability of zeroing a value between the two convolutions of an encoder block.
    azimuth : padding of the columns, see `helpers.models.blocks.PipeConv2d`.
    width : channels of the first level; the second has twice, the bottleneck four times as many.
    ValueError : the width is below 1.
    """

    def __init__(self, dropout: float = 0.1, azimuth: str = "zeros", width: int = 32):
        super().__init__()
        if width < 1:
            raise ValueError(f"Expected a width of at least 1 channel, found {width}.")
        self.azimuth = azimuth
        self.encoder1 = double_conv(1, width, dropout, azimuth)
        self.encoder2 = double_conv(width, 2 * width, dropout, azimuth)
        self.bottleneck = double_conv(2 * width, 4 * width, dropout, azimuth)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.decoder2 = conv_relu(4 * width, 2 * width, azimuth)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.decoder1 = conv_relu(2 * width, width, azimuth)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H and W of at least 5."""
        height, width = images.shape[-2:]  # below, C is the option `width`
        x = pad_to_multiple(images, 4, self.azimuth)
        skip1 = self.encoder1(x)  # (N, C, H, W)
        skip2 = self.encoder2(F.max_pool2d(skip1, 2))  # (N, 2C, H/2, W/2)
        x = self.bottleneck(F.max_pool2d(skip2, 2))  # (N, 4C, H/4, W/4)
        x = self.decoder2(stack(self.up2(x), skip2))  # (N, 2C, H/2, W/2)
        x = self.decoder1(stack(self.up1(x), skip1))  # (N, C, H, W)
        return self.head(x)[..., :height, :width]
