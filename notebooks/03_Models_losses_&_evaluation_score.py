# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,jupyter,cellView
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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/03_Models_losses_&_evaluation_score.ipynb) · before: [02 Datasets, dataloaders, transforms](02_Datasets_dataloaders_transforms.ipynb) · next: [04 Baseline model](04_Baseline_model.ipynb) · [all notebooks](../README.md#start) · [review points](README.md) R3.1 – R3.5
#
# [Nine architectures](#1-Nine-architectures) · [The border of a patch](#2-The-border-of-a-patch) · [The loss takes logits](#3-The-loss-takes-logits) · [Six losses](#4-Six-losses) · [The right Dice](#5-The-right-Dice) · [More scores](#6-More-scores) · [A score that stays on the device](#7-A-score-that-stays-on-the-device) · [The comparison](#8-The-comparison)

# %% cellView="form" jupyter={"source_hidden": true}
# Setup: find this project around the notebook, nearest first; in Colab, else fetch it.
import os
import sys
from glob import glob

DATA = ""  # the folder of the challenge's files, e.g. "/content/drive/MyDrive/slb"; see the README
files = (f for d in "./ ../ */ ../../ */*/ ../../../ */*/*/".split() for f in glob(d + "py*.toml"))
found = next((f for f in files if '\nname = "corrosion-segmentation"\n' in open(f).read()), None)
git = "git clone --quiet --depth 1 https://github.com/YOUR_ACCOUNT/corrosion-segmentation"
assert found or "google.colab" in sys.modules and not os.system(git), "No project: unpack its zip."
sys.path.insert(0, os.path.abspath(os.path.dirname(found or "corrosion-segmentation/")))
from helpers.notebook import open_notebook

data = open_notebook(DATA)

# %% cellView="form" jupyter={"source_hidden": true}
import time

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from helpers import losses, metrics, models, plots
from helpers.config import Config
from helpers.data.dataset import data_preparation_pipeline
from helpers.models import blocks, unet
from helpers.notebook import print_versions, show_code

# %% cellView="form" jupyter={"source_hidden": true}
config = Config()
datasets, _ = data_preparation_pipeline(data.folder, config)
images, masks = datasets["val"].images / config.value_std, datasets["val"].masks.float()
well_9 = torch.tensor([name.startswith("well_9_") for name in datasets["val"].names])
deepest = torch.where(well_9, 0, -(images * masks).sum(dim=(1, 2, 3))).topk(4).indices
batches = [deepest, well_9.nonzero()[4:8, 0]]

truth = [masks[batch] for batch in batches]  # which is the prediction, too
old = [(2 * mask.sum() / (2 * mask.sum() + 1e-6)).item() for mask in truth]
new = metrics.summarise(torch.cat([metrics.count_pixels(mask, mask) for mask in truth]))["dice"]
plots.show_patches(
    images[torch.cat(batches), 0] * config.value_std,
    [f"batch {number}: {score:.2f}" for number, score in enumerate(old, 1) for _ in range(4)],
    torch.cat(truth)[:, 0],
    torch.cat(truth)[:, 0],
    columns=4,
    heading=f"All eight answers are right. The junior's Dice is {np.mean(old):.2f},\n"
    f"since his second batch has no groove; ours is {new:.2f}",
)

# %% [markdown]
# Network, loss and score can each be wrong, and no error message says so; whoever scores wrongly chooses the wrong network.
#
# This page takes them one by one: what stood in the first notebook, which *the junior* wrote, what went wrong, and what is done now. Then it compares
# networks and losses on wells that none of them has seen.
#
# ## 1 Nine architectures
#
# **Before** (R3.1). Three classes of networks stood in the notebook itself, and one of them was trained. Another, the Attention U-Net, had this at its lowest level:


# %%
class Bottleneck(nn.Module):
    """As the junior's works, in a few lines: two convolutions, dropout."""

    def __init__(self):
        super().__init__()
        self.conv3 = nn.Conv2d(32, 64, 3, padding=1)
        self.conv4 = nn.Conv2d(64, 64, 3, padding=1)
        self.dropout = nn.Dropout2d(0.3)

    def forward(self, e3):
        e3 = self.conv3(e3).relu()
        elif3 = self.conv4(e3).relu()  # noqa: F841
        return self.dropout(e3)


bottleneck = Bottleneck()
bottleneck(torch.rand(1, 32, 9, 9)).sum().backward()
{name: parameter.grad is not None for name, parameter in bottleneck.named_parameters()}

# %% [markdown]
# **What went wrong.** The second result gets a name that nobody reads. Nothing fails, but the network is shallower than it is drawn, and
# those weights never learn. They are not few:

# %%
junior = models.build_model("junior_attention_unet")
idle, total = (sum(p.numel() for p in part.parameters()) for part in (junior.bottleneck2, junior))
print(f"{idle:,} of {total:,} weights are idle: {idle / total:.0%}")

# %% [markdown]
# Two checks would have told: a linter (`ruff` calls it F841, a variable that is never used), and the gradients after one backward
# pass.
#
# **Now** each architecture is a module of its own in `helpers.models`, and a test asks every weight of every network for its gradient. The
# baseline in full:

# %%
show_code(blocks.conv_relu, blocks.double_conv, unet.UNet)

# %%
model = models.build_model("unet")
model(torch.rand(2, 1, 36, 36)).sum().backward()
assert all(parameter.grad is not None for parameter in model.parameters())
print(f"{sum(parameter.numel() for parameter in model.parameters()):,} parameters")

# %% [markdown]
# The junior declared a dropout of 0.5 in his U-Net, and then commented out its use. The review keeps a little, 0.1. In training, two answers to one image tell which is so:

# %%
for name in ("junior_unet", "unet"):
    model = models.build_model(name).train()
    with torch.no_grad():
        alike = torch.equal(model(images[:1]), model(images[:1]))
    print(f"{name}: {'the same answer twice' if alike else 'two answers: dropout works'}")

# %% [markdown]
# > **Take along:** after one backward pass every weight has a gradient. Make that a test.
#
# ### Six more
#
# The review names six more promising architectures (R3.3). With the three kinds that the junior had they are nine. A patch has 36 pixels a side and not 512, so most are smaller than published:
#
# | name | as published | here |
# |---|---|---|
# | `unet` | [U-Net](https://arxiv.org/abs/1505.04597): an encoder, a decoder, skips between | two poolings, padded convolutions |
# | `attention_unet` | [Attention U-Net](https://arxiv.org/abs/1804.03999): a gate on each skip | gates at the coarser resolution, as published |
# | `resunet` | [ResUNet](https://arxiv.org/abs/1711.10684): pre-activation residual blocks | three levels, not four |
# | `unet++` | [U-Net++](https://arxiv.org/abs/1807.10165): skips are networks themselves; deep supervision | three levels, not five |
# | `vgg16_unet` | a U-Net on the encoder of [VGG16](https://arxiv.org/abs/1409.1556) | its first three stages, with batch norm |
# | `ag_curesnest` | [AG-CUResNeSt](https://arxiv.org/abs/2105.00402): two coupled attention U-Nets, both supervised | ResNeSt-14 without its last two stages |
# | `vit` | [Vision Transformer](https://arxiv.org/abs/2010.11929) | ViT-Tiny, tokens of 4 x 4 pixels, a convolutional decoder |
# | `deit` | [DeiT](https://arxiv.org/abs/2012.12877): a second token learns a teacher's answers | the teacher is our U-Net, the answers are its masks |
# | `mask_rcnn` | [Mask R-CNN](https://arxiv.org/abs/1703.06870): finds each groove, its box and its mask | torchvision's, on a ResNet-18; the masks are merged |
#
# ![The nine architectures as drawings](pictures/architectures.svg)
#
# The junior's three are kept as they were: `junior_unet`, `junior_attention_unet`, `junior_resunet`. All start from random weights. (The last five of the table take `pretrained=True`,
# which downloads weights learned on photographs.) What they cost:

# %%
networks = {}
for name in [*models.ARCHITECTURES, *models.JUNIOR_ARCHITECTURES]:
    torch.manual_seed(config.seed)
    networks[name] = models.build_model(name).eval()
work = {}
for name, model in networks.items():
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 1, 36, 36))
    work[name] = sum(p.numel() for p in model.parameters()) / 1e6, counter.get_total_flops() / 2e6
