# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 03 · Models, losses and evaluation score
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/03_Models_losses_&_evaluation_score.ipynb)
#
# Three things decide what a network learns and how we know: its architecture, its loss, its score. The notebook under
# review had a flaw in each.
#
# **You will learn** what the baseline U-Net looks like inside, why a loss should take logits, and how a Dice score goes
# wrong.
#
# **Review points** R3.4 and R3.5; R3.1 – R3.3, the comparisons of architectures and losses, are still open. The list of
# all points is in [notebooks/README.md](README.md).
#
# **Before:** [01 EDA](01_EDA.ipynb) · [02 Datasets, dataloaders, transforms](02_Datasets_dataloaders_transforms.ipynb) ·
# **Next:** [04 Baseline model](04_Baseline_model.ipynb)
#
# **Contents**
# 1. [The U-Net](#1-The-U-Net)
# 2. [The loss takes logits](#2-The-loss-takes-logits)
# 3. [The right Dice](#3-The-right-Dice)
# 4. [A score that stays on the device](#4-A-score-that-stays-on-the-device)

# %%
# Setup: in Colab, where only this notebook was opened, fetch the project around it, or update it.
import os
import subprocess
import sys

DATA = (
    ""  # folder of the challenge's files, e.g. "/content/drive/MyDrive/slb"; empty: see the README
)

if "google.colab" in sys.modules:
    project = "/content/corrosion-segmentation"
    url = "https://github.com/YOUR_ACCOUNT/corrosion-segmentation"
    clone = ["git", "clone", "--quiet", "--depth", "1", url, project]
    update = ["git", "-C", project, "pull", "--quiet", "--ff-only"]
    subprocess.run(update if os.path.isdir(project) else clone, check=True)
    os.chdir(f"{project}/notebooks")
sys.path.insert(0, os.path.abspath(".."))

from helpers.colab import open_notebook

data = open_notebook(DATA)

# %% tags=["nbval-ignore-output"]
import numpy as np
import pandas as pd
import torch
from torch import nn

from helpers import plots
from helpers.colab import print_versions
from helpers.config import Config
from helpers.dataset import data_preparation_pipeline
from helpers.inference import as_patches
from helpers.metrics import count_pixels, dice, iou, summarise
from helpers.models import build_model

print_versions()

# %%
config = Config()

# %% [markdown]
# ## 1 The U-Net
#
# A model lives in a module, and a notebook builds it by name. The baseline is the U-Net of the review: two poolings
# (36 → 18 → 9 pixels), dropout of 0.1 against over-fitting, logits at the end.

# %%
model = build_model("unet", dropout=config.dropout)
rows = [
    {"part": name, "parameters": sum(p.numel() for p in child.parameters())}
    for name, child in model.named_children()
]
pd.DataFrame(rows).set_index("part")

# %%
print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
for height, width in ((36, 36), (36, 72), (360, 36), (37, 41)):
    logits = model(torch.zeros(1, 1, height, width))
    print(f"{height} x {width} in, {logits.shape[2]} x {logits.shape[3]} out")

# %% [markdown]
# It takes any height and width, so that later it can look at more of a pipe than one patch.
#
# ## 2 The loss takes logits
#
# The baseline loss is binary cross-entropy out of the box, `nn.BCEWithLogitsLoss`. The notebook under review put a sigmoid
# into the model and `BCELoss` behind it. In float32 the sigmoid of a confident logit is exactly 1. For a confident mistake
# `BCELoss` then takes the logarithm of 0, which it cuts off at −100, and its gradient dies:

