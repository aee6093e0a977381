"""The rival: the network and the recipe of the challenge's first place, written anew. Notebook 07.

What https://github.com/tamontealegrep/CorroSeg does: a small recurrent residual U-Net
(https://arxiv.org/abs/1802.06955) with channel and spatial attention (CBAM, https://arxiv.org/abs/1807.06521),
attention gates (https://arxiv.org/abs/1804.03999) and a skip from level to level (U-Net++,
https://arxiv.org/abs/1807.10165) learns from sections of 360 rows by IoU and focal loss. All have one scale:
an empty one, scaled by its own quartiles, would ruin what batch norm remembers. Changes and rate are ours.
"""

from dataclasses import replace
from functools import cache, partial

import torch
import torch.nn.functional as F
from common import Variant, run_from_command_line, run_study
from torch import Tensor, nn
from whole_wells import by_grooves, plainly, train_on_wells, wells_to_learn_from

from experiments.draws import STUDY_CONFIG, Draw, learns_with
from helpers.config import PATCH_SIZE
from helpers.losses import focal, split_known
from helpers.models.blocks import pad_to_multiple, stack
from helpers.training import train
from helpers.training.runs import unsaved_run
from helpers.whole_wells.sections import SectionDataset, Wells, section_loader, well_transform

ROWS, AROUND = 360, 8  # rows of a section, and columns that are repeated on each side of the pipe


class RecurrentBlock(nn.Module):
    """Two convolutions, each applied `times` times over and normalised once, with a shortcut; then weigh
    channels, then places, each by what their means and maxima say."""

    def __init__(self, inputs: int, channels: int, times: int = 1):
        super().__init__()
        self.match = nn.Conv2d(inputs, channels, 1)
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(2))
        squeeze = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.which = nn.Sequential(squeeze, nn.LeakyReLU(), nn.Conv2d(channels // 8, channels, 1, bias=False))
        self.where = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.dropout, self.times = nn.Dropout(0.2), times

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, channels, H, W)."""
        x = shortcut = self.match(x)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            for _ in range(self.times):
                x = F.leaky_relu(conv(x))
            x = norm(x)
        x = x + shortcut
        mean, most = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)  # (N, C, 1, 1)
        x = x * (self.which(mean) + self.which(most)).sigmoid()
        mean, most = x.mean(1, keepdim=True), x.amax(1, keepdim=True)  # (N, 1, H, W)
        return self.dropout(x * self.where(stack(mean, most)).sigmoid())


class Gate(nn.Module):
    """Weigh each pixel of a skip by it and by what comes from below, and put the two together."""

    def __init__(self, skip: int, below: int):
        super().__init__()
        self.skip, self.below = nn.Conv2d(skip, below, 1), nn.Conv2d(below, below, 1)
        self.weight = nn.Conv2d(below, 1, 1)

    def forward(self, skip: Tensor, below: Tensor) -> Tensor:
        return stack(below, skip * self.weight(F.relu(self.skip(skip) + self.below(below))).sigmoid())


class RecurrentUNet(nn.Module):
    """Recurrent residual U-Net with attention, two poolings; 38,264 parameters at width 8, as first place's.

    It sees a well of 72 columns as two of 36, the even ones and the odd ones, as the challenge's patches are.
    """

    def __init__(self, width: int = 8):
        super().__init__()
        one, two, four = width, 2 * width, 4 * width  # channels of the levels
        up = partial(nn.ConvTranspose2d, kernel_size=2, stride=2)
        self.encoder1, self.encoder2 = RecurrentBlock(1, one), RecurrentBlock(one, two)
        self.bottleneck = RecurrentBlock(two, four, times=2)
        self.up_between, self.gate_between = up(two, one), Gate(one, one)
        self.between = RecurrentBlock(two, one, times=2)
        self.up2, self.gate2, self.decoder2 = up(four, two), Gate(two, two), RecurrentBlock(four, two)
        self.up1, self.gate1, self.decoder1 = up(two, one), Gate(two, one), RecurrentBlock(two + one, one)
        self.head = nn.Conv2d(one, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H, and any W of at least 8."""
        strips = 2 if images.shape[-1] == 2 * PATCH_SIZE else 1
        x = images.unflatten(3, (-1, strips)).movedim(4, 1).flatten(0, 1)  # (N * strips, 1, H, W / strips)
        height, width = x.shape[-2:]
        x = pad_to_multiple(F.pad(x, (AROUND, AROUND, 0, 0), mode="circular"), 4)
        skip1 = self.encoder1(x)  # (N, C, H, W + 16)
        skip2 = self.encoder2(F.max_pool2d(skip1, 2))  # (N, 2C, H/2, W/2 + 8)
        x = self.bottleneck(F.max_pool2d(skip2, 2))  # (N, 4C, H/4, W/4 + 4)
        skip1 = stack(skip1, self.between(self.gate_between(skip1, self.up_between(skip2))))
        x = self.decoder2(self.gate2(skip2, self.up2(x)))
        x = self.decoder1(self.gate1(skip1, self.up1(x)))
        x = self.head(x)[..., :height, AROUND : AROUND + width]
        return x.unflatten(0, (-1, strips)).movedim(1, 4).flatten(3)


def iou_focal(logits: Tensor, masks: Tensor) -> Tensor:
    """1 - IoU of the soft counts of the whole batch, plus a quarter of the focal loss."""
    known_logits, truth, _ = split_known(logits, masks)
    p = known_logits.sigmoid()
    intersection = (p * truth).sum()
    union = (p + truth).sum() - intersection
    return 1 - (intersection + 1e-6) / (union + 1e-6) + 0.25 * focal(logits, masks)


def train_rival(wells: Wells, epochs: int, seed: int, height: int = ROWS) -> nn.Module:
    """A new network, trained on these wells; four sections of 36 columns, or two of 72, make a batch."""
    config = replace(STUDY_CONFIG, seed=seed)
    torch.manual_seed(seed)
    run = unsaved_run(RecurrentUNet(), config, iou_focal)
    dataset = SectionDataset(wells, height, well_transform(), moving=True, config=config)
    patches = 4 * height // PATCH_SIZE  # have as many pixels as a batch
    for _ in train(run, section_loader(dataset, patches, shuffle=True), epochs):
        pass
    return run.model


@cache
def rival(draw: Draw, epochs: int) -> nn.Module:
    return train_rival(wells_to_learn_from(draw), epochs, draw.number)


VARIANTS: dict[str, Variant] = {
    "patches": learns_with(),
    "rival": lambda draw, epochs: plainly(draw, rival(draw, epochs), ROWS),
    "rival, by grooves": lambda draw, epochs: by_grooves(draw, rival(draw, epochs), ROWS),
    "our network, its loss": lambda draw, epochs: plainly(draw, train_on_wells(draw, epochs, loss=iou_focal)),
}

if __name__ == "__main__":
    run_from_command_line(lambda: run_study(__doc__, __file__, VARIANTS, than="patches"))
