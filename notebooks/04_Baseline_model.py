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
# # 04 · Baseline model
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/04_Baseline_model.ipynb)
#
# From raw files to a trained and scored U-Net, end to end.
#
# **The finding:** in three folds no rule that looks at a few validation wells is better on average than taking the last of ten epochs.
#
# **You will learn** how a run is started, watched, continued, resumed and scored, and why the validation
# loss of this split is to be read with care.
#
# **Review points** R3.6 – R3.10. The list of all points is in [notebooks/README.md](README.md).
#
# **Before:** [03 Models, losses and evaluation score](03_Models_losses_&_evaluation_score.ipynb) · **Next:** [05 The leak, and the choice of a split](05_Leak_and_split.ipynb) · [all notebooks](../README.md#start)
#
# **Contents**
# 1. [Data](#1-Data)
# 2. [Model](#2-Model)
# 3. [Training](#3-Training)
# 4. [TensorBoard](#4-TensorBoard)
# 5. [More epochs](#5-More-epochs)
# 6. [Which model to go on with](#6-Which-model-to-go-on-with)
# 7. [Scores](#7-Scores)
# 8. [What it sees](#8-What-it-sees)
# 9. [Appendix: a run that was cut off](#Appendix:-a-run-that-was-cut-off)

# %%
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

# %% tags=["nbval-ignore-output"]
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import torch

from helpers import inference, metrics, plots, training
from helpers.config import Config
from helpers.data import COLUMNS, read_labels, wells
from helpers.data.dataset import as_images, data_preparation_pipeline
from helpers.notebook import print_versions, show_code
from helpers.training import board, checkpoint, runs

print_versions()

# %%
config = Config()
epochs = 10 if data.simulated else 5  # the real wells have ten times as many patches
device = "cuda" if torch.cuda.is_available() else "cpu"

# %% [markdown]
# The finding in one picture (simulated wells, clean truth; [section 6](#6-Which-model-to-go-on-with) says how it was made):

# %%
stopping = pd.read_csv("experiments/stopping_simulated.csv")
usual = stopping[(stopping["batch_size"] == 8) & (stopping["learning_rate"] == 2e-3)]
of_ten = usual[usual["epochs"] == 10]
plt.figure(figsize=(7, 2.4))
dots = dict(x="dice", y="rule", data=of_ten)  # a dot a fold, and a line at the mean
axis = sns.stripplot(**dots, hue="fold " + of_ten["fold"].astype(str), jitter=False, size=7)
sns.pointplot(**dots, errorbar=None, linestyle="none", marker="|", markersize=18, color="0.3")
axis.set(
    xlabel="Dice of the wells left out",
    title="No rule has a higher mean Dice than the last of ten epochs",
)
sns.move_legend(axis, "center left", bbox_to_anchor=(1, 0.5), title=None)
plt.show()

# %% [markdown]
# ## 1 Data
#
# One call loads, checks, splits by wells and cleans ([notebook 02](02_Datasets_dataloaders_transforms.ipynb) shows each
# step). The training transform of the baseline is flips.

# %%
datasets, loaders = data_preparation_pipeline(data.folder, config)
for part, dataset in datasets.items():
    print(f"{part:5s}: {len(dataset):5d} patches kept, {len(dataset.cleaning.dropped_)} dropped")

# %% [markdown]
# ## 2 Model
#
# *R3.7.* Model, optimizer and the run's folder are made in a cell of their own. To start again, run this cell; to train
# on, run only the cells below it.

# %%
run = runs.start_run("unet", config, loss="bce", dropout=config.dropout)
print(f"{sum(p.numel() for p in run.model.parameters()):,} parameters")

# %% [markdown]
# ## 3 Training
#
# *R3.6, R3.8, R3.9.* `train_one_epoch` does one epoch; `fit` calls it, evaluates, logs to TensorBoard, and saves the model
# whenever its validation loss is the lowest so far. Within a call the learning rate falls along half a cosine, so that the weights change
# little in the last epochs. On a GPU `fit` trains in mixed precision (bfloat16, or float16 with scaled gradients on Colab's T4); the cell is
# the same.

# %%
show_code(training.train_one_epoch)

# %% tags=["nbval-ignore-output"]
history = training.fit(run, loaders["train"], loaders["val"], epochs)
print(f"The run's folder: {run.folder.name}")
history.tail().round(4)

