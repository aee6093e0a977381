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
# # 04 · Baseline model
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/04_Baseline_model.ipynb) · before: [03 Models, losses and evaluation score](03_Models_losses_&_evaluation_score.ipynb) · next: [05 A score that one can trust](05_Leak_and_split.ipynb) · [all notebooks](../README.md#start) · [review points](README.md) R3.6 – R3.10
#
# ![Two charts over the epochs of a run: the training loss falls, the validation loss goes up and down; the Dice of the validation patches jumps, and their mean IoU rises after a dip](pictures/curves.png)
#
# In this run (section 4) the training loss falls; the validation loss does not follow, and the score jumps from epoch to epoch. A training that nobody watches may stop too early, keep the wrong model, or learn
# nothing at all, and look the same from outside: a bar that moves.
#
# [One epoch](#1-One-epoch) · [A cell for the model](#2-A-cell-for-the-model) · [Log it, keep the best](#3-Log-it,-keep-the-best) · [The same by fit](#4-The-same-by-fit) · [TensorBoard](#5-TensorBoard) · [Scores](#6-Scores) · [What it sees](#7-What-it-sees) · [More epochs](#8-More-epochs) · [Which model, how many epochs?](#9-Which-model,-how-many-epochs?)

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
import tempfile
from datetime import datetime

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Subset
from torch.utils.tensorboard import SummaryWriter

from helpers import inference, losses, metrics, models, plots, training
from helpers.config import Config
from helpers.data import COLUMNS, read_labels, wells
from helpers.data.dataset import as_images, data_preparation_pipeline, make_loader
from helpers.notebook import print_versions, show_code
from helpers.training import board, checkpoint, loop, runs

# %% [markdown]
# This page trains the baseline from raw files to scores. First by hand, as the review asks, so that every line is seen; then by the
# project's `fit`, which does the same and more. *The junior* wrote the first notebook, *the reviewer* the points.

# %%
config, device = Config(), runs.best_device()
# Epochs of the training by hand, of the run, and of its continuation; real wells are ten times larger
by_hand, epochs, more = (6, 10, 2) if data.simulated else (2, 5, 1)
datasets, loaders = data_preparation_pipeline(data.folder, config)
for part, dataset in datasets.items():
    print(f"{part:5s}: {len(dataset):5d} patches")

# %% [markdown]
# ## 1 One epoch
#
# **Before** (R3.6, R3.7). Model, loop and saving stood in one cell, and only validation had a function. Here it is, shortened, and run twice on a few patches, as cells of
# notebooks are:

# %% tags=["nbval-ignore-output"]
few = make_loader(Subset(datasets["train"], range(0, len(datasets["train"]), 8)), 16, shuffle=True)
results = tempfile.TemporaryDirectory()


def the_juniors_cell(num_epochs):
    model = models.build_model("unet", dropout=0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    for e in range(num_epochs):
        model.train()
        total, batches = 0, 0
        for images, masks in few:
            optimizer.zero_grad()
            pred = model(images).sigmoid()
            loss = torch.nn.functional.binary_cross_entropy(pred, masks)
            loss.backward()
            optimizer.step()
            total, batches = total + loss.item(), batches + 1
        torch.save(model.state_dict(), f"{results.name}/model_epoch_{e + 1}.pt")
        print(f"  model_epoch_{e + 1}.pt: training loss {total / batches:.3f}")


for num_epochs in (3, 2):
    print(f"the cell, {num_epochs} epochs:")
    the_juniors_cell(num_epochs)

# %% [markdown]
# **What went wrong.** The second call does not go on: it starts from new weights. And it writes over the files of the first, but not over all:
# the folder now holds epochs of two networks under one name, and nothing tells.
#
# And the loop belongs to one network and one loss: the junior tried other losses by commenting lines out and in.
#
# **Now** one function trains one epoch, and validation is the helper:


# %%
def train_one_epoch(model, loader, loss_fn, optimizer):
    """Train on every batch once, and return the mean loss over patches."""
    model.train()
    total = torch.zeros((), device=device)
    for images, masks in loader:  # (B, 1, 36, 36) each
        images, masks = images.to(device), masks.to(device)
        loss = loss_fn(model(images), masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(images)
    return (total / len(loader.dataset)).item()


# %% [markdown]
# It takes any network and any loss. And the loss stays on the device until the epoch ends: at each `.item()`, as above, the program waits for the GPU.

# %% tags=["nbval-ignore-output"]
for name, loss_fn in (
    ("unet", losses.bce),
    ("unet", losses.dice_bce),
    ("attention_unet", losses.bce),
):
    network = models.build_model(name).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    loss = train_one_epoch(network, few, loss_fn, optimizer)
    print(f"{name:14s} {loss_fn.__name__:8s} {loss:.3f}")

# %% [markdown]
# Values of different losses cannot be compared: Dice + BCE is a sum of two.
#
# > **Take along:** the epoch is the unit. Make it a function of model, loader, loss and optimizer, and nothing else.
#
# ## 2 A cell for the model
#
# **Now** (R3.7) everything that must live longer than one training cell is made in a cell of its own. To start anew, run it; to train on,
# run the one below it.

# %%
torch.manual_seed(config.seed)
model = models.build_model("unet", dropout=config.dropout).to(device)
optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
timestamp = datetime.now().strftime("%Y%m%d_%H%M%S")
writer = SummaryWriter(f"runs/corrosion_segmentation_trainer_{timestamp}")
best_vloss, epoch_number = 1_000_000.0, 0
watched = []  # two validation patches, as the network sees them after each epoch
print(f"{sum(p.numel() for p in model.parameters()):,} parameters")

# %% [markdown]
# ## 3 Log it, keep the best
#
# **Before** (R3.8, R3.9). Losses went to printed lines, and to lists, which are gone with the kernel. Every epoch's weights were saved, and none was marked as the
# best.
#
# **Now**, in the reviewer's lines, both losses go to TensorBoard after each epoch, into one chart, and the model is saved when its validation loss is the
# lowest so far. The reviewer's file lands wherever the notebook was started; here it lies with its run.

# %% cellView="form" jupyter={"source_hidden": true}
val = datasets["val"]
area = val.masks.flatten(1).sum(1)
shown = ((area > 90) & (val.images.abs().amax((1, 2, 3)) < 0.15)).nonzero()[:, 0]
depth = (val.images * val.masks).flatten(1).sum(1) / area
shown = shown[depth[shown].argsort()]
two = shown[[0, 2 * len(shown) // 3]]  # the deepest groove, and a faint one

# %% tags=["nbval-ignore-output"]
for _ in range(by_hand):
    avg_loss = train_one_epoch(model, loaders["train"], losses.bce, optimizer)
    avg_vloss, counts = training.evaluate(model, loaders["val"], losses.bce)
    writer.add_scalars(
        "Training vs. Validation Loss",
        {"Training": avg_loss, "Validation": avg_vloss},
        epoch_number + 1,
    )
    writer.flush()
    if avg_vloss < best_vloss:
        best_vloss = avg_vloss
        model_path = f"{writer.log_dir}/model_{timestamp}_{epoch_number}"
        torch.save(model.state_dict(), model_path)
        print(f"epoch {epoch_number + 1}: validation loss {avg_vloss:.3f}, saved as {model_path}")
    epoch_number += 1
    with torch.inference_mode():  # evaluate has set the model to evaluation
        found = model(val.images[two].to(device) / config.value_std).sigmoid().cpu() >= 0.5
    watched.append((f"epoch {epoch_number}\nDice {metrics.summarise(counts)['dice']:.2f}", found))

# %% [markdown]
# The model was saved where the validation loss was lower than ever. What does the network see after each epoch, in a patch with a deep groove and in one with a faint groove?

# %% cellView="form" jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
titles = [title for title, _ in watched]
plots.show_patches(
    inference.as_patches(val.images[two].repeat_interleave(by_hand, 0)),
    titles + [""] * by_hand,
    inference.as_patches(val.masks[two].repeat_interleave(by_hand, 0)),
    inference.as_patches(torch.cat([found[[row]] for row in (0, 1) for _, found in watched])),
    columns=by_hand,
    heading="The deep groove is found at once; of the faint one most is missed to the end\n"
    "(above: the Dice of all validation patches)",
)

# %% [markdown]
# False spots beside the faint groove come and go. The Dice goes up and down, too, but not because of them: the third epoch has as many as the first, and yet a higher Dice than the next. Six epochs are not enough for either to settle.
#
# **What went wrong** in these lines: the file's number is one below the chart's; every better model leaves the former behind; and weights alone do not say which
# network they are of, nor how its images were scaled. After a crash nothing can go on, since the optimizer was not saved.
#
# > **Take along:** log and save at the end of every epoch, under one number, with all that is needed to load it.
#
# ## 4 The same by fit
#
# **Now** (R3.10) `fit` is that loop. Its numbers will not be those of section 3, since it also lets the learning rate fall, and draws other batches. In short, with the lines of section 3 marked:
#
# ```python
# def fit(run, train_loader, val_loader, epochs):
#     with Board(run) as board:
#         while run.unfinished:
#             row = train_next_epoch(run, train_loader)                     # 3: avg_loss
#             loss, counts = evaluate(run.model, val_loader, run.loss_fn)   # 3: avg_vloss
#             run.history.append(row | {"val_loss": loss, ...})
#             board.log_epoch(row)                                          # 3: add_scalars, flush
#             board.log_pictures(run, val_loader)
#             if loss < run.best_val_loss:                                  # 3
#                 save_best(run)                                            # 3: torch.save
#             save_last(run)
#     return run.history_frame()
# ```
#
# In full it also counts the epochs of the call, refuses other data than the run began with, and ends early if the config has a patience:

# %%
show_code(training.fit)

# %% [markdown]
# Before each epoch the learning rate is set. Within a call it falls along half a cosine, so that the weights come to rest:

# %%
show_code(loop.train_next_epoch, loop.learning_rate_at)

# %% [markdown]
# The epoch itself is the one above, with four additions. Two are for GPUs: *autocast* calculates in numbers of 16 bits, and a *scaler* keeps their small gradients from vanishing. *Clipping* shortens a gradient
# that is too long. And a loss that is not finite stops the run; to ask for it the program waits for the GPU once a batch, which is the price of stopping at once.

# %%
show_code(training.train_one_epoch)

# %% [markdown]
# Logging and saving are the reviewer's lines, mended. A file has the number of its epoch in the chart, holds the network's name and settings beside the weights, and is written whole or not at all. When a
# run is resumed, no epoch is drawn twice:

# %%
show_code(board.Board.log_epoch, runs.save_best)

# %% [markdown]
# Model, optimizer and folder have a cell of their own again, and the training the next:

# %%
run = runs.start_run("unet", config, loss="bce", dropout=config.dropout)

# %% tags=["nbval-ignore-output"]
history = training.fit(run, loaders["train"], loaders["val"], epochs)
columns = ["learning_rate", "train_loss", "val_loss", "val_dice", "val_mean_iou"]
history[columns].round(4)

# %% cellView="form" jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
figure, axes = plots.plt.subplots(1, 2, figsize=(9, 3))
charts = {
    "loss": {"train_loss": "training", "val_loss": "validation"},
    "score in validation": {"val_dice": "Dice", "val_mean_iou": "mean IoU"},
}
for axis, (ylabel, lines) in zip(axes, charts.items(), strict=True):
    for (column, label), style in zip(lines.items(), ("o-", "s--"), strict=True):
        axis.plot(history[column], style, markersize=4, label=label)
    axis.set(xlabel="epoch", ylabel=ylabel, ylim=(0, None))
    axis.legend(loc="lower left")
figure.suptitle(
    "The training loss falls; the validation loss does not follow, and the score jumps", fontsize=11
)
plots.plt.show()

# %% [markdown]
# In the second epoch the Dice is halved, and comes back, though the training loss falls. The table does not say why; nearly all of this score is one hard well (section 6). (The last learning rate is 0 after rounding.)
#
# ## 5 TensorBoard
#
# This cell (R3.8) opens TensorBoard in Colab and in Jupyter. In a terminal it is `.venv/bin/tensorboard --logdir runs`.

# %%
# %load_ext tensorboard
# %tensorboard --logdir runs

# %% [markdown]
# So it looks, after a run on another computer, with `vs|Validation [Dmp]` typed into the filter of cards:
#
# ![TensorBoard: losses, Dice and mean IoU over twelve epochs, and validation patches with label and prediction](tensorboard.png)
#
# How to read it: the training loss falls until the second call (section 8), where the learning rate starts again. The validation loss goes up, and ends where it began, although the mean IoU rises: loss and score
# need not agree. The Dice jumps from epoch to epoch.
#
# The table above is of the same code and the same seed. Another computer rounds otherwise, and from the third epoch on the two runs part. So watch several curves, trust no single epoch, and look at the patches.
#
# > **Take along:** a curve is watched while the training runs, not drawn when it is over.
#
# ## 6 Scores
#
# A run has two files, the *best* model by validation loss and the *last*. Both are loaded as a user would do it, with the settings of their training. Only validation wells are scored, since the test wells wait
# for [notebook 09](09_Test_wells_and_errors.ipynb):

# %% tags=["nbval-ignore-output"]
judges = {data.labels: val.masks}
if data.simulated:
    judges["clean truth"] = as_images(read_labels(data.folder / "y_clean.csv").loc[val.names])
scores = {}
for which, path in {"best": run.best_path, "last": run.last_path}.items():
    model, trained_with = checkpoint.load_model(path, device)
    found = inference.predict_probabilities(model, loaders["val"]) >= trained_with.threshold
    for judge, masks in judges.items():
        counts = metrics.count_pixels(found, masks)
        per_well = metrics.scores_per_well(counts, val.names)
        together = pd.DataFrame(
            {"patches": len(counts)} | metrics.summarise(counts), index=["both"]
        )
        scores[which, judge] = pd.concat([per_well, together])
pd.concat(scores, names=["model", "judged by", "well"]).round(3)

# %% [markdown]
# Well 3 is the hardest of the nine wells with a groove that [notebook 05](05_Leak_and_split.ipynb#3-Wells-differ) leaves out one by one: its grooves are wide but faint, under a strong pattern. Well 9 has no groove,
# so it has no Dice (NaN): one false pixel would decide between nothing and everything. So this score tells how the baseline does in one hard well, not how it does in a new
# one. On the test wells, in [notebook 09](09_Test_wells_and_errors.ipynb), the same recipe scores about 0.8.
#
# We go on with the last; section 9 asks which is better.
#
# > **Take along:** before you believe a score, ask which wells it was taken on.
#
# ## 7 What it sees
#
# Of the patches with a groove: the best, those in the middle, and six of those where nothing of the groove was found, drawn at random.

# %% tags=["nbval-ignore-output"]
overlap = metrics.iou(found, val.masks)
order = torch.argsort(overlap, descending=True, stable=True)
order = order[val.masks.bool().flatten(1).any(dim=1)[order]]
middle, missed = len(order) // 2, order[overlap[order] == 0]
generator = torch.Generator().manual_seed(config.seed)
at_random = missed[torch.randperm(len(missed), generator=generator)[:6]]
rows = {"best": order[:6], "middle": order[middle - 3 : middle + 3], "not found": at_random}
chosen = torch.cat(list(rows.values()))
titles = [
    f"{row}: IoU {overlap[i]:.2f}\nwell {val.names[i][5:].replace('_patch_', ', patch ')}"
    for row, patches in rows.items()
    for i in patches
]
plots.show_patches(
    inference.as_patches(val.images[chosen]),
    titles,
    inference.as_patches(val.masks[chosen]),
    inference.as_patches(found[chosen]),
    heading=f"Half of the {len(order)} patches have an IoU of {overlap[order].median():.2f} or less, "
    f"and in {len(missed)} nothing of the groove is found",
)

# %% [markdown]
# Half of the patches are missed, or nearly so. Try the last row yourself: would you have drawn these grooves?

# %% [markdown]
# And the upper rows of both wells, put together again from their patches; the title counts all rows. (The first rows of well 9 were ruined, and dropped in cleaning.)


# %% tags=["nbval-ignore-output"]
def strips(pixels: torch.Tensor) -> dict[str, np.ndarray]:
    frame = pd.DataFrame(pixels.flatten(1).float().numpy(), val.names, COLUMNS)
    parts = {}
    for well in config.val_wells:
        strip = wells.well_from_frame(frame, well)
        for start in range(0, min(len(strip), 1080), 360):
            parts[f"well {well},\nfrom row {start}"] = strip.copy()
            parts[f"well {well},\nfrom row {start}"][:start] = np.nan  # so the picture begins there
    return parts


counts = metrics.count_pixels(found, val.masks)
(tp, _, fn), (_, false, _) = (
    counts[torch.tensor([name.startswith(f"well_{well}_") for name in val.names])].sum(0).tolist()
    for well in config.val_wells
)
plots.show_well_strips(
    strips(val.images),
    strips(val.masks),
    strips(found),
    heading=f"In well 3, {tp / (tp + fn):.0%} of the label is found;\n{false} pixels of well 9 are false",
)

# %% [markdown]
# ## 8 More epochs
#
# **Now** (R3.7) the run goes on where it stopped: same model, same optimizer, same curves. Only the learning rate starts again, and falls anew:

# %% tags=["nbval-ignore-output"]
training.fit(run, loaders["train"], loaders["val"], more)[columns].tail(more + 1).round(4)

# %% [markdown]
# Whatever the score does here, it is one run and one hard well; section 9 asks more. All that the run has left:

# %% tags=["nbval-ignore-output"]
said = {run.folder: "curves for TensorBoard", run.best_path: "the best", run.last_path: "the last"}
for path, what in said.items():
    print(f"{what:22s}: {path.relative_to(config.runs_dir.parent)}")

# %% [markdown]
# When Colab disconnects, the run is not lost. In a new session `resume_run` reads it from its folder, and `fit` finishes what was interrupted, or adds epochs. In
# Colab `runs/` itself is lost with the runtime, so [keep it](../docs/running.md#in-google-colab).

# %%
again = runs.resume_run(run.folder)
assert again.history == run.history
for name, weights in again.model.state_dict().items():
    assert torch.equal(weights, run.model.state_dict()[name])

# %% [markdown]
# > **Take along:** what is needed to go on, weights, optimizer, random numbers, is on disk after each epoch.
#
# ## 9 Which model, how many epochs?
#
# **Before** (R3.9) nobody asked; the reviewer takes the lowest validation loss. A study compares that with the last epoch, the best validation Dice, and the mean of the weights over the last quarter of the epochs, on
# draws of simulated wells ([notebook 03](03_Models_losses_&_evaluation_score.ipynb#8-The-comparison) says what a draw is, and what we call a gain; `experiments/stopping.py`):

# %%
study = pd.read_csv("experiments/stopping_simulated.csv")
study["variant"] = study["variant"].replace(
    {"10 epochs, mean of the last quarter": "10 epochs, mean of the last weights"}
)
of_ten = study[study["variant"].str.startswith("10 epochs, ")]
plots.show_draws(
    of_ten.assign(variant=of_ten["variant"].str.removeprefix("10 epochs, ")),
    than="last epoch",
    title="No rule gains over the last epoch, and the best validation Dice loses",
)

# %%
last = study[study["variant"].str.endswith(", last epoch")]
plots.show_draws(
    last.assign(
        variant=last["variant"].str.removesuffix(", last epoch").str.replace("batch", "batches of")
    ),
    than="10 epochs",
    title="Fewer steps lose, twenty epochs gain",
)

# %% [markdown]
# No rule *gains* on these draws, and the best validation Dice *loses* 0.01 ([more by mean IoU](../docs/results.md#how-variants-are-compared)). In section 6 the best model has no higher Dice than the last, and a lower mean IoU. So take the last, which needs no choice.
#
# The number of epochs matters more. The baseline has ten, batches of 8 and a learning rate of 0.002. Half as many epochs lose, and so do larger batches, which make fewer steps. Twenty epochs
# gain in each of twelve draws, 0.04 of Dice on average. Ten epochs are a compromise: the studies here train hundreds of networks. If you train one, give it more.
#
# The real wells have ten times as many patches, so an epoch there makes ten times as many steps. On three folds of them four epochs were no worse than two by Dice, and better by mean IoU ([results](../docs/results.md#how-variants-are-compared)).
#
# > **Take along:** save the model of the lowest validation loss, and do not trust it more than the last.
#
# ## What we now know
#
# - One function an epoch, one cell for the model: then a run can be watched, stopped, continued and repeated.
# - Watch score and pictures; the validation loss alone does not tell.
# - Two validation wells are no measure of a new well.
#
# ## Exercises
#
# 1. Train with `Config(precision="bfloat16")`. From which epoch on do the curves differ?
# 2. Run section 6 again after section 8. Which rows change? (Those of the last; and of the best, if an epoch of section 8 has a lower validation loss than all before.)
# 3. Train with `Config(patience=3)`. After which epoch does `fit` stop, and was that wise? (As stored, after the seventh; the mean IoU rose after it.)
#
# **Next:** [05 A score that one can trust](05_Leak_and_split.ipynb) · [the list of all review points](README.md)

# %% tags=["nbval-ignore-output"]
print_versions()