pd.DataFrame(work, index=["parameters, M", "multiply-adds of a patch, M"]).T.round(2)

# %% [markdown]
# All take any height and width, so that later they can see more of a pipe than one patch:

# %%
for size in ((36, 36), (36, 72), (360, 36), (37, 41)):
    with torch.no_grad():
        assert all(
            model(torch.zeros(1, 1, *size)).shape[-2:] == size for model in networks.values()
        )

# %% [markdown]
# Before you compare networks, see whether each can learn anything at all. Four patches, learned by heart, take seconds:

# %% tags=["nbval-ignore-output"]
train_images = datasets["train"].images / config.value_std
train_masks = datasets["train"].masks.float()
few = (train_images * train_masks).sum(dim=(1, 2, 3)).argsort()[:4]  # the deepest grooves
curves = {}
for name in ("unet", "attention_unet", "resunet"):
    torch.manual_seed(config.seed)
    model = models.build_model(name)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    curves[name] = []
    for _ in range(60):
        logits = model(train_images[few])
        loss = losses.bce(logits, train_masks[few])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curves[name].append(metrics.dice(logits.sigmoid(), train_masks[few]).mean().item())
curves = pd.DataFrame(curves).rename_axis("step")
plots.show_curves(curves, "Dice of four patches", "Each network can learn four patches by heart")

