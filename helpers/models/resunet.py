"""ResUNet (Zhang, Liu and Wang 2018, https://arxiv.org/abs/1711.10684), as wide as the baseline U-Net."""

from torch import Tensor, nn

from helpers.models.blocks import PipeConv2d, pad_to_multiple, stack


def normalise(norm: str, channels: int) -> nn.Module:
    if norm not in ("batch", "group"):
        raise ValueError(f'Expected a norm of "batch" or "group", found {norm!r}.')
    return nn.BatchNorm2d(channels) if norm == "batch" else nn.GroupNorm(8, channels)


class ResidualBlock(nn.Module):
    """Pre-activation residual block: twice (norm, ReLU, convolution), plus a shortcut (figure 1b).

    norm : "batch", as published, or "group", which does not depend on the batch's size: eight groups of
        channels (Wu and He 2018, https://arxiv.org/abs/1803.08494).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int | tuple[int, int] = 1,
        dropout: float = 0.0,
        norm: str = "batch",
        azimuth: str = "zeros",
    ):
        super().__init__()
        self.residual = nn.Sequential(
            normalise(norm, in_channels),
            nn.ReLU(),
            PipeConv2d(in_channels, out_channels, stride, azimuth=azimuth),
            normalise(norm, out_channels),
            nn.ReLU(),
            nn.Dropout(dropout),
            PipeConv2d(out_channels, out_channels, azimuth=azimuth),
        )
        self.rows, self.columns = (stride, stride) if isinstance(stride, int) else stride
        self.shortcut = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1), normalise(norm, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        # Not a convolution with a stride: with few channels in channels_last, torch 2.14 writes beyond the
        # gradients' memory there, and it is slower.
        return self.residual(x) + self.shortcut(x[..., :: self.rows, :: self.columns])


class ResUNet(nn.Module):
    """U-Net of residual blocks; strides of 2 in place of poolings, nearest neighbours upwards.

    The project's own size; the notebook's is `helpers.models.junior.JuniorResUNet`.

    dropout : probability of zeroing a value between the two convolutions of an encoder block.
    azimuth : padding of the columns, see `helpers.models.blocks.PipeConv2d`.
    width : channels of the first level; the second has twice, the bottleneck four times as many.
    """

    def __init__(self, dropout: float = 0.1, azimuth: str = "zeros", width: int = 32):
        super().__init__()
        self.azimuth = azimuth
        # No batch norm before the first convolution: the images' own scale is what tells a groove
        self.stem = nn.Sequential(
            PipeConv2d(1, width, azimuth=azimuth),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            PipeConv2d(width, width, azimuth=azimuth),
        )
        self.stem_shortcut = nn.Conv2d(1, width, 1)
        self.encoder2 = ResidualBlock(width, 2 * width, 2, dropout, azimuth=azimuth)
        self.bottleneck = ResidualBlock(2 * width, 4 * width, 2, dropout, azimuth=azimuth)
        self.up = nn.Upsample(scale_factor=2)
        self.decoder2 = ResidualBlock((4 + 2) * width, 2 * width, azimuth=azimuth)
        self.decoder1 = ResidualBlock((2 + 1) * width, width, azimuth=azimuth)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H and W of at least 5."""
        height, width = images.shape[-2:]  # below, C is the option `width`
        x = pad_to_multiple(images, 4, self.azimuth)
        skip1 = self.stem(x) + self.stem_shortcut(x)  # (N, C, H, W)
        skip2 = self.encoder2(skip1)  # (N, 2C, H/2, W/2)
        x = self.bottleneck(skip2)  # (N, 4C, H/4, W/4)
        x = self.decoder2(stack(self.up(x), skip2))  # (N, 2C, H/2, W/2)
        x = self.decoder1(stack(self.up(x), skip1))  # (N, C, H, W)
        return self.head(x)[..., :height, :width]
