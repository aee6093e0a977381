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
# A groove runs along the casing, and a patch shows a short piece of it. What does a network find that sees the pipe, and what if it has learned from thousands of invented rows before?
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/07_Whole_wells.ipynb)
# **Beyond the review:** [four steps](#1-Four-steps) · [the network](#2-A-network-that-looks-along-the-pipe) · [a well that is lost](#3-A-well-that-is-lost) ·
# [wells that nobody has logged](#4-Wells-that-nobody-has-logged) · [decide by grooves](#5-Decide-by-grooves,-not-by-pixels) ·
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
from copy import deepcopy

import numpy as np
import pandas as pd
import torch

from helpers import metrics, models, plots, training
from helpers.config import Config
from helpers.data import load_data, preprocess, read_labels
from helpers.data.wells import well_from_frame, wells_of
from helpers.notebook import print_versions, show_code
from helpers.training import checkpoint, runs
from helpers.whole_wells import geometry, prediction, sections, simulation

print_versions()

# %% [markdown]
# ## 1 Four steps
#
# `experiments/whole_wells.py` compares the steps on draws of simulated wells ([what a draw is, and how to read the figure](../docs/results.md#how-variants-are-compared)):

# %%
study = pd.read_csv("experiments/whole_wells_simulated.csv")
steps = {
    "patches": "patches",
    "patches, circular padding": "patches, padded around the pipe",
    "group norm": "whole wells",
    "shipped": "simulated wells only (the shipped weights)",
    "shipped, averaged": "simulated wells first, then these",
}
shown = study[study["variant"].isin(steps)].replace({"variant": steps})
shown = shown.set_index("variant").loc[
    [name for name in steps.values() if name in set(shown["variant"])]
]
plots.show_draws(
    shown.reset_index(), "patches", "Whole wells find more, and simulated wells before them most"
)

# %% [markdown]
# A network of whole wells finds more than one of patches, in every draw. The weights that ship are far ahead: they learned from the *truth* of many other simulated wells, not from hasty labels.
# This is their best case, since simulated wells judge what simulated wells taught. On the real test wells they agree with silver labels a little less by Dice than a baseline that learned from real wells, and as well by mean IoU
# ([model card](../data/weights/README.md#how-well-it-does)).
#
# ## 2 A network that looks along the pipe
#
# Patches are put together again into a picture of the well, once around the pipe ([notebook 01](01_EDA.ipynb#7-From-patches-back-to-wells)). `WellResUNet` is a U-Net with residual blocks: each adds
# to its input instead of replacing it. Its two deepest levels shrink rows only, and its padding goes around the pipe. The levels of a section of 144 rows:

# %%
network, shapes = models.build_model("well_resunet", norm="group"), []
for block in network.down:
    block.register_forward_hook(lambda block, given, made: shapes.append(made.shape[1:]))
with torch.no_grad():
    network(torch.zeros(1, 1, 144, 72))
