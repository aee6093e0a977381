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
# A groove runs along the pipe, and a patch shows a short piece of it. What does a network find that is given whole wells, and what if it has learned from many simulated wells before?
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

# %% cellView="form" jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
from copy import deepcopy

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from helpers import metrics, models, plots, training
from helpers.config import Config
from helpers.data import load_data, preprocess, read_labels, wells
from helpers.notebook import print_versions, show_code
from helpers.training import checkpoint, runs
from helpers.whole_wells import geometry, prediction, sections, simulation

print_versions()

# %% cellView="form" jupyter={"source_hidden": true}
tables = [pd.read_csv(f"experiments/{name}_simulated.csv") for name in ("whole_wells", "rival")]
study = pd.concat(tables).drop_duplicates(["draw", "variant"])  # both trained the patches' network


def show_study(names: dict[str, str], than: str, title: str) -> None:
    rows = [study[study["variant"] == name].assign(variant=shown) for name, shown in names.items()]
    plots.show_draws(pd.concat(rows), than, title)


steps = {
    "patches": "patches",
    "group norm": "1: whole wells",
    "shipped": "2: simulated wells instead",
    "shipped, averaged": "3: simulated wells first, then these",
    "shipped, averaged, by grooves": "4: the same, decided by grooves",
}
show_study(steps, "patches", "Whole wells find more than patches; many simulated wells help most")

# %% [markdown]
# A grey dot is one repetition with other simulated wells (a [*draw*](../docs/results.md#how-variants-are-compared)).
#
# ## 1 Four steps
#
# A network for whole wells finds more than the baseline. The largest step is to learn from many simulated wells, with their *truth* instead of hasty labels. The last two steps add nothing. But simulated wells judge here what simulated wells taught; sections 4 and 5 ask real ones.
#
# ## 2 A network that looks along the pipe
#
# Patches are put together into a picture of the well, once around the pipe ([notebook 01](01_EDA.ipynb#7-From-patches-back-to-wells)). `WellResUNet` is a U-Net with residual blocks and
# padding around the pipe. It learns from sections of 144 rows, cut anew each time, and changed so that a pipe is still a pipe:

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
# The study changes one thing at a time:

# %%
changed = {
    "group norm": "whole wells",
    "patches": "patches",
    "patches, circular padding": "patches, padded around the pipe",
    "group norm, 36 rows": "sections as tall as a patch",
    "group norm, 360 rows": "sections ten times as tall",
    "batch norm": "batch norm, running means",
    "batch norm, own statistics": "batch norm, own statistics",
    "rival": "the challenge's first place",
    "our network, its loss": "whole wells, with its loss",
}
show_study(
    changed, "whole wells", "Sections of 144 rows find most; running means lose all that was gained"
)

# %% [markdown]
# A section's height matters: as tall as a patch it brings less than half of the gain, and so does ten times that. Padding patches around the pipe *probably* gains. The network of first place, written anew (`experiments/rival.py`), finds as much as ours with a fourteenth of the weights. With its loss, IoU and focal, ours *probably* gains by Dice, and loses by [mean IoU](../docs/results.md#the-challenges-first-place).
#
# ## 3 A well that is lost
#
# *Batch norm* scales the values inside a network by mean and spread: in training by those of the batch, in prediction by averages that it has kept (*running means*). A batch of patches mixes many wells, one of sections holds one or two.
# So a well is scaled by its own values in training, by the average well in prediction.
#
# We ask such a network in two ways: with the running means, and with the statistics of what it sees:

# %%
simulated = simulation.simulate_wells(12, config.train_wells, seed=3, rows=720)
grooved = {well: pair for well, pair in simulated.items() if (pair[1] == 1).any()}


def batch_norms(model: torch.nn.Module) -> list[torch.nn.BatchNorm2d]:
    return [layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)]


def with_own_statistics(model: torch.nn.Module) -> torch.nn.Module:
    model = deepcopy(model)
    for layer in batch_norms(model):  # without them PyTorch takes those of the window
        layer.running_mean = layer.running_var = None
    return model


def spread_inside(model: torch.nn.Module, thickness: torch.Tensor) -> float:
    """Of the values in a well, as a share of the kept one: the geometric mean over all layers."""
    shares = []

    def compare(layer, given, made):
        shares.append((given[0].std(dim=(0, 2, 3)) / layer.running_var.sqrt()).log().mean())

    hooks = [layer.register_forward_hook(compare) for layer in batch_norms(model)]
    prediction.predict_well(model, thickness.numpy(), scales=(1.0,))
    for hook in hooks:
        hook.remove()
    return torch.stack(shares).mean().exp().item()


# %% tags=["nbval-ignore-output"]
run = runs.unsaved_run("well_resunet", config, norm="batch")
for _ in training.train(run, loaders[0], epochs=4):
    pass
asked = {"running means": run.model, "own statistics": with_own_statistics(run.model)}
masks, rows = {}, {}
for well, (thickness, truth) in grooved.items():
    rows[well] = {"spread": spread_inside(run.model, thickness)}
    for name, model in asked.items():
        found = prediction.predict_well(model, thickness.numpy(), scales=(1.0,)) >= 0.5
        masks[well, name] = found
        rows[well][name] = metrics.dice(torch.from_numpy(found)[None], truth[None] == 1).item()
asked_wells = pd.DataFrame(rows).T
gain = asked_wells["own statistics"] - asked_wells["running means"]

