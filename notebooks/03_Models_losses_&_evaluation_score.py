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
#
# The score is *Dice*: twice the overlap of two masks, over the sum of both areas. All eight predictions in the first picture are perfect, and yet the junior's score gives them one half: four of them, a
# batch without a groove, count as nothing. Network, loss and score can each be wrong, and no error message says so.

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
import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch.utils.flop_counter import FlopCounterMode
from torchmetrics.functional.classification import binary_f1_score

from helpers import losses, metrics, models, plots
from helpers.config import Config
from helpers.data.dataset import data_preparation_pipeline
from helpers.models import blocks, unet
from helpers.notebook import print_versions, show_code
from helpers.training import evaluate, runs, train

# %% cellView="form" jupyter={"source_hidden": true}
config = Config()
datasets, loaders = data_preparation_pipeline(data.folder, config)
images = datasets["val"].images / config.value_std
masks = datasets["val"].masks.float()
deepest = -(images * masks).sum(dim=(1, 2, 3))
batches = [deepest.topk(4).indices, torch.arange(len(masks))[-10:-6]]  # of well 3; of well 9

old = [(2 * masks[b].sum() / (2 * masks[b].sum() + 1e-6)).item() for b in batches]
shown = torch.cat(batches)
new = metrics.summarise(metrics.count_pixels(masks[shown], masks[shown]))["dice"]
plots.show_patches(
    datasets["val"].images[shown, 0],
    [f"batch {number}: {score:.2f}" for number, score in enumerate(old, 1) for _ in range(4)],
    masks[shown, 0],
    masks[shown, 0],  # the predictions: just as the labels
    columns=4,
    heading=f"All eight answers are perfect. The junior's Dice is {np.mean(old):.2f},\n"
    f"since his second batch has no groove; ours is {new:.2f}",
)

# %% [markdown]
# *The junior* wrote the first notebook, *the reviewer* the points.
#
# ## 1 Nine architectures
#
# A *U-Net* has two halves. Its *encoder* shrinks the image step by step (*pooling*), and so sees ever more of it, more coarsely, down to the *bottleneck*. Its *decoder* leads back to
# pixels, and *skips* bring it the detail. Out comes a *logit* for each pixel: above 0 it says groove, and a *sigmoid* makes a probability of it. *Dropout* sets values to zero
# at random in training.
#
# **Before** (R3.1). Three networks stood in the notebook itself, and one was trained. Another, the Attention U-Net, had this as its bottleneck:


# %%
class Bottleneck(torch.nn.Module):
    """As the junior's works, in a few lines: two convolutions, dropout."""

    def __init__(self):
        super().__init__()
        self.conv3 = torch.nn.Conv2d(32, 64, 3, padding=1)
        self.conv4 = torch.nn.Conv2d(64, 64, 3, padding=1)
        self.dropout = torch.nn.Dropout2d(0.3)

    def forward(self, e3):
        e3 = self.conv3(e3).relu()
        elif3 = self.conv4(e3).relu()  # noqa: F841
        return self.dropout(e3)


bottleneck = Bottleneck()
bottleneck(torch.rand(1, 32, 9, 9)).sum().backward()
{name: parameter.grad is not None for name, parameter in bottleneck.named_parameters()}

# %% [markdown]
# **What went wrong.** The second result gets a name that nobody reads. Nothing fails, but its weights never learn:

# %%
junior = models.build_model("junior_attention_unet")
idle, total = (sum(p.numel() for p in part.parameters()) for part in (junior.bottleneck2, junior))
print(f"{idle:,} of {total:,} weights are idle: {idle / total:.0%}")

# %% [markdown]
# **Now** each architecture is a module in `helpers.models`, a linter finds unused names (F841), and a test asks each weight for its gradient. The baseline in full:

# %%
show_code(blocks.conv_relu, blocks.double_conv, unet.UNet)

# %% [markdown]
# `PipeConv2d` is a 3 x 3 convolution (section 2), `pad_to_multiple` adds pixels until both poolings divide evenly, and `stack` joins a skip to what comes up.

# %%
model = models.build_model("unet")
model(torch.rand(2, 1, 36, 36)).sum().backward()
assert all(parameter.grad is not None for parameter in model.parameters())
print(f"{sum(parameter.numel() for parameter in model.parameters()):,} parameters")

