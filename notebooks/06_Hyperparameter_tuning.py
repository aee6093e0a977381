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
# # 06 · Hyperparameter tuning
#
# The best of twenty trials is partly the luckiest. What is left of its gain on wells that the search has not seen?
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/06_Hyperparameter_tuning.ipynb)
# **Review point** R4.1: [what is tuned](#1-What-is-tuned) · [a small search, live](#2-A-small-search,-live) · [TensorBoard](#3-TensorBoard) ·
# [the large search](#4-The-large-search) · [does it last](#5-Does-it-last?) ·
# **Before:** [05 A score that one can trust](05_Leak_and_split.ipynb) · **Next:** [07 Whole wells](07_Whole_wells.ipynb) · [all notebooks](../README.md#start)

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

# %% tags=["nbval-ignore-output"]
import warnings
from datetime import datetime

import matplotlib.pyplot as plt
import optuna
import pandas as pd
from torch.utils.tensorboard import SummaryWriter

from experiments import draws, tuning
from helpers import plots
from helpers.config import Config
from helpers.data import load_data
from helpers.notebook import print_versions, show_code

print_versions()

# %% [markdown]
# ## 1 What is tuned
#
# *R4.1.* The review ends with homework: train with various hyperparameters, and choose by validation. Before, one changes a setting by hand, runs once, and keeps what looks
# better. Now a study draws all settings together, and keeps a record of each trial. These are drawn, around the baseline's values:

# %%
show_code(tuning.suggest)
pd.Series(tuning.DEFAULTS, name="baseline").to_frame()

# %% [markdown]
# A trial trains a U-Net with such settings, and is worth its Dice on validation wells. These are a fifth of the wells to learn from, scored by their labels: real wells have no truth to tune by.
# After each epoch the *pruner* may stop a trial that is worse than most others:

# %%
show_code(tuning.objective)

# %% [markdown]
# ## 2 A small search, live
#
# [Optuna](https://optuna.org) calls this function again and again, and draws the settings where they were good before. The first trial has the baseline's. The study is a
# text file, its *journal*: stopped or killed, the same call goes on.

# %% tags=["nbval-ignore-output"]
warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of its figures
optuna.logging.set_verbosity(optuna.logging.WARNING)
config = Config()
trials, epochs = (3, 3) if data.simulated else (2, 1)
y, images = load_data(data.folder)
y, images = y.iloc[:: 1 if data.simulated else 10], images.iloc[:: 1 if data.simulated else 10]
draw = draws.leave_out(config.seed, config.test_wells, y, images)
folder = config.runs_dir / f"tuning_{datetime.now():%Y%m%d_%H%M%S}"
folder.mkdir(parents=True)
study = tuning.search(folder / "study.journal", draw, epochs, trials)
shown = ["number", "value", "state", "params_batch_size", "params_learning_rate", "params_width"]
study.trials_dataframe()[shown].round(4)

# %% [markdown]
# So few trials of so few epochs show how it works, no more.
#
# ## 3 TensorBoard
#
# Each trial is a run of its own, with its curve and, on the HPARAMS page, its settings and its value:

# %% tags=["nbval-ignore-output"]
for trial in study.trials:
    with SummaryWriter(folder / f"trial_{trial.number:03d}") as writer:
        for epoch, value in trial.intermediate_values.items():
            writer.add_scalar("Dice of validation wells", value, epoch)
        writer.add_hparams(trial.params, {"final/dice": trial.value or float("nan")}, run_name=".")
print(f"written to {folder.name}")

# %%
# %load_ext tensorboard
# %tensorboard --logdir runs

# %% [markdown]
# ## 4 The large search
#
# `experiments/tune.py` does the same on one [draw](../docs/results.md#how-variants-are-compared) of simulated wells, with twenty trials of ten epochs:

# %% tags=["nbval-ignore-output"]
large = tuning.read_study("experiments/tune_simulated.journal")
axis = optuna.visualization.matplotlib.plot_optimization_history(large)
axis.set(title="The search goes on finding better trials", ylabel="Dice of the validation wells")
plt.show()

# %%
table = large.trials_dataframe().sort_values("value", ascending=False)
table = table[["number", "value", *(f"params_{name}" for name in tuning.DEFAULTS)]].head(4)
baseline = large.trials_dataframe().query("number == 0")[table.columns]
pd.concat([table, baseline]).drop_duplicates().round(4).set_index("number").T

# %% [markdown]
# Trial 0 is the baseline. The best have batches of eight, the full width and a far smaller learning rate, and find 0.03 more of Dice in the search.
#
# ## 5 Does it last?
#
# `experiments/tuned.py` trains the baseline and the best trial again, on other draws, with other wells and seeds:

# %%
tuned = pd.read_csv("experiments/tuned_simulated.csv")
plots.show_draws(tuned, "defaults", "What is left of the best trial's gain on new wells")

# %% [markdown]
# Of that gain nothing is left by Dice, on average; by mean IoU, which was not searched for, 0.02 is. The search's value was a promise, and part of it was luck. Six draws cannot tell so small a difference from none.
#
# ## What we now know
#
# - Judge the winner of a search by wells that took no part in it.
# - Read a search's best value as a promise.
#
# ## Exercises
#
# 1. Add the padding to what is tuned: `azimuth` of the U-Net, in `suggest`, `DEFAULTS` and `train_with` of `experiments/tuning.py`. Make the folder `runs/padding`, and run
#    `experiments/tune.py --output runs/padding`. Does the best trial use it?
# 2. Let trials maximise the mean IoU instead of Dice (`objective`). Does the same trial win?
#
# **Next:** [07 Whole wells](07_Whole_wells.ipynb) · [the list of all review points](README.md)