# %% tags=["nbval-ignore-output"]
plt.figure(figsize=(7.5, 3))
plt.plot(asked_wells["spread"], gain, "o", color=plots.BLUE)
plt.plot(
    asked_wells["spread"][gain.idxmax()], gain.max(), "o", color=plots.ORANGE, label="the lost well"
)
plt.axhline(0, color="black", linewidth=1)
plt.axvline(1, color="0.6", linewidth=1, zorder=0)
plt.xlabel("spread of the values inside the network, as a share of the average that it has kept")
plt.ylabel("own statistics minus\nrunning means, Dice")
better, worse = (gain > 0).sum(), (gain < 0).sum()
plt.title(
    f"Own statistics find more in {better} wells, most where the spread is small, and less in {worse}"
)
plt.legend()
plt.show()

# %% tags=["nbval-ignore-output"]
pairs = [(well, name) for well in (gain.idxmax(), gain.idxmin()) for name in asked]
titles = [f"well {well - 999}\n{name}\nDice {rows[well][name]:.2f}" for well, name in pairs]
plots.show_well_strips(
    {title: grooved[well][0].numpy() for title, (well, _) in zip(titles, pairs, strict=True)},
    {title: grooved[well][1].numpy() for title, (well, _) in zip(titles, pairs, strict=True)},
    {title: masks[pair].astype(float) for title, pair in zip(titles, pairs, strict=True)},
    heading="Own statistics find the groove that was lost,\nand make more false calls",
    outlined="true groove",
)

# %% [markdown]
# The lost well has the narrowest spread, and the next two are rescued, too: there the kept average is about twice too wide. Elsewhere own statistics mostly cost, in well 11 by false calls. So it is after four epochs; after ten, in the study, they match group norm.
#
# *Group norm* keeps no averages: it takes mean and spread of each section by itself, in training and in prediction alike.
#
# ## 4 Wells that nobody has logged
#
# Labelled wells are few; a simulation makes as many as one likes, with their truth. The project ships weights that were trained on such wells alone ([how, and what they cannot do](../data/weights/README.md)). We train them on the wells at hand, and *average*: take the mean, weight by weight, of the network
# before and after ([Wortsman et al. 2022](https://arxiv.org/abs/2109.01903)). So does `experiments/train_wells.py` with [wells of your own](../docs/running.md#your-own-wells):

# %% tags=["nbval-ignore-output"]
run = runs.start_run("well_resunet", config, norm="group")
shipped, _ = checkpoint.load_model(prediction.WEIGHTS, run.device)
run.model.load_state_dict(shipped.state_dict())
training.fit(run, *loaders, epochs=3 if data.simulated else 1)
averaged = models.mean_of_weights(shipped, run.model)

# %% [markdown]
# On the draws this adds nothing; on the fifteen simulated wells it adds [0.06 of Dice](09_Test_wells_and_errors.ipynb#1-The-test-wells) on the test wells. On three folds of real wells it agrees with silver labels more than the baseline, each time by mean IoU if grooves decide ([Results](../docs/results.md)).
#
# On the real test wells the shipped weights agree with them a little less by Dice than an earlier version's baseline, which learned from real wells, and as well by mean IoU ([model card](../data/weights/README.md#how-well-it-does)).
#
# ## 5 Decide by grooves, not by pixels
#
# By pixels, each is judged by itself: from 0.5 on it is groove. By grooves, what hangs together at a low probability,
# around the pipe too, is kept if a pixel of it is sure (*hysteresis*). So a faint stretch of a clear groove stays, and a speck goes. The network sees the well twice, as it is and at half its rows; the mean counts.

# %%
show_code(prediction.groove_mask)

# %% tags=["nbval-ignore-output"]
judge = read_labels(data.folder / "y_clean.csv") if data.simulated else y
thickness, truth = (wells.well_from_frame(frame, 3) for frame in (images, judge))
probability = prediction.predict_well(averaged, thickness, config=config)
masks = {"by pixels": probability >= 0.5, "by grooves": prediction.groove_mask(probability, config)}
shown = np.where(preprocess.usable_pixels(thickness, config), thickness, np.nan)
plots.show_well_strips(
    {"well 3\n" + name: shown for name in masks},
    {"well 3\n" + name: truth for name in masks},
    {"well 3\n" + name: mask.astype(float) for name, mask in masks.items()},
    heading="Decided by grooves, the mask\nreaches further beyond the groove",
    outlined="true groove" if data.simulated else "label",
)

# %% tags=["nbval-ignore-output"]
names = y.index[np.isin(wells.wells_of(y), config.val_wells)]
in_wells = {well: wells.well_from_frame(images, well) for well in config.val_wells}
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
# On these two simulated wells the second look helps, and deciding by grooves costs: masks reach beyond the groove. On five folds of real wells it gains 0.10 of mean IoU with the shipped weights, 0.05 with trained ones, by silver labels ([Results](../docs/results.md)):
# there the network is seldom sure. So prediction decides by grooves, and `Config(likely=0.5, sure=0.5)` by pixels.
#
# **The challenge's winner**, [CorroSeg](https://github.com/tamontealegrep/CorroSeg), reached a mean IoU of 0.6979 there. None of ours was sent in. On the real wells its code and our version of it, each trained for ten minutes, agree with silver labels alike ([Results](../docs/results.md#the-challenges-first-place)).
#
# ## What we now know
#
# - Whole wells gain, if sections are neither short nor very tall.
# - Normalise without running means where batches hold few wells.
# - Many simulated wells, with their truth, help most on such wells. On real ones the gain is smaller.
# - Choose on wells like yours how a probability becomes a mask.
#
# ## Exercise
#
# Give the batch-norm network of section 3 longer batches (`Config(batch_size=32)`). Is the well still lost?
#
# **Next:** [08 From a log to a report](08_Groove_report.ipynb) · [the list of all review points](README.md)
