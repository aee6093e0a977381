"""UNet++ (Zhou et al. 2018, https://arxiv.org/abs/1807.10165), as wide as the baseline U-Net."""

import torch.nn.functional as F
from torch import Tensor, nn

from helpers.models.blocks import double_conv, pad_to_multiple, stack


class UNetPlusPlus(nn.Module):
    """Nested U-Net: each skip connection is a chain of convolutions that sees the level below.

    Node (i, j) of the paper's figure 1a is level i, column j; column 0 is the encoder. Smaller than the
    paper's: three levels, not five, as a patch of 36 pixels has room for.

    With deep supervision (section 3.2): in training each node of level 0 gives a mask, and the loss is the
    mean over them; else the prediction is the mean of their logits ("accurate mode").

    dropout, azimuth : as in `helpers.models.unet.UNet`.
    """

    def __init__(self, dropout: float = 0.1, azimuth: str = "zeros"):
        super().__init__()
        self.azimuth = azimuth
        self.node00 = double_conv(1, 32, dropout, azimuth)
        self.node10 = double_conv(32, 64, dropout, azimuth)
        self.node20 = double_conv(64, 128, dropout, azimuth)
        self.up10 = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.up20 = nn.ConvTranspose2d(128, 64, 2, stride=2)
        self.up11 = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.node01 = double_conv(2 * 32, 32, dropout, azimuth)
        self.node11 = double_conv(2 * 64, 64, dropout, azimuth)
        self.node02 = double_conv(3 * 32, 32, dropout, azimuth)
        self.heads = nn.ModuleList(nn.Conv2d(32, 1, 1) for _ in range(2))

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H and W of at least 5.

        In training a pair of them, of node (0, 2) and of node (0, 1).
        """
        height, width = images.shape[-2:]
        x00 = self.node00(pad_to_multiple(images, 4, self.azimuth))  # (N, 32, H, W)
        x10 = self.node10(F.max_pool2d(x00, 2))  # (N, 64, H/2, W/2)
        x20 = self.node20(F.max_pool2d(x10, 2))  # (N, 128, H/4, W/4)
        x01 = self.node01(stack(x00, self.up10(x10)))  # (N, 32, H, W)
        x11 = self.node11(stack(x10, self.up20(x20)))  # (N, 64, H/2, W/2)
        x02 = self.node02(stack(x00, x01, self.up11(x11)))  # (N, 32, H, W)
        last, first = (
            head(node)[..., :height, :width] for head, node in zip(self.heads, (x02, x01), strict=True)
        )
        return (last, first) if self.training else (last + first) / 2
