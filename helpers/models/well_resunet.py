"""A residual U-Net that looks far along the pipe, for whole wells."""

from torch import Tensor, nn

from helpers.models.blocks import PipeConv2d, pad_to_multiple, stack
from helpers.models.resunet import ResidualBlock, normalise

STRIDES = ((2, 2), (2, 2), (3, 1), (3, 1))  # rows and columns; 36 rows become one


class WellResUNet(nn.Module):
    """ResUNet (Zhang, Liu and Wang 2018) with two more levels, which shrink the rows only.

    A groove runs along the pipe, so context lies along it: a cell of the deepest level covers
    36 rows, and sees its neighbours above and below. Columns are shrunk as in the patch models, and
    padded around the pipe. Takes any number of rows, and 36 columns as well as 72.

    width : channels of the first level.
    dropout : probability of zeroing a value between the two convolutions of an encoder block.
    norm : "batch" or "group", see `helpers.models.resunet.ResidualBlock`.
    """

    def __init__(self, width: int = 16, dropout: float = 0.1, norm: str = "batch"):
        super().__init__()
        channels = [width, 2 * width, 4 * width, 4 * width, 4 * width]
        self.stem = nn.Sequential(
            PipeConv2d(1, width, azimuth="circular"),
            normalise(norm, width),
            nn.ReLU(),
            PipeConv2d(width, width, azimuth="circular"),
        )
        self.stem_shortcut = nn.Conv2d(1, width, 1)
        levels = list(zip(channels, channels[1:], STRIDES, strict=False))
        self.down = nn.ModuleList(
            ResidualBlock(upper, lower, stride, dropout, norm, azimuth="circular")
            for upper, lower, stride in levels
        )
        self.up = nn.ModuleList(nn.Upsample(scale_factor=stride) for _, _, stride in levels)
        self.decoder = nn.ModuleList(
            ResidualBlock(lower + upper, upper, norm=norm, azimuth="circular") for upper, lower, _ in levels
        )
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H, and any W of at least 5."""
        height, width = images.shape[-2:]
        x = pad_to_multiple(images, (36, 4), "circular")
        x = self.stem(x) + self.stem_shortcut(x)
        skips = []
        for block in self.down:
            skips.append(x)
            x = block(x)  # (N, 2C, H/2, W/2), (N, 4C, H/4, W/4), (N, 4C, H/12, W/4), (N, 4C, H/36, W/4)
        for up, block, skip in zip(self.up[::-1], self.decoder[::-1], skips[::-1], strict=True):
            x = block(stack(up(x), skip))
        return self.head(x)[..., :height, :width]
