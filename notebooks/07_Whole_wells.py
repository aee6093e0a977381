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
# # 07 · Whole wells
#
# A groove runs along the casing for many metres, and a patch shows a hand's breadth of it. What does a network find that sees the pipe?
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/07_Whole_wells.ipynb)
# **Beyond the review:** [a network that looks along the pipe](#1-A-network-that-looks-along-the-pipe) · [does it help](#2-Does-it-help?) ·
# [pipes that nobody has logged](#3-Pipes-that-nobody-has-logged) · [decide by grooves](#4-Decide-by-grooves,-not-by-pixels) ·
# **Before:** [06 Hyperparameter tuning](06_Hyperparameter_tuning.ipynb) · **Next:** [08 From a log to a report](08_Groove_report.ipynb) · [all notebooks](../README.md#start)

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
import numpy as np
import pandas as pd

from helpers import metrics, models, plots, training
from helpers.config import Config
from helpers.data import load_data, preprocess, read_labels
from helpers.data.dataset import as_images
from helpers.data.wells import well_from_frame, wells_of
from helpers.notebook import print_versions, show_code
from helpers.training import checkpoint, runs
from helpers.whole_wells import prediction, sections, simulation

print_versions()

# %% [markdown]
# ## 1 A network that looks along the pipe
#
# The challenge cuts a well into patches; put together again, a well is one picture, once around the pipe ([notebook 01](01_EDA.ipynb#7-From-patches-back-to-wells)).
# `WellResUNet` is a residual U-Net with two more levels, which shrink rows only: a cell of the deepest one covers the height of a patch. Its padding is circular around the pipe, and it takes
# 36 columns as well as 72, each well as it was logged.
#
# It learns from sections of 144 rows, each time cut somewhere else, with changes after which a pipe is still a pipe. Pixels without a measurement are unknown, and have no loss:

# %%
config = Config()
y, images = load_data(data.folder)
in_training, in_validation = (
    sections.assemble_wells(y, images, part) for part in (config.train_wells, config.val_wells)
)
train = sections.SectionDataset(in_training, transform=sections.well_transform(), moving=True)
val = sections.SectionDataset(in_validation)
print(f"sections for training: {len(train)}, for validation: {len(val)}")
show_code(sections.well_transform)

# %% [markdown]
# ## 2 Does it help?
#
# `experiments/whole_wells.py` trains the baseline on patches and this network on sections, on the same wells ([how variants are compared](../docs/results.md#how-variants-are-compared)):

# %%
study = pd.read_csv("experiments/whole_wells_simulated.csv")
plots.show_draws(study, "patches", "Whole wells help with group norm, in every draw")

# %% [markdown]
# With *group norm*, which normalises each section by itself, the network finds about 0.05 of Dice more than patches do, in every draw. With *batch norm* it is level: a batch holds one or two sections, and their
# statistics are not those of the next well. Shorter and taller sections do a little less well than 144 rows. A draw's networks learn from two dozen wells; fewer may change the order.
#
# ## 3 Pipes that nobody has logged
#
# Labelled wells are few. A simulation makes as many as one likes, and knows each groove. Properties of a well are drawn at random, from ranges a little wider than those of the training wells:

# %%
show_code(simulation.draw_recipe)

# %%
invented = simulation.simulate_wells(4, config.train_wells, seed=3, rows=720)
plots.show_well_strips(
    {f"simulated\n{number - 999}": well[0].numpy() for number, well in invented.items()},
    {f"simulated\n{number - 999}": well[1].numpy() for number, well in invented.items()},
    heading="Each simulated well has properties of its own",
)

# %% [markdown]
# The project ships weights that were trained on such wells alone ([how, and what they cannot do](../data/weights/README.md)). We start from them, and train on the wells at hand for a few epochs. *Averaged* is the mean of the weights
# before and after ([Wortsman et al. 2022](https://arxiv.org/abs/2109.01903)), with which `experiments/train_wells.py` ends, the command for [wells of your own](../docs/running.md#your-own-wells):

# %% tags=["nbval-ignore-output"]
run = runs.start_run("well_resunet", config, norm="group")
shipped, _ = checkpoint.load_model(prediction.WEIGHTS, run.device)
run.model.load_state_dict(shipped.state_dict())
of_sections = (
    sections.section_loader(train, config.batch_size, shuffle=True),
    sections.section_loader(val, config.batch_size),
)
history = training.fit(run, *of_sections, epochs=4 if data.simulated else 1)
averaged = models.mean_of_weights(shipped, run.model)
history.round(4)

# %% [markdown]
# ## 4 Decide by grooves, not by pixels
#
# A probability becomes a mask. Before, each pixel is judged by itself: from 0.5 on it is groove. So a faint stretch of a clear groove is lost, and a speck in sound wall is kept. Now a groove is what hangs together at a low probability,
# around the pipe too, and it is kept if a pixel of it is sure (*hysteresis*); and the probability is the mean over two depth scales of the well:

# %%
show_code(prediction.groove_mask)

# %% tags=["nbval-ignore-output"]
judge = read_labels(data.folder / "y_clean.csv") if data.simulated else y
thickness, truth = well_from_frame(images, 3), well_from_frame(judge, 3)
probability = prediction.predict_well(averaged, thickness, config=config)
plain = prediction.predict_well(averaged, thickness, scales=(1.0,), config=config) >= 0.5
masks = {"by pixels": plain, "by grooves": prediction.groove_mask(probability, config)}
shown = np.where(preprocess.usable_pixels(thickness, config), thickness, np.nan)
plots.show_well_strips(
    {"well 3\n" + name: shown for name in masks},
    {"well 3\n" + name: truth for name in masks},
    {"well 3\n" + name: mask.astype(float) for name, mask in masks.items()},
    heading="What both rules make of the same network's answer",
)

# %% tags=["nbval-ignore-output"]
names = y.index[np.isin(wells_of(y), config.val_wells)]
rows = {}
for name, model in {"shipped": shipped, "averaged": averaged}.items():
    mask = prediction.mask_patches(model, images.loc[names], config)
    counts = metrics.count_pixels(mask, as_images(judge.loc[names]).bool())
    rows[f"{name}, by grooves"] = metrics.summarise(counts)
judged_by = "clean truth" if data.simulated else data.labels
print(f"validation wells, scored by {judged_by}; seed {config.seed}. Data: {data.description}")
pd.DataFrame(rows).T.round(2)

# %% [markdown]
# `experiments/deciding.py` compares scales and thresholds, on draws and on folds of the real wells.
#
# **The challenge's winner**, [CorroSeg](https://github.com/tamontealegrep/CorroSeg), with a mean IoU of 0.6979 in the challenge, learned from sections of whole wells too. `experiments/rival.py` is his network and recipe, written anew.
#
# ## What we now know
#
# - Show a network the whole pipe, and normalise each section by itself.
# - Simulated wells are worth training on, where labelled ones are few.
# - Decide by grooves: it needs no training.
#
# ## Exercises
#
# 1. Let the simulation make two grooves a well (`helpers.data.synthetic.simulate`). What does the network find where they cross?
# 2. Train on your own wells: `experiments/train_wells.py`.
#
# **Next:** [08 From a log to a report](08_Groove_report.ipynb) · [the list of all review points](README.md)