# %% [markdown]
# The junior's dropout of 0.5 is set up, but the line that uses it is commented out. The review keeps 0.1. If it works, two answers to one image differ in training:

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
# The review names six more promising architectures (R3.3); with the junior's three kinds they are nine. [Section 8](#Architectures,-all-with-BCE) says what they are worth.
#
# ![The nine architectures as drawings](pictures/architectures.svg)
#
# A patch is small, so most are smaller here than published:
#
# | name | idea | here |
# |---|---|---|
# | [`unet`](https://arxiv.org/abs/1505.04597) | encoder, decoder, skips between them | two poolings, padded convolutions |
# | [`attention_unet`](https://arxiv.org/abs/1804.03999) | a *gate* on each skip weighs it pixel by pixel | as published, two poolings |
# | [`resunet`](https://arxiv.org/abs/1711.10684) | *residual* blocks add their result to their input; *batch norm* gives each channel the same mean and spread | three levels, not four |
# | [`unet++`](https://arxiv.org/abs/1807.10165) | skips are networks themselves; by *deep supervision* inner masks are compared with the label, too | three levels, not five |
# | `vgg16_unet` | the encoder is [VGG16](https://arxiv.org/abs/1409.1556), which was made for photographs | its first three stages, with batch norm |
# | [`ag_curesnest`](https://arxiv.org/abs/2105.00402) | two coupled U-Nets with gates; residual encoders that weigh groups of channels | ResNeSt-14 without its last two stages |
# | [`vit`](https://arxiv.org/abs/2010.11929) | no convolutions: each *token*, a small square of the image as a vector, looks at all others (*attention*) | ViT-Tiny, tokens of 4 x 4 pixels, a convolutional decoder |
# | [`deit`](https://arxiv.org/abs/2012.12877) | a ViT whose second head learns the masks of a *teacher*, a trained network | the teacher is our U-Net |
# | [`mask_rcnn`](https://arxiv.org/abs/1703.06870) | finds a box for each groove, then the mask in the box | torchvision's, on a ResNet-18; the masks are merged |
#
# The junior's three are kept as they were: `junior_unet`, `junior_attention_unet`, `junior_resunet`. All start from random weights:

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
# Can each learn at all? Two patches, learned by heart, take seconds:

# %% tags=["nbval-ignore-output"]
few = -(datasets["train"].images * datasets["train"].masks).sum(dim=(1, 2, 3))
few = few.topk(2).indices  # the deepest grooves
two_images = datasets["train"].images[few] / config.value_std
two_masks = datasets["train"].masks[few].float()