# %% [markdown]
# > **Take along:** a network that cannot learn four patches by heart has an error. Look for it before you train on thousands; here a test asks it of each.
#
# ## 2 The border of a patch
#
# **Before.** A convolution needs values beyond the border, and took zeros. But a patch goes all around the pipe
# ([notebook 01](01_EDA.ipynb#7-From-patches-back-to-wells)): its last column meets its first. So when the pipe turns, the answer should turn along, and be the same otherwise.
# **Now** `azimuth="circular"` takes the missing neighbours from the other side:

# %%
show_code(blocks.PipeConv2d.forward)

# %%
image = images[deepest[:1]]
change = {}
for azimuth in ("zeros", "circular"):
    torch.manual_seed(config.seed)
    model = models.build_model("unet", azimuth=azimuth).eval()
    with torch.no_grad():
        difference = model(image.roll(8, dims=-1)) - model(image).roll(8, dims=-1)
    change[azimuth] = difference.abs().mean(dim=(0, 1, 2)).numpy()
plots.show_curves(
    pd.DataFrame(change).rename_axis("column"),
    "mean change of the logit",
    "Only with zero padding do logits change when the pipe turns by 8 columns",
)

# %% [markdown]
# **What went wrong.** With zeros the answer changes at the border, and where the border was before the turn. (With circular padding it is exact for turns by whole
# pooled pixels, four columns.)
#
# > **Take along:** what is round in the world is round in the padding. [Section 8](#Padding) shows what that gains.
#
# ## 3 The loss takes logits
#
# **Before** (R3.2). The model ended in a sigmoid, and `BCELoss` took its probabilities. In float32 the sigmoid of a confident logit is exactly 1. For a confident mistake
# the loss then takes the logarithm of 0. The review wants binary cross-entropy out of the box; **now** models return logits, and that is `BCEWithLogitsLoss`, which has the sigmoid inside:

