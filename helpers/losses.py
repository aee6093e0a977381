"""Losses of segmentation: (N, 1, H, W) logits and masks of 0 and 1 -> one number.

NaN in a mask is a pixel of unknown label: it has no say, and no mean counts it. Masks may be of any type, and
logits too, as autocast gives them; losses are calculated in float32. Overlap losses are taken image by image,
then averaged, as the challenge's score is. So that an image without a groove is no special case, they are
smoothed by one pixel: a confident, empty prediction costs nothing there.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

SMOOTH = 1.0  # pixels
Loss = Callable[[Tensor, Tensor], Tensor]  # of logits and masks


def bce(logits: Tensor, masks: Tensor) -> Tensor:
    """Binary cross-entropy, the mean over known pixels: the baseline (R3.2)."""
    logits, masks, known = split_known(logits, masks)
    each = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)


def dice_bce(logits: Tensor, masks: Tensor) -> Tensor:
    """BCE plus the soft Dice loss, 1 - (2 sum(p t) + s) / (sum(p^2 + t^2) + s).

    Source: V-Net, Milletari, Navab and Ahmadi 2016, https://arxiv.org/abs/1606.04797, section 3. The
    junior's left the factor 2 out, so a perfect prediction still cost about 0.5.
    """
    p, t = probabilities_and_truth(logits, masks)
    overlap = 2 * (p * t).sum(1) + SMOOTH
    return bce(logits, masks) + (1 - overlap / ((p * p + t * t).sum(1) + SMOOTH)).mean()


def focal(logits: Tensor, masks: Tensor) -> Tensor:
    """Focal loss: each pixel's BCE times (1 - probability of its true class)^2, the mean over known pixels.

    Source: Lin et al. 2017, https://arxiv.org/abs/1708.02002, equation 4, without class weights. The
    junior's took the factor of the batch's mean BCE, one for all pixels: nothing is focused.
    """
    from torchvision.ops import sigmoid_focal_loss  # it takes seconds, which a report does not need

    logits, masks, known = split_known(logits, masks)
    each = sigmoid_focal_loss(logits, masks, alpha=-1, gamma=2.0)
    return (each * known).sum() / known.sum().clamp(min=1)


def tversky(logits: Tensor, masks: Tensor) -> Tensor:
    """Tversky loss: 1 - tp / (tp + 0.3 fp + 0.7 fn) of soft counts, so missed pixels cost more than false.

    Source: Salehi, Erdogmus and Gholipour 2017, https://arxiv.org/abs/1706.05721, equation 3.
    """
    p, t = probabilities_and_truth(logits, masks)
    tp, fp, fn = (p * t).sum(1), (p * (1 - t)).sum(1), ((1 - p) * t).sum(1)
    return (1 - (tp + SMOOTH) / (tp + 0.3 * fp + 0.7 * fn + SMOOTH)).mean()


def lovasz_hinge(logits: Tensor, masks: Tensor) -> Tensor:
    """Lovász hinge: a convex surrogate of 1 - IoU; 0 once every pixel is right by a logit of 1.

    Source: Berman, Triki and Blaschko 2018, https://arxiv.org/abs/1705.08790, section 3.
    """
    logits, t, _ = split_known(logits, masks)
    logits, t = logits.flatten(1), t.flatten(1)
    errors, order = (1 - logits * (2 * t - 1)).sort(dim=1, descending=True)
    t = t.gather(1, order)
    # 1 - IoU if the pixels up to this one, the worst first, were wrong
    intersection = t.sum(1, keepdim=True) - t.cumsum(1)
    jaccard = 1 - intersection / (t.sum(1, keepdim=True) + (1 - t).cumsum(1))
    steps = torch.cat([jaccard[:, :1], jaccard[:, 1:] - jaccard[:, :-1]], dim=1)
    return (errors.relu() * steps).sum(1).mean()


def soft_iou(logits: Tensor, masks: Tensor) -> Tensor:
    """1 - IoU of soft counts: 1 - sum(p t) / sum(p + t - p t).

    Source: Rahman and Wang 2016, https://doi.org/10.1007/978-3-319-50835-1_22, equation 3.
    """
    p, t = probabilities_and_truth(logits, masks)
    intersection = (p * t).sum(1)
    union = (p + t).sum(1) - intersection
    return (1 - (intersection + SMOOTH) / (union + SMOOTH)).mean()


def split_known(logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits, masks and where the label is known; elsewhere there is no groove, and none is found.

    >>> split_known(torch.tensor([2.0, 2.0]), torch.tensor([1.0, torch.nan]))
    (tensor([  2., -50.]), tensor([1., 0.]), tensor([ True, False]))
    """
    known = ~masks.isnan()
    return logits.float().masked_fill(~known, -50.0), masks.float().nan_to_num(), known


def probabilities_and_truth(logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """(N, H * W) each; 0 in both where the label is unknown."""
    logits, masks, _ = split_known(logits, masks)
    return logits.sigmoid().flatten(1), masks.flatten(1)


def over_outputs(loss: Loss) -> Loss:
    """For a network that is supervised in several places, as U-Net++ is, and so gives a tuple of logits in
    training: the mean of the loss over them."""

    def mean_loss(outputs: Tensor | tuple[Tensor, ...], masks: Tensor) -> Tensor:
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return torch.stack([loss(logits, masks) for logits in outputs]).mean()

    return mean_loss


LOSSES: dict[str, Loss] = {
    "bce": bce,
    "dice_bce": dice_bce,
    "focal": focal,
    "tversky": tversky,
    "lovasz": lovasz_hinge,
    "soft_iou": soft_iou,
}