def learn_by_heart(model, loss_fn, steps, enough=1.0):
    """The mean Dice of the two patches after every five steps, until it is enough."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scores = pd.Series(dtype=float)
    for step in range(1, steps + 1):
        loss = loss_fn(model.train()(two_images), two_masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 5 == 0:
            with torch.no_grad():
                found = model.eval()(two_images).sigmoid()
            scores[step] = metrics.dice(found, two_masks).mean().item()
            if scores[step] > enough:
                break
    return scores


curves = {}
for name in models.ARCHITECTURES:
    # Mask R-CNN and DeiT bring a loss of their own; deeply supervised networks give several masks
    loss_fn = getattr(networks[name], "training_loss", losses.over_outputs(losses.bce))
    curves[name] = learn_by_heart(networks[name], loss_fn, 100, enough=0.9)

# %% cellView="form" jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
passed = {name: scores.index[-1] for name, scores in curves.items() if scores.iloc[-1] > 0.9}
figure, (left, right) = plots.plt.subplots(1, 2, figsize=(9, 3.2), width_ratios=(2, 1))
left.barh(list(passed), list(passed.values()))
left.invert_yaxis()
left.set(xlabel="steps until the Dice is above 0.9")
right.plot(curves["mask_rcnn"], "o-", markersize=4)
right.set(
    title="on the way: mask_rcnn", xlabel="step", ylabel="Dice of two patches", ylim=(-0.03, 1)
)
figure.suptitle(f"{len(passed)} of {len(curves)} networks learn two patches by heart", fontsize=11)
plots.plt.show()

# %% [markdown]
# A Dice of zero on the way (right) is no error: at first "no groove" is the safest answer.
#
# > **Take along:** a network that cannot learn two patches by heart has an error. Find it before you train on thousands.
#
# ## 2 The border of a patch
#
# **Before.** Beyond the border a convolution took zeros. But a patch goes all around the pipe
# ([notebook 01](01_EDA.ipynb#7-From-patches-back-to-wells)), so when the pipe turns, the answer should turn along.
# **Now** `azimuth="circular"` takes the missing neighbours from the other side:

# %%
show_code(blocks.PipeConv2d.forward)

# %% [markdown]
# Two U-Nets learn for a few epochs, and answer one patch while the pipe turns:

# %%
epochs = 4 if data.simulated else 2  # the real wells have ten times as many patches
image, mask = images[batches[0][:1]], masks[batches[0][:1]]
middle = int(mask[0, 0].any(dim=0).nonzero().float().mean())
turns = [turn - middle for turn in (-12, -4, 0, 4)]  # in the third the groove is at the border
turned, label = (torch.cat([part.roll(turn, dims=-1) for turn in turns]) for part in (image, mask))
found, titles = [], []
for azimuth in ("zeros", "circular"):
    run = runs.unsaved_run("unet", config, azimuth=azimuth)
    for _ in train(run, loaders["train"], epochs):
        pass
    with torch.inference_mode():
        found.append(run.model.eval()(turned.to(run.device)).cpu() > 0)
    counts = [metrics.count_pixels(*pair) for pair in zip(found[-1], label, strict=True)]
    titles += [f"{azimuth}: Dice {metrics.summarise(c)['dice']:.2f}" for c in counts]
plots.show_patches(
    (turned * config.value_std)[:, 0].repeat(2, 1, 1),
    titles,
    label[:, 0].repeat(2, 1, 1),
    torch.cat(found)[:, 0],
    columns=4,
    heading="The pipe turns: with zeros the answer changes, circular it turns along",
)

# %% [markdown]
# **What went wrong.** With zeros the answer changes at the border, and where the border was. With circular padding it stays, for turns by whole pooled pixels, four columns each.
#
# > **Take along:** what is round in the world is round in the padding. [Section 8](#Padding) shows what that is worth.
#
# ## 3 The loss takes logits
#
# **Before** (R3.2). The model ended in a sigmoid, and `BCELoss` took its probabilities. The loss, *binary cross-entropy* (BCE), is minus the logarithm of the truth's probability. In float32 the
# sigmoid of a large logit is exactly 1, and a confident mistake costs minus the logarithm of 0, which PyTorch cuts at 100. **Now** models return logits, and the loss out of the box is `BCEWithLogitsLoss`, which has the sigmoid inside:

# %%
logits = torch.linspace(-10, 40, 201, requires_grad=True)
not_a_groove = torch.zeros_like(logits)
before = torch.nn.BCELoss(reduction="sum")(logits.sigmoid(), not_a_groove)
now = torch.nn.BCEWithLogitsLoss(reduction="sum")(logits, not_a_groove)
gradients = {
    "sigmoid, then BCELoss": torch.autograd.grad(before, logits)[0],
    "BCEWithLogitsLoss": torch.autograd.grad(now, logits)[0],
}
gradients = pd.DataFrame(
    gradients, pd.Index(logits.tolist(), name="logit of a pixel that is no groove")
)
plots.show_curves(
    gradients, "gradient of the loss", "After a sigmoid, the surest mistakes have no gradient"
)

# %% [markdown]
# **What went wrong.** Up to a logit of about 17 both learn alike. Beyond it the gradient drops to 0: the surest mistakes are never mended. On logits it stays 1.
#
# > **Take along:** models return logits, losses take logits; a sigmoid is for looking and scoring.
#
# ## 4 Six losses
#
# **Before** (R3.2). The junior had two losses of his own. Here they take logits:


# %%
def junior_dice_bce(logits, masks, smooth=1.0):
    p, t = logits.sigmoid().flatten(1), masks.flatten(1)
    overlap = (p * t).sum(1) + smooth
    dice = overlap / ((p**2).sum(1) + (t**2).sum(1) + smooth)
    return losses.bce(logits, masks) + (1 - dice).mean()


def junior_focal(logits, masks, gamma=0):
    mean = losses.bce(logits, masks)
    return (1 - torch.exp(-mean)) ** gamma * mean + mean


groove = torch.zeros(1, 1, 36, 36)
groove[..., 16:19] = 1
perfect = 20 * (2 * groove - 1)  # logits
for loss in (junior_dice_bce, losses.dice_bce):
    print(f"{loss.__name__} of a perfect prediction: {loss(perfect, groove):.3f}")

# %% [markdown]
# **What went wrong.** A Dice is *twice* the overlap over both areas; the factor is missing, so the loss of a perfect prediction is about a half.
#
# And the focal loss does not focus. It should weigh a pixel more, the worse its answer. With gamma 0, the junior's default, it is BCE twice over. A greater gamma would not help: its factor is one number,
# made of the *mean* loss, so the hardest tenth of the pixels has no greater share in the gradient:

# %%
# Logits of a network half way: right on average, with noise; the hardest tenth are 130 of 1,296 pixels
generator = torch.Generator().manual_seed(config.seed)
learning = 4 * (2 * groove - 1) + 3 * torch.randn(groove.shape, generator=generator)
hardest = (learning * (2 * groove - 1)).flatten().argsort()[:130]


def share_of_hardest(loss):
    logits = learning.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits, groove), logits)
    return (gradient.abs().flatten()[hardest].sum() / gradient.abs().sum()).item()


of_pixels = {
    "BCE": losses.bce,
    "the junior's focal, gamma 0": junior_focal,
    "the junior's focal, gamma 2": lambda logits, masks: junior_focal(logits, masks, gamma=2),
    "focal, gamma 2": losses.focal,
}
shares = {name: share_of_hardest(loss) for name, loss in of_pixels.items()}
pd.DataFrame({"gradient from the hardest tenth": shares}).round(3)

# %% [markdown]
# **Now** each loss is a function in [`helpers/losses.py`](../helpers/losses.py), and is tested against its paper:

# %%
show_code(losses.bce, losses.dice_bce, losses.focal)

# %% [markdown]
# (`split_known` sets aside pixels of unknown label.)
#
# Three more losses are of the overlap; tp, fp and fn (true positive …) sum probabilities over right, false and missed pixels.
#
# - *Soft IoU*: `1 - tp / (tp + fp + fn)`, the challenge's score made smooth.
# - *Tversky*: `1 - tp / (tp + 0.3 * fp + 0.7 * fn)`, so a missed pixel costs more than a false one.
# - *Lovász hinge*: the IoU of masks, interpolated between them by the logits' errors; each logit is to be right by 1.
#
# What does each loss punish? First a groove that is missed, then found more and more surely:

# %%
SURE = 6.0
background = torch.full_like(groove, -SURE)
KINDS = {
    "with BCE": ["bce", "focal", "dice_bce"],
    "overlap alone": ["tversky", "soft_iou", "lovasz"],
}


def show_losses(curves, xlabel, ylabel, title):
    """Two panels of losses; thick lines lie below thin ones, so that equal curves are seen."""
    figure, axes = plots.plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
    for axis, (kind, names) in zip(axes, KINDS.items(), strict=True):
        for name, width, style in zip(names, (6, 2.5, 2.5), ("-", "-", "--"), strict=True):
            axis.plot(curves[name], style, linewidth=width, label=name)
        axis.set(title=kind, xlabel=xlabel)
        axis.legend()
    axes[0].set_ylabel(ylabel)
    figure.suptitle(title, fontsize=11)
    plots.plt.show()


def costs_of(predictions):
    """Each loss of some predictions, over its loss where the groove is missed."""
    return {
        name: pd.Series({x: (loss(p, groove) / loss(background, groove)).item()
                         for x, p in predictions.items()})
        for name, loss in losses.LOSSES.items()
    }  # fmt: skip


COST = "loss / loss of a missed groove"
surer = {z: torch.where(groove.bool(), z, background) for z in np.linspace(-SURE, SURE, 49)}
show_losses(
    costs_of(surer),
    "logit of the groove's pixels",
    COST,
    "Where a groove is missed surely, Tversky and soft IoU are flat",
)

# %% [markdown]
# A network that misses all grooves gets almost no gradient from Tversky or soft IoU, and may stay there. Then a groove that is predicted surely, but to one side:

# %%
aside = {k: torch.where(groove.roll(k, -1).bool(), SURE, background) for k in range(7)}
show_losses(
    costs_of(aside),
    "distance of the predicted groove, columns",
    COST,
    "To BCE and focal a misplaced groove is twice as bad as a missed one",
)

# %% [markdown]
# To the losses on the left a groove three columns aside costs more than none, so in doubt it is cheaper to predict none. To those on the right it costs no more than a miss.
#
# A U-Net learns two patches with each:

# %% tags=["nbval-ignore-output"]
by_loss = {}
for name, loss in losses.LOSSES.items():
    torch.manual_seed(config.seed)
    by_loss[name] = learn_by_heart(models.build_model("unet"), loss, 40)
show_losses(
    by_loss, "step", "Dice of two patches", "Tversky and soft IoU learn two patches last (one seed)"
)

# %% [markdown]
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
# **What went wrong**, twice. The same four answers get four scores, by how they fall into batches. And the `1e-6` is added to the denominator only, so two empty masks give 0: his last validation batch,
# of well 9, which has no groove, scored 0 in every epoch. The reviewer's corrected `dice` gives 0 there, too.
#
# **Now** whole numbers are counted for each patch; the division comes last:

# %%
show_code(metrics.count_pixels, metrics.dice_from_counts, metrics.ratio_or_one, metrics.summarise)

# %%
counts = metrics.count_pixels(prediction, target)
before = [dice_coeff(p.numpy(), t.numpy()) for p, t in zip(prediction, target, strict=True)]
of_cases = {"junior's": before, "dice": metrics.dice_from_counts(counts)}
pd.DataFrame(of_cases | {"iou": metrics.iou_from_counts(counts)}, index=cases).round(3)

# %%
for order, split in orders.items():
    counted = [metrics.count_pixels(prediction[batch], target[batch]) for batch in split]
    score = metrics.summarise(torch.cat(counted))
    print(f"{order:14s}: dice {score['dice']:.3f}, mean IoU {score['mean_iou']:.3f}")
print(f"torchmetrics  : dice {binary_f1_score(prediction.flatten(), target.flatten()):.3f}")

# %% [markdown]
# We report `dice` over all pixels, with which torchmetrics agrees, and `mean_iou`, the challenge's mean over patches. `metrics.dice` takes a batch of probabilities; the reviewer's example gives 0.5 again:

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
# > **Take along:** count first, divide once, at the end; and decide what an empty mask scores.
#
# ## 6 More scores
#
# Labels are drawn by hand, a pixel off here or there. *Precision* is the share of predicted pixels that are right, *recall* that of true pixels that are found; *boundary F1* compares
# outlines only, and forgives one pixel:

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


def widened(masks):
    return torch.nn.functional.max_pool2d(masks, 3, stride=1, padding=1)


def boundary_f1(*masks):
    """Boundary pixels count as found within a row or column (Csurka et al. 2013, section 3)."""
    # A boundary is what erosion takes from a mask
    ours, theirs = (mask.float() + widened(-mask.float()) for mask in masks)
    precision = (ours * widened(theirs)).sum((1, 2, 3)) / ours.sum((1, 2, 3)).clamp(min=1)
    recall = (theirs * widened(ours)).sum((1, 2, 3)) / theirs.sum((1, 2, 3)).clamp(min=1)
    return 2 * precision * recall / (precision + recall).clamp(min=1e-12)


tp, fp, fn = metrics.count_pixels(guesses, truth).T
pd.DataFrame(
    {
        "dice": metrics.dice(guesses, truth),
        "precision": metrics.ratio_or_one(tp, tp + fp),
        "recall": metrics.ratio_or_one(tp, tp + fn),
        "boundary F1": boundary_f1(guesses, truth),
    },
    index=looks,
).round(3)

# %% [markdown]
# One column off costs a third of the Dice of so thin a groove. So a Dice of 0.7 can be a groove drawn a pixel off, or one of which nearly half was missed.
#
# Boundary F1 forgives too much in the fourth row, where two thirds of the groove are missing; and precision is 1 where nothing is predicted. Read both beside the recall.
#
# ## 7 A score that stays on the device
#
# **Before** (R3.5). For each batch prediction and mask went to the CPU and into numpy. **Now** `count_pixels` leaves whole numbers where the tensors are, and they are fetched once an epoch:


# %%
device = "cuda" if torch.cuda.is_available() else "cpu"
probabilities = (images < -1).float().to(device)  # no network: all metal loss is called a groove
on_device = [*zip(probabilities.split(16), masks.to(device).split(16), strict=True)]


fetched = []


def fetch(tensor):
    """To the CPU, and remembered."""
    fetched.append(tensor)
    return tensor.cpu()


def before():
    return np.mean([dice_coeff(fetch(p).numpy(), fetch(t).numpy()) for p, t in on_device])


def now():
    counts = [metrics.count_pixels(p >= 0.5, t.bool()) for p, t in on_device]
    return metrics.summarise(fetch(torch.cat(counts)))


for score in (before, now):
    fetched.clear()
    score()
    print(f"{score.__name__:6s}: {len(on_device)} batches, tensors fetched: {len(fetched)}")

# %% [markdown]
# **What went wrong.** A program gives a GPU its work and runs ahead; at each `.cpu()` it waits until all is done. So it does at an `if` on a tensor: hence `t.bool()` above, else `count_pixels` asks whether
# masks are 0 and 1. On a CPU nothing waits; on a GPU `torch.cuda.set_sync_debug_mode("warn")` names each line that does.
#
# > **Take along:** inside an epoch nothing leaves the device without need: no `.cpu()`, no `.item()`, no `if` on a tensor, no numpy.
#
# ## 8 The comparison
#
# **Before** (R3.1 – R3.3). A report beside the notebook has one validation Dice for each network, under a split that leaks, and does not say of how many runs. With one each, a lucky seed looks like a better network:

# %%
ways = {
    "U-Net": ("unet", "bce"),
    "Attention U-Net": ("attention_unet", "bce"),
    "ResUNet": ("resunet", "bce"),
}
ways |= {"U-Net, Dice + BCE": ("unet", "dice_bce"), "U-Net, focal": ("unet", "focal")}
curves = pd.DataFrame(
    index=pd.RangeIndex(1, epochs + 1, name="epoch"), columns=list(ways), dtype=float
)
for name, (network, loss) in ways.items():
    run = runs.unsaved_run(network, config, loss)
    for row in train(run, loaders["train"], epochs):
        counts = evaluate(run.model, loaders["val"], run.loss_fn)[1]
        curves.loc[row["epoch"], name] = metrics.summarise(counts)["dice"]
plots.show_curves(
    curves, "Dice on wells 3 and 9", "One run each: stopped elsewhere, another is best"
)

# %% [markdown]
# **Now** they are compared on [draws](../docs/results.md#how-variants-are-compared): new simulated wells to learn from, with hasty labels, others to be judged by, whose truth is known, and a seed. All
# variants of a draw share these. In the figures orange is the mean of the draws, with its 95 % interval; their number stands in brackets.
#
# A variant **gains** or **loses** if the interval leaves zero out. It does so **probably** if nearly all draws have the mean's sign: six of six, or ten of twelve. Chance alone does that less than one time in twenty.
# All else is **open**: these draws cannot tell.


# %%
def verdict(gain, half):
    """What we call the gains of a variant, one a draw, with the half-width of their mean's interval."""
    way = "gains" if gain.mean() > 0 else "loses"
    if abs(gain.mean()) > half:
        return way
    same = int((np.sign(gain) == np.sign(gain.mean())).sum())
    chance = stats.binomtest(same, len(gain), alternative="greater").pvalue  # 0.025 on each side
    return f"probably {way}" if chance < 0.025 else "open"