# %%
logits = torch.linspace(-10, 40, 201, requires_grad=True)
not_a_groove = torch.zeros_like(logits)
before = nn.BCELoss(reduction="sum")(logits.sigmoid(), not_a_groove)
now = nn.BCEWithLogitsLoss(reduction="sum")(logits, not_a_groove)
gradients = {
    "sigmoid, then BCELoss": torch.autograd.grad(before, logits)[0],
    "BCEWithLogitsLoss": torch.autograd.grad(now, logits)[0],
}
gradients = pd.DataFrame(
    gradients, pd.Index(logits.tolist(), name="logit of a pixel that is no groove")
)
plots.show_curves(
    gradients, "gradient of the loss", "After a sigmoid, a confident mistake has no gradient"
)

# %% [markdown]
# **What went wrong.** The surer the model is of its mistake, the less it learns from it, and in the end nothing. On logits the gradient stays 1, as it should.
#
# > **Take along:** models return logits, losses take logits; a sigmoid is for looking and scoring.
#
# ## 4 Six losses
#
# **Before** (R3.2). Beside BCE the junior had two losses of his own, here on logits and with his default smoothing. His focal loss has a gamma of 0 by default, which focuses
# nothing; we give it 2:


# %%
def junior_dice_bce(logits, masks, smooth=1.0):
    p, t = logits.sigmoid().flatten(1), masks.flatten(1)
    overlap = (p * t).sum(1) + smooth
    dice = overlap / ((p**2).sum(1) + (t**2).sum(1) + smooth)
    return losses.bce(logits, masks) + (1 - dice).mean()


def junior_focal(logits, masks, gamma=2.0):
    mean = losses.bce(logits, masks)
    return (1 - torch.exp(-mean)) ** gamma * mean + mean


groove = torch.zeros(1, 1, 36, 36)
groove[..., 16:19] = 1
perfect = 20 * (2 * groove - 1)
for loss in (junior_dice_bce, junior_focal):
    print(f"{loss.__name__} of a perfect prediction: {loss(perfect, groove):.3f}")

# %% [markdown]
# **What went wrong.** A Dice is *twice* the overlap over both areas; the factor is missing, so the loss of a perfect prediction is about a half. And the focal factor is taken of the *mean* loss, one number for all pixels:
# hard pixels weigh no more than in BCE. **Now** each loss is a function in [`helpers/losses.py`](../helpers/losses.py), names its paper, and is tested against its definition:

# %%
show_code(losses.bce, losses.dice_bce, losses.focal)

# %%
generator = torch.Generator().manual_seed(config.seed)
learning = 4 * (2 * groove - 1) + 3 * torch.randn(groove.shape, generator=generator)
hardest = (learning * (2 * groove - 1)).flatten().argsort()[:130]


def share_of_hardest(loss):
    logits = learning.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits, groove), logits)
    return (gradient.abs().flatten()[hardest].sum() / gradient.abs().sum()).item()


pairs = {"bce": losses.bce, "junior's focal": junior_focal, "focal": losses.focal}
pairs |= {"junior's dice_bce": junior_dice_bce, "dice_bce": losses.dice_bce}
pd.DataFrame(
    {
        "loss of a perfect prediction": {k: f(perfect, groove).item() for k, f in pairs.items()},
        "gradient on the hardest tenth": {k: share_of_hardest(f) for k, f in pairs.items()},
    }
).round(3)

# %% [markdown]
# Tversky, Lovász hinge and soft IoU are what the field would add. What does each punish? First a groove that is missed, and then found more and more surely, while all else is
# right (soft IoU runs like Tversky):

# %%
SURE = 6.0
background = torch.full_like(groove, -SURE)
drawn = {name: loss for name, loss in losses.LOSSES.items() if name != "soft_iou"}


def show_costs(predictions, of_what, title):
    """Draw each loss of some predictions, relative to its loss where the groove is missed."""
    costs = {
        name: [(loss(p, groove) / loss(background, groove)).item() for p in predictions.values()]
        for name, loss in drawn.items()
    }
    costs = pd.DataFrame(costs, pd.Index(predictions, name=of_what))
    plots.show_curves(costs, "loss / loss of a missed groove", title)


