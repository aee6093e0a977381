"""Scores of segmentation masks, exact whatever the batch size, computed where the tensors are.

Everything starts from `count_pixels`: three whole numbers an image. They are added up or averaged
only at the end, so no score depends on how the images were batched.
"""

import math
from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor


def count_pixels(prediction: Tensor, target: Tensor) -> Tensor:
    """Count true positives, false positives and false negatives of each image.

    prediction, target : (N, ...) masks; boolean, or numbers that are all 0 or 1. One dimension is one image,
        flattened.

    Returns (N, 3) int64 on the same device: tp, fp, fn. ValueError : shapes differ, or a value is neither 0
    nor 1 (probabilities and logits must be cut at a threshold first).
    """
    if prediction.shape != target.shape:
        raise ValueError(
            f"Prediction and target differ in shape: {tuple(prediction.shape)} and {tuple(target.shape)}."
        )
    for name, mask in (("prediction", prediction), ("target", target)):
        if mask.dtype != torch.bool and not ((mask == 0) | (mask == 1)).all():
            raise ValueError(
                f"The {name} holds values other than 0 and 1, for example {mask.min().item():.3g} and "
                f"{mask.max().item():.3g}. Cut probabilities at a threshold first: `probabilities >= 0.5`."
            )
    if prediction.ndim == 1:  # one image, flattened
        prediction, target = prediction[None], target[None]
    predicted, true = prediction.bool().flatten(1), target.bool().flatten(1)
    counts = [predicted & true, predicted & ~true, ~predicted & true]
    return torch.stack([count.sum(dim=1) for count in counts], dim=1)


def dice(prediction: Tensor, target: Tensor) -> Tensor:
    """Dice score of each image, 2 tp / (2 tp + fp + fn); two empty masks agree perfectly: 1.

    prediction : (N, ...) probabilities, cut at 0.5, or masks. For another threshold pass the mask,
        `probabilities >= threshold`.
    target : (N, ...) masks of 0 and 1. One-hot over several channels, they count as one mask: pass the
        groove's channel of both, since the wall's, nine tenths of all pixels, would lift the score.

    Returns (N,) float32 on the same device; the score over all pixels of all images is `summarise`'s.
    ValueError : shapes differ, a prediction is below 0 or above 1, as logits are, or the target holds
    anything but 0 and 1. Source: Dice 1945, https://doi.org/10.2307/1932409.

    >>> dice(torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]]), torch.tensor([[1, 0, 0, 0], [0, 0, 0, 0]]))
    tensor([0.6667, 1.0000])
    """
    return dice_from_counts(count_pixels(_as_mask(prediction), target))


def iou(prediction: Tensor, target: Tensor) -> Tensor:
    """Intersection over union of each image, tp / (tp + fp + fn); two empty masks score 1.

    The challenge's score is the mean of it over patches (https://challengedata.ens.fr/challenges/144).
    Parameters, returned tensor and errors as in `dice`.
    """
    return iou_from_counts(count_pixels(_as_mask(prediction), target))


def _as_mask(probabilities: Tensor) -> Tensor:
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError(
            "Expected probabilities or masks, 0 to 1, as the prediction, found "
            f"{probabilities.min().item():.3g} to {probabilities.max().item():.3g}. Are they logits? "
            "Take their sigmoid first."
        )
    return probabilities >= 0.5


def dice_from_counts(counts: Tensor) -> Tensor:
    """Dice of (..., 3) counts as `count_pixels` gives them; summed counts give Dice over all pixels."""
    tp, fp, fn = counts.unbind(-1)
    return ratio_or_one(2 * tp, 2 * tp + fp + fn)


def iou_from_counts(counts: Tensor) -> Tensor:
    """Intersection over union of (..., 3) counts as `count_pixels` gives them."""
    tp, fp, fn = counts.unbind(-1)
    return ratio_or_one(tp, tp + fp + fn)


def ratio_or_one(numerator: Tensor, denominator: Tensor) -> Tensor:
    """The ratio of two counts; 1 where the lower one is 0, since then there was nothing to get wrong."""
    return torch.where(denominator == 0, 1.0, numerator / denominator.clamp(min=1))


def summarise(counts: Tensor) -> dict[str, float]:
    """The two scores that the project reports, from the counts (N, 3) of many images: "dice" over all pixels
    of all images together, NaN where no image has a groove: one false pixel would decide between 0 and 1; and
    "mean_iou", the challenge's, the mean over images. ValueError : there is no image.
    """
    if len(counts) == 0:
        raise ValueError("No image was scored: the counts are empty.")
    # float64 and one fixed order: a mean of float32 would depend on how the sum is split.
    mean_iou = iou_from_counts(counts.double()).mean()
    tp, _, fn = total = counts.sum(0).double()
    dice_of_all = dice_from_counts(total).item() if tp + fn else math.nan
    return {"dice": dice_of_all, "mean_iou": mean_iou.item()}


def scores_per_well(counts: Tensor, names: Sequence[str]) -> pd.DataFrame:
    """`summarise` for each well apart: one row a well, with its number of patches. `counts` are (N, 3), as
    `count_pixels` gives them, `names` their N patch names."""
    if len(counts) != len(names):
        raise ValueError(f"Expected one name a patch, found {len(names)} names and {len(counts)} counts.")
    wells = torch.tensor([int(name.split("_")[1]) for name in names])
    parts = {well: counts[wells == well] for well in wells.unique().tolist()}
    rows = [{"well": well, "patches": len(part), **summarise(part)} for well, part in parts.items()]
    return pd.DataFrame(rows).set_index("well")
