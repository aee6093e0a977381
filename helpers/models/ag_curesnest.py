"""AG-CUResNeSt (Sang et al. 2021, https://arxiv.org/abs/2105.00402): two coupled attention U-Nets."""

import timm
from torch import Tensor, nn

from helpers.models.blocks import AttentionGate, conv_relu, pad_to_multiple, stack
from helpers.models.pretrained import downloading

CHANNELS = (64, 256, 512)  # of timm's resnest14d at half, quarter and eighth resolution


class AttentionResNeStUNet(nn.Module):
    """U-Net with attention gates and a ResNeSt encoder (Zhang et al. 2022, https://arxiv.org/abs/2004.08955)."""

    def __init__(self, in_channels: int, pretrained: bool):
        super().__init__()
        with downloading("ag_curesnest", pretrained):
            self.encoder = timm.create_model(
                "resnest14d", pretrained, features_only=True, in_chans=in_channels, out_indices=(0, 1, 2)
            )
        half, quarter, eighth = CHANNELS
        self.gate4 = AttentionGate(quarter, eighth)
        self.up4 = nn.ConvTranspose2d(eighth, 128, 2, stride=2)
        self.decoder4 = conv_relu(128 + quarter, 128)
        self.gate2 = AttentionGate(half, 128)
        self.up2 = nn.ConvTranspose2d(128, 64, 2, stride=2)
        self.decoder2 = conv_relu(64 + half, 64)
        self.up1 = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.decoder1 = conv_relu(32 + in_channels, 32)
        self.head = nn.Conv2d(32, 1, 1)

    def forward(self, x: Tensor, coupled: tuple[Tensor, Tensor] | None = None):
        """Return the logits (N, 1, H, W), and the decoder's features at half and quarter resolution.

        coupled : such features of the U-Net before, added to this one's encoder.
        """
        half, quarter, eighth = self.encoder(x)
        if coupled is not None:
            half, quarter = half + coupled[0], quarter + coupled[1]
        x4 = self.decoder4(stack(self.up4(eighth), self.gate4(quarter, eighth)))  # (N, 128, H/4, W/4)
        x2 = self.decoder2(stack(self.up2(x4), self.gate2(half, x4)))  # (N, 64, H/2, W/2)
        x1 = self.decoder1(stack(self.up1(x2), x))  # (N, 32, H, W)
        return self.head(x1), x2, x4


class AGCUResNeSt(nn.Module):
    """The first U-Net's mask, as logits, is a second channel of the second one's image.

    After the paper: ResNeSt encoders, attention gates on the skips of both, the first decoder's features
    handed to the second encoder, and both masks supervised. Smaller than the paper's, since a patch has
    36 pixels and not 512: ResNeSt-14 without its last stage in place of ResNeSt-101. Both masks are
    supervised through one output, the mean of their logits.

    Parameters
    ----------
    pretrained : begin with ImageNet's weights in both encoders; needs the internet.

    Raises
    ------
    helpers.models.pretrained.DownloadError : the weights could not be downloaded.
    """

    def __init__(self, pretrained: bool = False):
        super().__init__()
        self.first = AttentionResNeStUNet(1, pretrained)
        self.second = AttentionResNeStUNet(2, pretrained)
        self.couple2 = nn.Conv2d(64, CHANNELS[0], 1)
        self.couple4 = nn.Conv2d(128, CHANNELS[1], 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H and W of at least 5."""
        if self.training and len(images) == 1:  # ResNeSt's batch norms cannot learn from one image alone
            return self(images.expand(2, -1, -1, -1))[:1]
        height, width = images.shape[-2:]
        x = pad_to_multiple(images, 8)
        first, x2, x4 = self.first(x)
        second, _, _ = self.second(stack(x, first), (self.couple2(x2), self.couple4(x4)))
        return ((first + second) / 2)[..., :height, :width]