show_costs(
    {z: torch.where(groove.bool(), z, background) for z in np.linspace(-SURE, SURE, 49)},
    "logit of the groove's pixels",
    "Tversky's loss is flat where a groove is missed entirely",
)

# %% [markdown]
# On flat ground there is no way down. A network that has come to miss all grooves gets almost no gradient from Tversky or soft IoU, and
# may stay there. Dice + BCE is not flat, since BCE is part of it.
#
# Then a groove that is predicted surely, but to one side:

# %%
show_costs(
    {float(k): torch.where(groove.roll(k, -1).bool(), SURE, background) for k in range(7)},
    "distance of the predicted groove, columns",
    "To BCE and focal a misplaced groove is twice as bad as a missed one",
)

# %% [markdown]
# To BCE, focal and Dice + BCE a groove beside its place is worse than none, so a model in doubt predicts none. To Tversky, soft IoU and Lovász it is no worse than a miss.
#
# > **Take along:** before you train with a loss, calculate it for a perfect, a missed and a misplaced answer.
#
# ## 5 The right Dice
#
# **Before** (R3.4). The junior's score, and the mean that he took of it:


# %%
def dice_coeff(prediction, target):
    mask = np.where(prediction >= 0.5, 1, 0)
    return 2 * np.sum(mask * target) / (np.sum(mask) + np.sum(target) + 1e-6)


target = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
prediction = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]])
cases = ["perfect", "half found", "missed", "no groove, none predicted"]
orders = {
    "one by one": [[0], [1], [2], [3]],
    "in pairs": [[0, 1], [2, 3]],
    "in other pairs": [[0, 2], [1, 3]],
    "all at once": [[0, 1, 2, 3]],
}
for order, split in orders.items():
    scores = [dice_coeff(prediction[batch].numpy(), target[batch].numpy()) for batch in split]
    print(f"{order:14s}: {np.mean(scores):.3f}")

# %% [markdown]
# **What went wrong**, twice. These are the same four answers, and how they fall into batches makes four scores of them. And `eps` stands below the line only, so two empty masks give 0: his last validation batch, of well 9,
# scored 0 in every epoch. The reviewer's corrected `dice` gives 0 there, too.
#
# **Now** whole numbers are counted for each patch; the division comes last:

# %%
show_code(metrics.count_pixels, metrics.dice_from_counts, metrics._ratio_or_one, metrics.summarise)

# %%
counts = metrics.count_pixels(prediction, target)
before = [dice_coeff(p.numpy(), t.numpy()) for p, t in zip(prediction, target, strict=True)]
of_cases = {"junior's": before, "dice": metrics.dice_from_counts(counts)}
pd.DataFrame(of_cases | {"iou": metrics.iou_from_counts(counts)}, index=cases).round(3)

# %%
for order, split in orders.items():
    counted = [metrics.count_pixels(prediction[batch], target[batch]) for batch in split]
    print(f"{order:14s}: {metrics.summarise(torch.cat(counted))}")

# %% [markdown]
# We report two scores: `dice` over all pixels, and `mean_iou`, the challenge's mean over patches. `metrics.dice` is the call for a batch of probabilities. The review's own
# example has the result that it has there:

# %%
preds = torch.tensor(
    [
        [0.85, 0.05, 0.05, 0.05],
        [0.05, 0.85, 0.05, 0.05],
        [0.05, 0.05, 0.85, 0.05],
        [0.05, 0.05, 0.05, 0.85],
    ]
)
target_one_hot = torch.eye(4)[[0, 1, 3, 2]]
metrics.dice(preds, target_one_hot), metrics.dice(preds, target_one_hot).mean()