# %% [markdown]
# ## 4 TensorBoard
#
# *R3.8.* This cell shows TensorBoard in Colab and in Jupyter. Run elsewhere, it prints how to open it. (With the folder of one run in place of `runs`, curves have short
# names.)

# %%
# %load_ext tensorboard
# %tensorboard --logdir runs

# %% [markdown]
# A static page cannot show TensorBoard, so here are the same curves, read back from its event files:

# %%
logged = board.read_scalars(run.folder)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4))
logged[["train_loss", "val_loss"]].plot(ax=left, marker="o", ylabel="binary cross-entropy")
logged[["val_dice", "val_mean_iou"]].plot(
    ax=right, marker="s", ylim=(0, 1), ylabel="score, validation wells"
)
figure.suptitle("Training loss falls steadily, validation loss does not")
plt.show()

# %% [markdown]
# ## 5 More epochs
#
# *R3.7.* A run continues where it stopped: same model, same optimizer, same curves, and a learning rate that starts again. To leave the
# baseline as it is, this section and the appendix use another run. To be quick it trains *and* validates on the small validation part, which one
# would never do in earnest; look only at the epochs.

# %% tags=["nbval-ignore-output"]
other = runs.start_run("unet", config, loss="bce", dropout=config.dropout)
training.fit(other, loaders["val"], loaders["val"], epochs=1).round(4)

# %% tags=["nbval-ignore-output"]
training.fit(other, loaders["val"], loaders["val"], epochs=1).round(4)

# %% [markdown]
# ## 6 Which model to go on with
#
# *R3.9.* The review asks to save the model of the lowest validation loss, and `fit` does. Is it the one to use? `experiments/stopping.py`
# leaves each fold of the training and validation wells out in turn. About a fifth of the other wells validates. Two rules choose an epoch by
# it; the other two are the last epoch, and the mean of the weights over the last quarter of the epochs. Each model is then scored on the wells left out:

# %%
print(
    stopping[["command", "data", "judge", "torch", "python"]]
    .drop_duplicates()
    .T.to_string(header=False)
)
dice = usual.pivot(index=["epochs", "rule"], columns="fold", values="dice").loc[[10, 20]]
dice.assign(mean=dice.mean(axis=1)).round(3)

# %% [markdown]
# The lowest validation loss costs most on average with ten epochs, mostly in one fold; with 20 it is a little above the last, in the same fold. The other
# rules are level with it. Which epochs were chosen:

# %%
by_epoch = of_ten[of_ten["epoch"].notna()]
by_epoch.pivot(index="rule", columns="fold", values="epoch").astype(int)

# %% [markdown]
# So this project uses the last epoch, and keeps the model of the lowest validation loss beside it, as the review asks.
#
# How many epochs, which batch size and learning rate? The last epoch of each:

# %%
last = stopping[stopping["rule"] == "last epoch"]
dice = last.pivot(index=["epochs", "batch_size", "learning_rate"], columns="fold", values="dice")
dice.assign(mean=dice.mean(axis=1)).round(3)

# %% [markdown]
# Five epochs are worse in every fold, 20 no better than ten on average; no other batch size or learning rate is better in
# every fold. Unless they say otherwise, the studies of this project train for ten epochs, in batches of
# eight, with a learning rate of 0.002.

# %% [markdown]
# ## 7 Scores
#
# *R3.10.* The model is loaded from its file, as a user would, with the settings that it was trained with, and scored on the validation
# wells of the reviewer's split. The test wells are opened in [notebook 09](09_Test_wells_and_errors.ipynb) only.

# %% tags=["nbval-ignore-output"]
model, trained_with = checkpoint.load_model(run.last_path, device)
val = datasets["val"]
probability = inference.predict_probabilities(model, loaders["val"])
found = probability >= trained_with.threshold
judges = {data.labels: val.masks}
if data.simulated:
    judges["clean truth"] = as_images(read_labels(data.folder / "y_clean.csv").loc[val.names])
scores = pd.DataFrame(
    {
        judge: metrics.summarise(metrics.count_pixels(found, masks))
        for judge, masks in judges.items()
    }
).T.rename_axis("judged by")
scores.round(3).to_csv(run.folder / "scores.csv")
print(f"Baseline U-Net, {len(history)} epochs, seed {config.seed}. Data: {data.description}")
scores.round(3)

