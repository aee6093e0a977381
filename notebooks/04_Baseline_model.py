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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/04_Baseline_model.ipynb) · before: [03 Models, losses and evaluation score](03_Models_losses_&_evaluation_score.ipynb) · next: [05 The leak, and the choice of a split](05_Leak_and_split.ipynb) · [all notebooks](../README.md#start) · [review points](README.md) R3.6 – R3.10
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

import pandas as pd
import torch
from IPython.display import HTML, Image, display
from torch.utils.data import Subset
from torch.utils.tensorboard import SummaryWriter

from helpers import inference, losses, metrics, models, plots, training
from helpers.config import Config
from helpers.data import COLUMNS, read_labels, wells
from helpers.data.dataset import as_images, data_preparation_pipeline, make_loader
from helpers.notebook import print_versions, show_code
from helpers.training import board, checkpoint, runs

# %% cellView="form" jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
opening = display(HTML("Section 3 draws its picture here."), display_id=True)

# %% [markdown]
# A training that nobody watches may stop too early, keep the wrong model, or learn nothing at all, and look the same from outside: a bar that
# moves.
#
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
# And the loop belongs to one network and one loss: the junior tried others by commenting lines out and in.
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
# It takes any network and any loss. And the loss stays on the device until the epoch ends: `.item()` in each batch, as above, makes a GPU wait
# every time.

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
# **Before** (R3.8, R3.9). Losses went to lists and to printed lines, and were gone with the kernel. Every epoch's weights were saved, and none was marked as the
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
# What the network sees after each of these epochs is the picture at the top of the page, with the Dice of both validation wells. It knows at once what a groove is; then it learns what is none.

# %% cellView="form" jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
titles = [title for title, _ in watched]
picture = plots.draw_patches(
    inference.as_patches(val.images[two].repeat_interleave(by_hand, 0)),
    titles + [""] * by_hand,
    inference.as_patches(val.masks[two].repeat_interleave(by_hand, 0)),
    inference.as_patches(torch.cat([found[[row]] for row in (0, 1) for _, found in watched])),
    columns=by_hand,
)
picture.suptitle(
    "A deep groove is found at once; around a faint one false spots must go first",
    fontsize=11,
)
opening.update(picture)
plots.plt.close(picture)

# %% [markdown]
# **What went wrong** in these lines: the file's number is one below the chart's; every better model leaves the former behind; and weights alone do not say which
# network they are of, nor how its images were scaled. After a crash nothing can go on, since the optimizer was not saved.
#
# > **Take along:** log and save at the end of every epoch, under one number, with all that is needed to load it.
#
# ## 4 The same by fit
#
# **Now** (R3.10) `fit` is that loop:

# %%
show_code(training.fit)

# %% [markdown]
# Its epoch is the one above, with four things more, each for a case that happens: autocast, and a scaler, for GPUs that calculate in float16; a loss that
# is not finite, which stops the run; and a gradient that is too long, which is shortened.

# %%
show_code(training.train_one_epoch)

# %% [markdown]
# Logging and saving are the reviewer's lines, mended. A resumed run hides what was logged after its last saved state, so no epoch is drawn twice. A file has the
# chart's number, carries network and settings, and is written whole or not at all:

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

# %% [markdown]
# Within a call the learning rate falls along half a cosine, so that the weights come to rest.
#
# ## 5 TensorBoard
#
# This cell (R3.8) opens TensorBoard in Colab and in Jupyter. Where nobody looks, it prints how to open it.

# %%
# %load_ext tensorboard
# %tensorboard --logdir runs

# %% [markdown]
# So it looks, with a run of this notebook on simulated wells:

# %% cellView="form" jupyter={"source_hidden": true}
Image("notebooks/tensorboard.png", width=1000)

# %% [markdown]
# Read it so. The training loss falls and falls. The validation loss does not follow, although the mean IoU rises: the network becomes surer, where it is wrong
# too, and the loss punishes that hard. The Dice jumps from epoch to epoch. So watch several curves, trust no single epoch, and look at the pictures of
# patches.
#
# > **Take along:** a curve is watched while the training runs, not drawn when it is over.
#
# ## 6 Scores
#
# The model is loaded from its file, as a user would do it, with the settings of its training. Validation wells only: the test wells wait
# for [notebook 09](09_Test_wells_and_errors.ipynb).

# %% tags=["nbval-ignore-output"]
model, trained_with = checkpoint.load_model(run.last_path, device)
probability = inference.predict_probabilities(model, loaders["val"])
found = probability >= trained_with.threshold
judges = {data.labels: val.masks}
if data.simulated:
    judges["clean truth"] = as_images(read_labels(data.folder / "y_clean.csv").loc[val.names])
scores = {}
for judge, masks in judges.items():
    counts = metrics.count_pixels(found, masks)
    per_well = metrics.scores_per_well(counts, val.names)
    together = pd.DataFrame({"patches": len(counts)} | metrics.summarise(counts), index=["both"])
    scores[judge] = pd.concat([per_well, together])
pd.concat(scores, names=["judged by", "well"]).round(3)

# %% [markdown]
# Do not be disappointed. Well 3 is the hardest of all fifteen: its grooves are wide but faint, under a strong pattern. Well 9 has no groove,
# so it has no Dice: one false pixel would decide between nothing and everything. So this score tells how the baseline does in one hard well, not how it does in a new
# one; on the test wells, in [notebook 09](09_Test_wells_and_errors.ipynb), the same recipe scores far higher.
#
# > **Take along:** before you believe a score, ask which wells it was taken on.
#
# ## 7 What it sees
#
# The best, the middle and the worst patches of these that have a groove. Look at the worst: what was missed is hard to see for us as well.

# %% tags=["nbval-ignore-output"]
overlap = metrics.iou(found, val.masks)
best_first = torch.argsort(overlap, descending=True, stable=True)
best_first = best_first[val.masks.bool().flatten(1).any(dim=1)[best_first]]
middle = len(best_first) // 2
chosen = torch.cat([best_first[:6], best_first[middle - 3 : middle + 3], best_first[-6:]])
plots.show_patches(
    inference.as_patches(val.images[chosen]),
    [f"{val.names[i].replace('_patch_', ', ')[5:]}: IoU {overlap[i]:.2f}" for i in chosen],
    inference.as_patches(val.masks[chosen]),
    inference.as_patches(found[chosen]),
    heading="The best, the middle and the worst patches with a groove",
)

# %% [markdown]
# And the upper rows of both wells, put together again from their patches:


# %% tags=["nbval-ignore-output"]
def strips(pixels: torch.Tensor) -> dict[str, pd.DataFrame]:
    frame = pd.DataFrame(pixels.flatten(1).numpy(), val.names, COLUMNS)
    return {f"well {well}": wells.well_from_frame(frame, well) for well in config.val_wells}


plots.show_well_strips(
    strips(val.images), strips(val.masks), strips(found), heading="Label and prediction, by depth"
)

# %% [markdown]
# ## 8 More epochs
#
# **Now** (R3.7) the run goes on where it stopped: same model, same optimizer, same curves. Only the learning rate starts again, and falls anew:

# %% tags=["nbval-ignore-output"]
training.fit(run, loaders["train"], loaders["val"], more)[columns].tail(more + 1).round(4)

# %% [markdown]
# Whatever the score does here, it is one run and one hard well; section 9 asks many. All that the run has left:

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
# **Before** (R3.9) nobody asked; the reviewer takes the lowest validation loss. A study tried four rules on many simulated wells ([how](../docs/results.md#how-variants-are-compared),
# `experiments/stopping.py`):

# %%
study = pd.read_csv("experiments/stopping_simulated.csv")
of_ten = study[study["variant"].str.startswith("10 epochs, ")]
plots.show_draws(
    of_ten.assign(variant=of_ten["variant"].str.removeprefix("10 epochs, ")),
    than="last epoch",
    title="No rule is better than the last epoch",
)

# %%
last = study[study["variant"].str.endswith(", last epoch")]
plots.show_draws(
    last.assign(variant=last["variant"].str.removesuffix(", last epoch")),
    than="10 epochs",
    title="More steps gain, fewer lose",
)

# %% [markdown]
# Take the last epoch: a choice by a few validation wells is a choice for these wells. Twice as many epochs gain, half as many lose; and so do larger batches,
# which make fewer steps. Ten epochs are a compromise: the studies here train hundreds of networks. If you train one, give it more.
#
# These are simulated wells. The real ones have ten times as many patches, so an epoch there makes ten times as many steps; how many it takes, this study cannot say.
#
# > **Take along:** save the model of the lowest validation loss, and do not trust it more than the last.
#
# ## What we now know
#
# - One function an epoch, one cell for the model: then a run can be watched, stopped, continued and repeated.
# - Watch score and pictures; the validation loss alone misleads.
# - Two validation wells are no measure of a new well.
#
# ## Exercises
#
# 1. Train with `Config(precision="bfloat16")`. From which epoch on do the curves differ?
# 2. Load `run.best_path` in section 6. How do the scores change?
# 3. Train with `Config(patience=3)`. After which epoch does `fit` stop, and was that wise?
#
# **Next:** [05 The leak, and the choice of a split](05_Leak_and_split.ipynb) · [the list of all review points](README.md)

# %% tags=["nbval-ignore-output"]
print_versions()