# %% [markdown]
# A test compares it with torchmetrics, too.
#
# > **Take along:** count first, divide once, at the end; and decide what an empty mask scores.
#
# ## 6 More scores
#
# Labels are drawn by hand, a pixel off here or there. Precision and recall say which way a mask errs; the boundary F1 forgives one pixel. A groove of three columns in a patch of twelve:

# %%
truth = torch.zeros(5, 1, 12, 12, dtype=torch.bool)
truth[..., 4:7] = True
guesses = torch.zeros_like(truth)
looks = {
    "one column off": slice(5, 8),
    "two columns off": slice(6, 9),
    "a column too wide on each side": slice(3, 8),
    "only its middle column": slice(5, 6),
    "missed": slice(0, 0),
}
for guess, columns in zip(guesses, looks.values(), strict=True):
    guess[..., columns] = True
counts = metrics.count_pixels(guesses, truth)
pd.DataFrame(
    {
        "dice": metrics.dice(guesses, truth),
        "precision": metrics.precision_from_counts(counts),
        "recall": metrics.recall_from_counts(counts),
        "boundary F1": metrics.boundary_f1_from_counts(metrics.count_boundary(guesses, truth)),
    },
    index=looks,
).round(3)

# %% [markdown]
# One column off costs a third of the Dice of so thin a groove. So a Dice of 0.7 can mean that a groove was found, and drawn a pixel off; it can also mean that a third was missed. (Where nothing is predicted, precision
# is 1 by convention.)
#
# ## 7 A score that stays on the device
#
# **Before** (R3.5). For each batch prediction and mask went to the CPU and into numpy. **Now** `count_pixels` leaves three whole numbers a patch where the tensors are:


# %% tags=["nbval-ignore-output"]
device = "cuda" if torch.cuda.is_available() else "cpu"
probabilities = (images < -1).float().to(device)  # no network: all metal loss is called a groove
truth = masks.to(device)


def in_numpy(prediction, target):
    return dice_coeff(prediction.cpu().numpy().ravel(), target.cpu().numpy().ravel())


def on_device(prediction, target):
    return metrics.count_pixels(prediction >= 0.5, target.bool())


for score_batch in (in_numpy, on_device):
    start = time.perf_counter()
    for _ in range(20):
        results = [
            score_batch(*b) for b in zip(probabilities.split(16), truth.split(16), strict=True)
        ]
    if device == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    print(
        f"{score_batch.__name__:9s}: {seconds / (20 * len(truth)) * 1e6:.0f} microseconds a patch"
    )

# %% [markdown]
# Counting is faster even on a CPU. On a GPU (run this in Colab) something else is worse: each `.cpu()` makes it wait until all that was asked of it is done, in every batch. So counts are gathered, and fetched once an epoch.
#
# > **Take along:** inside an epoch nothing leaves the device: no `.cpu()`, no `.item()`, no numpy.
#
# ## 8 The comparison
#
# **Before** (R3.1 – R3.3). A report beside the notebook has one validation Dice for each network, 0.81, 0.76 and 0.55 for U-Net, Attention U-Net and ResUNet, under a split that leaks. It does not say of how many runs.
# With one run each, a lucky seed looks like a better network. **Now** they are trained on [draws of simulated wells](../docs/results.md#how-variants-are-compared): a draw's
# networks learn from the same wells, with hasty labels, and the clean truth of other wells judges. No test well is used. In each figure a line is a draw:


# %%
def gains(rows, than, score):
    """How much each variant gains over `than`: a row a draw, a column a variant."""
    table = rows.pivot(index="draw", columns="variant", values=score)
    return table.sub(table[than], axis=0).drop(columns=than)


def compare(rows, than, title):
    """Show each variant's gain, draw by draw, the best first, and return the means."""
    of_scores = {"Dice": gains(rows, than, "dice"), "mean IoU": gains(rows, than, "mean_iou")}
    order = of_scores["Dice"].mean().sort_values(ascending=False).index
    plots.show_draws(rows.set_index("variant").loc[[than, *order]].reset_index(), than, title)
    columns = {
        label: pd.DataFrame({"mean": gain.mean(), "gains in": (gain > 0).sum(), "of": gain.count()})
        for label, gain in of_scores.items()
    }
    return pd.concat(columns, axis=1).loc[order].round(3)