# %% tags=["nbval-ignore-output"]
counts = metrics.count_pixels(found, val.masks)
metrics.scores_per_well(counts, val.names).round(3)

# %% [markdown]
# Well 9 has no groove, so it has no Dice: one false pixel would decide between 0 and 1. Nearly all of the Dice, and four fifths of the mean IoU, come from well 3,
# the hardest ([notebook 05, section 2](05_Leak_and_split.ipynb#2-How-hard-is-each-well?)). That is why this project makes no choice by these two
# wells alone.
#
# ## 8 What it sees
#
# The best, the middle and the worst validation patches with a groove, by IoU. Titles give well and patch.

# %%
scores = metrics.iou(found, val.masks)
best_first = torch.argsort(scores, descending=True, stable=True)
best_first = best_first[val.masks.bool().flatten(1).any(dim=1)[best_first]]  # patches with a groove
middle = len(best_first) // 2
chosen = torch.cat([best_first[:6], best_first[middle - 3 : middle + 3], best_first[-6:]])
plots.show_patches(
    inference.as_patches(val.images[chosen]),
    [f"{val.names[i].replace('_patch_', ', ')[5:]}: IoU {scores[i]:.2f}" for i in chosen],
    inference.as_patches(val.masks[chosen]),
    inference.as_patches(found[chosen]),
    heading="The best, the middle and the worst patches with a groove",
)

# %% [markdown]
# And the upper 360 rows of both wells, put together again from their patches:


# %%
def strips(pixels: torch.Tensor) -> dict[str, pd.DataFrame]:
    frame = pd.DataFrame(pixels.flatten(1).numpy(), val.names, COLUMNS)
    return {f"well {well}": wells.well_from_frame(frame, well) for well in config.val_wells}


plots.show_well_strips(
    strips(val.images), strips(val.masks), strips(found), heading="Label and prediction, by depth"
)

# %% [markdown]
# ## What we now know
#
# - A run can be watched, stopped, resumed and continued, and ends as if it had not been interrupted.
# - No rule of choosing an epoch beats the last of ten; the lowest validation loss is 0.066 of Dice lower on average, most of it in one fold.
# - Two validation wells are no measure of a new well: nearly all of the Dice comes from one of them.
#
# ## Exercises
#
# 1. Train with `Config(precision="bfloat16")` and in float32. From which epoch on do the curves differ?
# 2. Train with `Config(patience=3)`. After which epoch does `fit` stop, and with which scores?
# 3. Load the model of the lowest validation loss in section 7 (`run.best_path`). How do the scores change?

# %% [markdown]
# ## Appendix: a run that was cut off
#
# *R3.7.* Colab may disconnect. After each epoch the whole state of the run is on disk: weights, optimizer, random
# generators, history. Here the second of two more epochs is interrupted, as with the stop button. `resume_run("runs/<the run's folder>")` reads the run,
# in a new session too, and `fit` without a number of epochs finishes it. (In Colab `runs/` is lost with the runtime: [keep
# it](../docs/running.md#in-google-colab).)


# %%
class Interrupted:
    """A loader that is stopped in the middle of its second epoch."""

    def __init__(self, loader):
        self.loader, self.dataset, self.epochs = loader, loader.dataset, 0

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        self.epochs += 1
        for number, batch in enumerate(self.loader):
            if self.epochs == 2 and number == len(self) // 2:
                raise KeyboardInterrupt
            yield batch


try:
    training.fit(other, Interrupted(loaders["val"]), loaders["val"], epochs=2)
except KeyboardInterrupt:
    print(f"interrupted after {len(other.history)} whole epochs")

# %% tags=["nbval-ignore-output"]
other = runs.resume_run(other.folder)
training.fit(other, loaders["val"], loaders["val"]).round(4)

# %% [markdown]
# On a CPU it ends with the same weights, bit by bit, as a run that was never interrupted; a test kills a training process to check
# it. On a GPU a few operations are not deterministic, and the last digits may differ.
#
# **Next:** [05 The leak, and the choice of a split](05_Leak_and_split.ipynb) · [the list of all review points](README.md)