# %%
logits = torch.linspace(-10, 40, 201, requires_grad=True)
not_a_groove = torch.zeros_like(logits)
(through_sigmoid,) = torch.autograd.grad(
    nn.BCELoss(reduction="sum")(logits.sigmoid(), not_a_groove), logits
)
(on_logits,) = torch.autograd.grad(
    nn.BCEWithLogitsLoss(reduction="sum")(logits, not_a_groove), logits
)
gradients = pd.DataFrame(
    {"sigmoid, then BCELoss": through_sigmoid, "BCEWithLogitsLoss": on_logits},
    index=pd.Index(logits.detach().numpy(), name="logit of a pixel that is no groove"),
)
plots.show_curves(gradients, "gradient of the loss", "What a wrong pixel teaches")
gradients.iloc[[60, 100, 120, 200]].round(4)

# %% [markdown]
# Up to a logit of about 17 both agree. Beyond it, the more wrong the pixel, the less the first learns from it: nothing. On
# logits the gradient stays 1, as it should.
#
# ## 3 The right Dice
#
# *R3.4.* Dice is 2 · overlap / (sum of both areas). The notebook under review guarded against division by zero with an
# `eps` in the denominator alone. Four masks of four pixels, which one can check by hand:

# %%
target = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
prediction = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]])


def reviewed_dice(prediction, target, eps=1e-7):
    return 2 * (prediction * target).sum() / (prediction.sum() + target.sum() + eps)


pd.DataFrame(
    {
        "case": ["perfect", "half found", "missed", "no groove, none predicted"],
        "reviewed": [reviewed_dice(p, t).item() for p, t in zip(prediction, target, strict=True)],
        "dice": dice(prediction, target),
        "iou": iou(prediction, target),
    }
).round(3)

# %% [markdown]
# They differ in the last row. A patch without a groove in which none was predicted is perfect, and the challenge counts
# it as 1; the reviewed formula gives 0. A fifth of the patches have no groove.
#
# The other flaw is where the mean is taken. A Dice averaged over *batches* depends on how the patches fall into batches:

# %%
batches = {
    "one by one": [[0], [1], [2], [3]],
    "in pairs": [[0, 1], [2, 3]],
    "in other pairs": [[0, 2], [1, 3]],
    "all at once": [[0, 1, 2, 3]],
}
rows = []
for split in batches.values():
    reviewed = np.mean([reviewed_dice(prediction[b], target[b]).item() for b in split])
    ours = summarise(torch.cat([count_pixels(prediction[b], target[b]) for b in split]))
    rows.append({"reviewed, mean over batches": reviewed} | ours)
pd.DataFrame(rows, index=batches.keys()).round(3)

# %% [markdown]
# Same predictions, four different scores in the first column; the other two columns do not care. We report both: `dice`
# over all pixels, and `mean_iou`, the challenge's mean over patches.
#
# ## 4 A score that stays on the device
#
# *R3.5.* The reviewed score moved every batch to the CPU and into numpy. `count_pixels` leaves three whole numbers
# a patch on the device, and one transfer at the end of an epoch brings them over. They are exact, so two batch sizes give
# the same scores to the last digit:

# %%
prepared = data_preparation_pipeline(data.folder, config)
dataset = prepared.val.dataset
masks = dataset.masks.bool()
guess = dataset.images < -0.02  # no model: call every pixel of metal loss a groove
for batch_size in (1, 16, len(masks)):
    batches = zip(guess.split(batch_size), masks.split(batch_size), strict=True)
    scores = summarise(torch.cat([count_pixels(*batch) for batch in batches]))
    print(f"batches of {batch_size:4d}: dice {scores['dice']!r}, mean IoU {scores['mean_iou']!r}")

# %%
chosen = torch.arange(0, len(masks), len(masks) // 12)[:12]
plots.show_patches(
    as_patches(dataset.images[chosen]),
    [f"IoU {score:.2f}" for score in iou(guess[chosen], masks[chosen])],
    as_patches(masks[chosen]),
    as_patches(guess[chosen]),
)

# %% [markdown]
# This is what a threshold on the thickness alone is worth on the validation wells: it outlines every dip of the pipe's own
# pattern, and the noise. The model has to do better.
#
# **Next:** [04 Baseline model](04_Baseline_model.ipynb)