levels = pd.DataFrame(shapes, columns=["channels", "rows", "columns"])
levels.assign(rows_in_a_cell=144 // levels["rows"])

# %% [markdown]
# It learns from sections, each time cut somewhere else, with changes after which a pipe is still a pipe. Pixels without a measurement are unknown, and have no loss:

# %%
config = Config()
y, images = load_data(data.folder)
in_training, in_validation = (
    sections.assemble_wells(y, images, part) for part in (config.train_wells, config.val_wells)
)
train = sections.SectionDataset(in_training, transform=sections.well_transform(), moving=True)
val = sections.SectionDataset(in_validation)
loaders = (
    sections.section_loader(train, config.batch_size, shuffle=True),
    sections.section_loader(val, config.batch_size),
)
print(f"sections for training: {len(train)}, for validation: {len(val)}")
show_code(sections.well_transform)

# %% [markdown]
# How tall should a section be? 36 rows are a patch's height:

# %%
heights = {"group norm, 36 rows": 36, "group norm": 144, "group norm, 360 rows": 360}
of_height = study.assign(rows=study["variant"].map(heights)).dropna(subset="rows")
of_height.astype({"rows": int}).groupby("rows")[["dice", "mean_iou"]].mean().round(3)

# %% [markdown]
# Most of the gain over patches is there with sections as tall as a patch. So it comes from the network and how it is fed, which differ in several things at once. Taller sections add a little; ten times a patch's height loses.
#
# ## 3 A well that is lost
#
# Batch normalisation scales each layer by the mean and the spread of a batch, and for prediction it remembers their running means. A batch of patches mixes many wells; one of sections holds one or two, so
# the running means fit no well. We ask such a network about wells that it has not seen, with the running means, and with the statistics of the window that it looks at. The weights are the same:

# %%
invented = simulation.simulate_wells(12, config.train_wells, seed=3, rows=720)


def with_own_statistics(model: torch.nn.Module) -> torch.nn.Module:
    model = deepcopy(model)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean = layer.running_var = None
    return model


def dice_of(model: torch.nn.Module, thickness: torch.Tensor, truth: torch.Tensor) -> float:
    found = prediction.predict_well(model, thickness.numpy(), scales=(1.0,)) >= 0.5
    return metrics.dice(torch.from_numpy(found)[None], truth[None] == 1).item()


# %% tags=["nbval-ignore-output"]
run = runs.unsaved_run("well_resunet", config, norm="batch")
for _ in training.train(run, loaders[0], epochs=4):
    pass
asked = {"running means": run.model, "own statistics": with_own_statistics(run.model)}
grooved = {well: pair for well, pair in invented.items() if (pair[1] == 1).any()}
dices = pd.DataFrame(
    {
        name: {well: dice_of(model, *pair) for well, pair in grooved.items()}
        for name, model in asked.items()
    }
)
dices.T.round(2)

# %% tags=["nbval-ignore-output"]
lost = (dices["own statistics"] - dices["running means"]).idxmax()
thickness, truth = (image.numpy() for image in invented[lost])
plots.show_well_strips(
    dict.fromkeys(asked, thickness),
    dict.fromkeys(asked, truth),
    {
        name: (prediction.predict_well(model, thickness, scales=(1.0,)) >= 0.5).astype(float)
        for name, model in asked.items()
    },
    heading="The same weights, the same well (black: its truth)",
)

# %% [markdown]
# With the running means most of the groove is missed; with the statistics of the window, nearly all of it is found. So it is on the study's draws:

# %%
norms = study[study["variant"].isin(["batch norm", "batch norm, own statistics", "group norm"])]
norms.pivot(index="draw", columns="variant", values="dice").dropna().round(3)

# %% [markdown]
# The running means cost batch norm much of what group norm gains. *Group norm* has none: it takes mean and spread of each section by itself, in training and in prediction alike.
#
# ## 4 Wells that nobody has logged
#
# Labelled wells are few. A simulation makes as many as one likes, and knows each groove. The properties of a well are drawn at random, from ranges a little wider than those of the training wells
# (`simulation.draw_recipe`). Three of the dozen above:

# %%
few = {f"simulated\n{number - 999}": pair for number, pair in list(grooved.items())[:3]}
plots.show_well_strips(
    {name: pair[0].numpy() for name, pair in few.items()},
    {name: pair[1].numpy() for name, pair in few.items()},
    heading="Each simulated well has properties of its own (outline: its truth)",
)

# %% [markdown]
# The project ships weights that were trained on such wells alone ([how, and what they cannot do](../data/weights/README.md)). We train them on the wells at hand for a few epochs. *Averaged* is the mean, weight by weight, of the network
# before and after ([Wortsman et al. 2022](https://arxiv.org/abs/2109.01903)), with which `experiments/train_wells.py` ends, the command for [wells of your own](../docs/running.md#your-own-wells):

# %% tags=["nbval-ignore-output"]
run = runs.start_run("well_resunet", config, norm="group")
shipped, _ = checkpoint.load_model(prediction.WEIGHTS, run.device)
run.model.load_state_dict(shipped.state_dict())
history = training.fit(run, *loaders, epochs=3 if data.simulated else 1)
averaged = models.mean_of_weights(shipped, run.model)
history.round(4)

# %% [markdown]
# ## 5 Decide by grooves, not by pixels
#
# Before, each pixel is judged by itself: from 0.5 on it is groove. So a faint stretch of a clear groove is lost, and a speck in sound wall is kept. Now a groove is what hangs together at a low probability,
# around the pipe too, and it is kept if a pixel of it is sure (*hysteresis*). The network sees the well twice, as it is and at half its rows; the mean counts.

# %%
show_code(prediction.groove_mask)

# %% tags=["nbval-ignore-output"]
judge = read_labels(data.folder / "y_clean.csv") if data.simulated else y
thickness, truth = well_from_frame(images, 3), well_from_frame(judge, 3)
probability = prediction.predict_well(averaged, thickness, config=config)
masks = {"by pixels": probability >= 0.5, "by grooves": prediction.groove_mask(probability, config)}
shown = np.where(preprocess.usable_pixels(thickness, config), thickness, np.nan)
plots.show_well_strips(
    {"well 3\n" + name: shown for name in masks},
    {"well 3\n" + name: truth for name in masks},
    {"well 3\n" + name: mask.astype(float) for name, mask in masks.items()},
    heading="The same probabilities, cut in two ways (black: the truth)",
)

# %% tags=["nbval-ignore-output"]
names = y.index[np.isin(wells_of(y), config.val_wells)]
in_wells = {well: well_from_frame(images, well) for well in config.val_wells}
rows = {}
for scales in ((1.0,), prediction.SCALES):
    found = {
        well: prediction.predict_well(averaged, image, scales=scales)
        for well, image in in_wells.items()
    }
    for name, cut in {
        "by pixels": lambda p: p >= 0.5,
        "by grooves": prediction.groove_mask,
    }.items():
        masks = {well: cut(probability) for well, probability in found.items()}
        mask = torch.from_numpy(geometry.patches_of_wells(masks, names))[:, None]
        counts = metrics.count_pixels(mask, preprocess.as_images(judge.loc[names]).bool())
        rows[f"{name}, {len(scales)} depth scale(s)"] = metrics.summarise(counts)
judged_by = "clean truth" if data.simulated else data.labels
print(f"validation wells, scored by {judged_by}; seed {config.seed}. Data: {data.description}")
pd.DataFrame(rows).T.round(3)

# %% [markdown]
# On these simulated wells two depth scales help, and deciding by grooves costs: the masks reach beyond the groove. On real wells it gains: by silver labels the shipped weights' mean IoU rises by 0.18 on
# the validation wells, 0.08 on the training wells, 0.05 on the test wells ([model card](../data/weights/README.md#how-well-it-does)). There the network meets what the simulation does not know, and is seldom sure; two thresholds make up for that. So prediction decides by grooves, and
# `Config(likely=0.5, sure=0.5)` by pixels.
#
# **The challenge's winner**, [CorroSeg](https://github.com/tamontealegrep/CorroSeg), scored 0.6979 with sections of whole wells too. `experiments/rival.py` is his network and recipe, written anew, which does not come near it yet ([Results](../docs/results.md)).
#
# ## What we now know
#
# - A network of whole wells finds more than one of patches. Normalise without running means.
# - Simulated wells with their truth are worth training on. How much, real wells must say.
# - How a probability becomes a mask matters as much as the network. Choose it on wells like yours.
#
# ## Exercises
#
# 1. Give the batch-norm network of section 3 longer batches (`Config(batch_size=32)`). Is the well still lost?
# 2. Let the simulation make two grooves a well (`helpers.data.synthetic.simulate`). What does the network find where they cross?
#
# **Next:** [08 From a log to a report](08_Groove_report.ipynb) · [the list of all review points](README.md)