def compare(rows, than, title):
    """Show how much each variant gains over `than`, draw by draw, and return a table, best first.

    In the title {gain} is how many of {of} variants gain by Dice, {draws} how often they were trained.
    """
    tables = {}
    for label, score in {"Dice": "dice", "mean IoU": "mean_iou"}.items():
        table = rows.pivot(index="draw", columns="variant", values=score)
        gains = table.sub(table[than], axis=0).drop(columns=than)
        count = gains.count()
        half = gains.sem().where(count > 2) * stats.t.ppf(0.975, count - 1)  # Student's, 95 %
        up = (gains > 0).sum().astype(str) + " of " + count.astype(str)
        so = [verdict(gains[name].dropna(), half[name]) for name in gains]
        parts = {"mean": gains.mean().round(3), "±": half.round(3), "better in": up, "verdict": so}
        tables[label] = pd.DataFrame(parts)
    order = tables["Dice"]["mean"].sort_values(ascending=False).index
    gain, draws = (tables["Dice"]["verdict"] == "gains").sum(), sorted(set(count))
    draws = " to ".join(str(n) for n in (draws[0], draws[-1])[: len(draws)])
    title = title.format(gain=gain, of=len(order), draws=draws)
    plots.show_draws(rows.set_index("variant").loc[[than, *order]].reset_index(), than, title)
    return pd.concat(tables, axis=1).loc[order]


