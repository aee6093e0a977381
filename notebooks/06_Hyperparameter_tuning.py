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
# Twenty settings were tried, and the best one gained. Does it still gain on wells that it was not chosen by?
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/06_Hyperparameter_tuning.ipynb) · before: [05 A score that one can trust](05_Leak_and_split.ipynb) · next: [07 Whole wells](07_Whole_wells.ipynb) · [all notebooks](../README.md#start) · [review point](README.md#r41-hyperparameters) R4.1
#
# [What is tuned](#1-What-is-tuned) · [A trial](#2-A-trial) · [TensorBoard](#3-TensorBoard) · [The large search](#4-The-large-search) · [Does it last?](#5-Does-it-last?)

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

# %% cellView="form" jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
import shutil
from datetime import datetime

import matplotlib.pyplot as plt
import optuna
import pandas as pd
import seaborn as sns
from torch.utils.tensorboard import SummaryWriter

from experiments import draws, tuning
from helpers import plots
from helpers.config import Config
from helpers.notebook import print_versions, show_code

print_versions()

# %% cellView="form" jupyter={"source_hidden": true}
large = tuning.read_study("experiments/tune_simulated.journal")
best, promise = large.best_trial, large.best_value - large.trials[0].value
tuned = pd.read_csv("experiments/tuned_simulated.csv")
scores = {"dice": "Dice, which was searched for", "mean_iou": "mean IoU, which was not"}
gains = tuned.pivot(index="draw", columns="variant", values=list(scores))
gains = gains.xs(f"trial {best.number}", axis=1, level=1) - gains.xs("defaults", axis=1, level=1)
gains = gains[list(scores)].rename(columns=scores)

plt.figure(figsize=(7.5, 2.3))
axis = sns.swarmplot(gains, orient="h", color=plots.BLUE, size=8)
axis.plot(gains.mean(), list(gains), "|", color=plots.ORANGE, markersize=28, markeredgewidth=3)
axis.plot(promise, scores["dice"], "*", color=plots.GREEN, markersize=16, label="in the search")
axis.axvline(0, color="black", linewidth=1)
axis.set(xlabel="best trial minus baseline (dot: on a draw of new wells; orange: the mean)")
axis.set(ylim=(1.5, -0.5))
on_new = gains.iloc[:, 0].mean()
title = f"The search promised {promise:+.2f} of Dice; on new wells it is {on_new:+.2f}"
axis.set_title(title.replace("-", "−"))
axis.legend(loc="center left")  # where no dot is
plt.show()

# %% [markdown]
# The star is what the best of twenty trials gained on the wells that it was chosen by, the dots what it gains on others. The best of many is partly the luckiest, so a search is only half of tuning; the other half is to ask again.
#
# ## 1 What is tuned
#
# **Before** (R4.1). The junior's notebook has one run with one set of values: a learning rate of 0.001, 25 epochs. The review asks to train with various hyperparameters, and to choose by validation.
#
# **Now** [Optuna](https://optuna.org) searches. One writes a function that takes a *trial*, asks it for values, and returns how good they were. A *study* calls the function many times, and asks more often where it was good. The lowest
# place of a parabola, for instance:


# %% tags=["nbval-ignore-output"]
def parabola(trial):
    x = trial.suggest_float("x", -10, 10)  # a number between these
    return (x - 2) ** 2


optuna.logging.set_verbosity(optuna.logging.WARNING)  # no line a trial
toy = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
toy.optimize(parabola, n_trials=50)
toy.best_params

# %% [markdown]
# Nobody told it that the answer is 2. A network has more values; `suggest_categorical` takes one of a list:

# %%
show_code(tuning.suggest)

# %% [markdown]
# ## 2 A trial
#
# A trial trains a U-Net with such values. Its worth is its Dice on validation wells, a fifth of the draw's wells to learn from. Labels judge, not the truth, since real wells have no truth to tune by. After each epoch `report` tells the study how the trial stands, and
# `should_prune` answers whether to stop it, because most others stood better at that epoch:

# %%
show_code(tuning.objective)

# %% [markdown]
# A study is kept in a file, its *journal*. `experiments/tune.py` has left one of twenty trials, of which the first has the baseline's values. The same call goes on from there, as it does after a crash. We add one to a copy:

# %% tags=["nbval-ignore-output"]
folder = Config().runs_dir / f"tuning_{datetime.now():%Y%m%d_%H%M%S}"
folder.mkdir(parents=True)
shutil.copy("experiments/tune_simulated.journal", folder / "study.journal")
draw = draws.simulate_draw(100, judged=1)  # the wells of that study
study = tuning.search(folder / "study.journal", draw, epochs=10, trials=21)
study.trials_dataframe()[["number", "value", "state", "params_loss"]].tail(3).round(4)

# %% [markdown]
# ## 3 TensorBoard
#
# Each trial is a run of its own, with its curve and, on the HPARAMS page, its values and its score:

# %% tags=["nbval-ignore-output"]
for trial in study.trials:
    with SummaryWriter(folder / f"trial_{trial.number:03d}") as writer:
        for epoch, value in trial.intermediate_values.items():
            writer.add_scalar("Dice of validation wells", value, epoch)
        writer.add_hparams(trial.params, {"final/dice": trial.value or float("nan")}, run_name=".")
print(f"{len(study.trials)} trials written to {folder.name}")

# %%
# %load_ext tensorboard
# %tensorboard --logdir runs

# %% [markdown]
# ## 4 The large search
#
# All twenty trials. Those below the axis are drawn at its edge:

# %%
trials = large.trials_dataframe().set_index("number")
stopped, floor = trials["state"] == "PRUNED", 0.70
plt.figure(figsize=(7.5, 3))
for chosen, mark, label in ((~stopped, "o", "ten epochs"), (stopped, "x", "stopped early")):
    values = trials["value"][chosen].clip(lower=floor)
    plt.plot(values.index, values, mark, color=plots.BLUE, label=label, clip_on=False)
plt.step(
    trials.index, trials["value"].cummax(), where="post", color=plots.ORANGE, label="best so far"
)
plt.xlabel("trial (0: the baseline)")
plt.xticks(range(0, 20, 2))
plt.ylabel("Dice of the validation wells")
plt.ylim(floor, 0.80)
plt.title(f"Trial {best.number} is {promise:.2f} better than the baseline, and stays the best")
plt.legend(loc="lower right", bbox_to_anchor=(1, 0.1))
plt.show()

# %%
four = trials.loc[[0, *trials["value"].nlargest(3).index]]
four = four[["value", *(f"params_{name}" for name in tuning.DEFAULTS)]].rename(
    columns={"value": "Dice"}
)
four.index = ["baseline", *(f"trial {number}" for number in four.index[1:])]
four = four.rename(columns=lambda name: name.removeprefix("params_"))
four.T.map(lambda value: value if isinstance(value, str) else f"{value:.3g}")

# %%
curve = pd.Series(best.intermediate_values)
print(
    f"trial {best.number}, from one epoch to the next, in the last six: up to {curve[-6:].diff().abs().max():.2f}"
)

# %% [markdown]
# The best three agree in small batches, the full width, little dropout and a learning rate far below the baseline's. But the Dice of the best one moves from epoch to epoch by more than it gained. Which of these trials is the best is partly chance.
#
# ## 5 Does it last?
#
# `experiments/tuned.py` trains the baseline and the best trial again, on [draws](../docs/results.md#how-variants-are-compared) of other wells, with other seeds. Differences are taken draw by draw, as in the opening picture; *half-width* is that of their mean's 95 % interval:

# %%
lasting = pd.concat([draws.differences(tuned, "defaults", score) for score in scores])
lasting.set_axis(list(scores.values())).round(3)

# %% [markdown]
# By Dice nothing is left of the gain: the trial is worse in nine draws of twelve. By mean IoU, for which nobody searched, it *gains* by our [rule](../docs/results.md#how-variants-are-compared).
#
# On the simulated test wells the trial is far below the baseline, by both scores and with each of three seeds: its Dice is 0.716 against 0.817 ([notebook 09](09_Test_wells_and_errors.ipynb#1-The-test-wells)). What a search finds for some wells need not hold for others, and so the project keeps the baseline's values.
#
# The challenge is decided by mean IoU. A search for it should have maximised it.
#
# ## What we now know
#
# - Judge the winner of a search by wells that took no part in it, and more than once.
# - Search for the score that you will be judged by.
# - Ask how far a score moves by itself, from epoch to epoch and from seed to seed, before you rank trials by it.
#
# ## Exercises
#
# 1. Let trials maximise mean IoU: in `objective` of `experiments/tuning.py`, take `"mean_iou"` instead of `"dice"`, make the folder `runs/iou`, and run `experiments/tune.py --output runs/iou`. Does the same trial win?
# 2. Tune on real wells: `CORROSEG_DATA=<folder> python experiments/tune.py`. How many trials beat the baseline?
#
# **Next:** [07 Whole wells](07_Whole_wells.ipynb) · [the list of all review points](README.md)
