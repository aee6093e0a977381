"""AG-CUResNeSt (Sang et al. 2021, https://arxiv.org/abs/2105.00402): two coupled attention U-Nets."""

import timm
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.models.blocks import AttentionGate, conv_relu, pad_to_multiple, stack
from helpers.models.pretrained import downloading

ENCODER = (64, 256, 512)  # channels of timm's resnest14d at half, quarter and eighth resolution
DECODER = (128, 64, 32)  # at quarter, half and full resolution


class AttentionResNeStUNet(nn.Module):
    """U-Net with attention gates and a ResNeSt encoder (Zhang et al. 2022, https://arxiv.org/abs/2004.08955).

    coupled : take the features of a U-Net before this one, at every level of encoder and decoder.
    """

    def __init__(self, in_channels: int, coupled: bool, pretrained: bool):
        super().__init__()
        with downloading("ag_curesnest", pretrained):
            resnest = timm.create_model("resnest14d", pretrained, in_chans=in_channels)
        self.stages = nn.ModuleList(
            [
                nn.Sequential(resnest.conv1, resnest.bn1, resnest.act1),
                nn.Sequential(resnest.maxpool, resnest.layer1),
                resnest.layer2,
            ]
        )
        half, quarter, eighth = ENCODER
        self.joins = nn.ModuleList(nn.Conv2d(2 * c, c, 3, padding=1) for c in ENCODER if coupled)
        self.gates = nn.ModuleList([AttentionGate(quarter, eighth), AttentionGate(half, DECODER[0])])
        before, skips = (eighth, *DECODER[:2]), (quarter, half, 0)
        self.decoders = nn.ModuleList(
            conv_relu(b + s + coupled * c, c) for b, s, c in zip(before, skips, DECODER, strict=True)
        )
        self.head = nn.Conv2d(DECODER[-1], 1, 1)

    def forward(self, x: Tensor, encoded: list[Tensor] = (), decoded: list[Tensor] = ()):
        """(N, C, H, W) -> features of the encoder and of the decoder, level by level; `head` makes logits.

        encoded, decoded : such features of the U-Net before, if this one is coupled.
        """
        features = []
        for level, stage in enumerate(self.stages):
            x = stage(x)
            if encoded:
                x = self.joins[level](stack(x, encoded[level]))
            features.append(x)
        steps = []
        for level, decoder in enumerate(self.decoders):
            parts = [F.interpolate(x, scale_factor=2)]
            if level < len(self.gates):
                parts.append(self.gates[level](features[1 - level], x))
            if decoded:
                parts.append(decoded[level])
            x = decoder(stack(*parts))
            steps.append(x)
        return features, steps


class AGCUResNeSt(nn.Module):
    """The second U-Net sees the image and what the first has made of it, and gives the mask.

    As in the paper and its authors' code: the image and the first decoder's last features are the second
    encoder's input; each level of the second encoder is joined by a 3 x 3 convolution with the first's, and
    each level of the second decoder takes the first's features beside its gated skip; both masks are
    supervised, and the second is the prediction.

    What differs: ResNeSt-14 without its last two stages in place of ResNeSt-101, and one convolution a
    decoder level in place of two with batch norm, since a patch has 36 pixels and not 512; the gates are
    Oktay's; both U-Nets are trained together, where the authors' code can freeze the first.

    pretrained : begin with ImageNet's weights in both encoders; see `helpers.models.pretrained.downloading`.
    """

    def __init__(self, pretrained: bool = False):
        super().__init__()
        self.first = AttentionResNeStUNet(1, False, pretrained)
        self.second = AttentionResNeStUNet(1 + DECODER[-1], True, pretrained)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H and W of at least 5.

        In training also the logits of the first U-Net.
        """
        if self.training and len(images) == 1:  # ResNeSt's batch norms cannot learn from one image alone
            return tuple(logits[:1] for logits in self(images.expand(2, -1, -1, -1)))
        height, width = images.shape[-2:]
        x = pad_to_multiple(images, 8)
        encoded, decoded = self.first(x)
        _, steps = self.second(stack(x, decoded[-1]), encoded, decoded)
        logits = self.second.head(steps[-1])[..., :height, :width]
        if self.training:
            return logits, self.first.head(decoded[-1])[..., :height, :width]
        return logits
