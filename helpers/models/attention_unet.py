"""Attention U-Net (Oktay et al. 2018, https://arxiv.org/abs/1804.03999), as wide as the baseline U-Net."""

import torch.nn.functional as F
from torch import Tensor, nn

from helpers.models.blocks import AttentionGate, conv_relu, double_conv, pad_to_multiple, stack


class AttentionUNet(nn.Module):
    """The baseline U-Net with an additive attention gate on each skip connection.

    The project's own size; the notebook's is `helpers.models.junior.JuniorAttentionUNet`.

    dropout, azimuth : as in `helpers.models.unet.UNet`.
    """

    def __init__(self, dropout: float = 0.1, azimuth: str = "zeros"):
        super().__init__()
        self.azimuth = azimuth
        self.encoder1 = double_conv(1, 32, dropout, azimuth)
        self.encoder2 = double_conv(32, 64, dropout, azimuth)
        self.bottleneck = double_conv(64, 128, dropout, azimuth)
        self.gate2 = AttentionGate(64, 128, azimuth)
        self.up2 = nn.ConvTranspose2d(128, 64, 2, stride=2)
        self.decoder2 = conv_relu(64 + 64, 64, azimuth)
        self.gate1 = AttentionGate(32, 64, azimuth)
        self.up1 = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.decoder1 = conv_relu(32 + 32, 32, azimuth)
        self.head = nn.Conv2d(32, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H and W of at least 5."""
        height, width = images.shape[-2:]
        x = pad_to_multiple(images, 4, self.azimuth)
        skip1 = self.encoder1(x)  # (N, 32, H, W)
        skip2 = self.encoder2(F.max_pool2d(skip1, 2))  # (N, 64, H/2, W/2)
        x = self.bottleneck(F.max_pool2d(skip2, 2))  # (N, 128, H/4, W/4)
        x = self.decoder2(stack(self.up2(x), self.gate2(skip2, x)))  # (N, 64, H/2, W/2)
        x = self.decoder1(stack(self.up1(x), self.gate1(skip1, x)))  # (N, 32, H, W)
        return self.head(x)[..., :height, :width]