# %% [markdown]
# ### Architectures, all with BCE
#
# DeiT's teacher is the U-Net of the same draw; Mask R-CNN has a loss of its own. "Mended" uses the convolution that was idle (`experiments/networks.py`):

# %%
study = pd.read_csv("experiments/networks_simulated.csv")
compare(study, "unet", "What another network gains over the U-Net")

# %% [markdown]
# This study is not finished: only Mask R-CNN has three draws, the others here have one, and the transformers, AG-CUResNeSt and the junior's ResUNet none. One draw ranks nothing. So begin with the plain U-Net, and change it only for a network that gains in every draw.
#
# ### Losses
#
# The U-Net with each loss (`experiments/losses.py`):

# %%
study = pd.read_csv("experiments/losses_simulated.csv")
of_junior = study["variant"].str.contains(",")
compare(study[~of_junior], "bce", "Tversky and soft IoU lose all grooves in most draws")

# %%
if of_junior.any():  # the grid of his report: three networks by three losses
    grid = compare(
        study[of_junior], "junior_unet, bce", "The junior's networks and losses, on draws"
    )

# %% [markdown]
# With Tversky or soft IoU the network finds no groove at all in most draws (its mean IoU is not 0, since patches without a groove count as right); BCE, Dice + BCE and focal never fail so. By mean IoU, the challenge's score, Dice + BCE gains in every draw: the baseline keeps BCE, as reviewed, but for the challenge take Dice + BCE.
#
# The flat ground of section 4 fits that, but does not explain all: Lovász, which is not flat, fails once.
#
# ### Padding
#
# The U-Net with the paddings of section 2 (`experiments/augmentation.py`); with "rows reflected" the border rows are mirrored, too:

# %%
study = pd.read_csv("experiments/augmentation_simulated.csv")
paddings = study["variant"].str.contains("padding") | (study["variant"] == "flips")
compare(study[paddings], "flips", "Padding around the pipe gains in most draws")

# %% [markdown]
# Circular padding gains in most draws, though little. The baseline keeps zeros, as reviewed; your own network should know that the pipe is round, as the networks for [whole wells](07_Whole_wells.ipynb) do.
#
# > **Take along:** change one thing, keep wells and seed, repeat it on new wells; only then say "better".
#
# ## What we now know
#
# - After one backward pass every weight has a gradient; four patches can be learned by heart. Two checks of seconds find most errors of a network.
# - Models return logits. A loss that is flat where everything is missed can lose the network for good.
# - Count pixels on the device, and divide once. A mean over batches depends on the batches.
# - Begin with a plain U-Net and BCE or Dice + BCE. Change it for what gains on several draws of wells, not for what is newer.
#
# ## Exercises
#
# 1. Add an architecture of yours ([how](../docs/house.md#add-an-architecture-or-a-loss)), name it in `NAMES` of `experiments/networks.py`, and run
#    `.venv/bin/python experiments/networks.py --variants unet <yours> --draws 0 --output runs/mine.csv`.
# 2. Let Tversky's loss start where BCE is after a while: write `tversky_bce` into `helpers/losses.py`, the sum of both, as `dice_bce` does, name it in `LOSSES` there and in `experiments/losses.py`, and run that with
#    `--variants bce tversky_bce --draws 0 --output runs/mine.csv`. Does it find grooves?
# 3. Count a patch with two empty masks as 0 instead of 1 (`_ratio_or_one`). How does `mean_iou` change in section 5, and why does `dice` not?
#
# **Next:** [04 Baseline model](04_Baseline_model.ipynb) · [the list of all review points](README.md)

# %% tags=["nbval-ignore-output"]
print_versions()