# %% [markdown]
# ### Architectures, all with BCE
#
# Mask R-CNN and DeiT have losses of their own. In the row "mended" the junior's idle convolution is used (`experiments/networks.py`):

# %%
study = pd.read_csv("experiments/networks_simulated.csv")
compare(study, "unet", "Shown to gain over the U-Net: {gain} of {of} networks, on {draws} draws")

# %% [markdown]
# VGG16-U-Net, ResUNet and AG-CUResNeSt are a little better in each draw. But on three folds of real wells the first two agreed less with the labels than the U-Net did in two ([results](../docs/results.md#how-variants-are-compared)). ViT and DeiT are far behind, the junior's Attention U-Net somewhat, less so when mended; the papers of the former begin with weights that have learned from photographs.
#
# ### Losses
#
# The U-Net with each loss (`experiments/losses.py`):

# %%
with_bce, study = study, pd.read_csv("experiments/losses_simulated.csv")
alone = ~study["variant"].str.contains(",")
compare(study[alone], "bce", "Tversky and soft IoU lose all grooves in most draws")

# %% [markdown]
# With Tversky or soft IoU the network finds no groove in most draws; patches without one keep its mean IoU above 0. BCE and Dice + BCE never fail so. That fits section 4, where these two
# are flat; but focal and Lovász, which are not, fail, too: once and twice.
#
# On the real wells Dice + BCE was level with BCE ([results](../docs/results.md#how-variants-are-compared)). Here it gains, most by mean IoU, the challenge's score. So try it for the challenge; the baseline keeps BCE.
#
# The junior's report has his three networks by three losses. What they gain over BCE, by mean IoU:

# %%
of_his = pd.concat([with_bce.assign(variant=with_bce["variant"] + ", bce"), study])
of_his[["network", "loss"]] = of_his["variant"].str.extract(r"^(junior_\w+), (\w+)$")
grid = of_his.pivot_table("mean_iou", ["network", "draw"], "loss")
gains = grid.sub(grid["bce"], axis=0).drop(columns="bce")
gains.groupby("network").agg(["mean", "min", "count"]).round(3)

# %% [markdown]
# Dice + BCE is ahead here, too, in each draw.
#
# ### Padding
#
# The U-Net with the paddings of section 2 (`experiments/augmentation.py`):

# %%
study = pd.read_csv("experiments/augmentation_simulated.csv")
paddings = study["variant"].isin(["flips", "flips, circular padding"])
compare(study[paddings], "flips", "Padding around the pipe probably gains: in ten of twelve draws")

# %% [markdown]
# Circular padding *probably* gains: ten draws of twelve agree. By mean IoU it is open. On three folds of real wells it agreed better with their labels each time
# ([results](../docs/results.md#how-variants-are-compared)). The baseline keeps zeros, the network for [whole wells](07_Whole_wells.ipynb) does not.
#
# > **Take along:** change one thing, keep wells and seed, repeat it on new wells; only then say "better".
#
# ## What we now know
#
# - Two checks take seconds: every weight has a gradient, and two patches can be learned by heart.
# - A loss that is flat where all is missed can lose the network for good.
# - Count pixels on the device, and divide once.
# - Begin with a plain U-Net and BCE. Change it for what gains on several draws, not for what is newer.
#
# ## Exercises
#
# 1. Add an architecture of yours ([how](../docs/house.md#add-an-architecture-or-a-loss)), name it in `NAMES` of `experiments/networks.py`, and run
#    `.venv/bin/python experiments/networks.py --variants unet <yours> --draws 0 --output runs/mine.csv`.
# 2. Write `tversky_bce` into `helpers/losses.py`, the sum of both, as `dice_bce` does, name it in `LOSSES` there and in `experiments/losses.py`, and run that with
#    `--variants bce tversky_bce --draws 0 --output runs/mine.csv`. Does it find grooves?
# 3. Count two empty masks as 0 (`ratio_or_one`). How does `mean_iou` change in section 5, and why does `dice` not? (To 0.375; such a patch adds nothing to the sums of `dice`.)
#
# **Next:** [04 Baseline model](04_Baseline_model.ipynb) · [the list of all review points](README.md)

# %% tags=["nbval-ignore-output"]
print_versions()
