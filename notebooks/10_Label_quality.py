# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,jupyter,cellView
#     formats: ipynb,py:percent
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
# # 10 · Label quality
#
# Labels are drawn by hand, in haste, and a network learns their errors too. Which are wrong, can a network learn who drew them, and what would better ones gain? The labels that a network suspects most:
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/10_Label_quality.ipynb) · before: [09 The test wells, and what fails in them](09_Test_wells_and_errors.ipynb) · back to: [01 EDA](01_EDA.ipynb) · [all notebooks](../README.md#start) · [review point](README.md#r43-the-quality-of-the-labels) R4.3
#
# [Suspicious labels](#1-Suspicious-labels) · [Errors of the hand](#2-Errors-of-the-hand) · [Who drew it?](#3-Who-drew-it?) · [Does it pay?](#4-Does-it-pay?)

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
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from experiments import draws
from helpers import inference, metrics, models, plots, training
from helpers.data import dataset, load_data, preprocess, read_labels, wells
from helpers.labels import defects, quality, ribbons
from helpers.notebook import print_versions
from helpers.whole_wells import prediction

print_versions()

# %% cellView="form" jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
config = draws.STUDY_CONFIG
y_loaded, images_loaded = load_data(data.folder)
y, images = preprocess.PreprocessData(config).transform(y_loaded, images_loaded)
truth = read_labels(data.folder / "y_clean.csv").loc[y.index] if data.simulated else None
y_train = y[np.isin(wells.wells_of(y), config.train_wells)]
device = training.runs.best_device()
shipped, _ = training.checkpoint.load_model(prediction.WEIGHTS, device)
probability = prediction.predict_patches(shipped, images_loaded.loc[y_train.index], config)
probability = pd.DataFrame(probability.flatten(1).numpy(), y_train.index, y_train.columns)
suspicion = quality.rank_labels(y_train, probability, quality.label_issues(y_train, probability))

order = pd.Series(quality.most_suspicious(suspicion["pixels flagged"], 0.1))
names = list(order[~order.map(ribbons.block_of).duplicated()][:8])  # never both of two twins
titles = [name.replace("well_", "well ").replace("_patch_", ", patch ") for name in names]
heading = "The eight labels that a network suspects most"
if data.simulated:
    spoiled = quality.known_defects(y_train, truth.loc[y_train.index])["iou"] < 0.7
    titles = [
        f"{title}:\nthe label is {'wrong' if spoiled[name] else 'right'}"
        for title, name in zip(titles, names, strict=True)
    ]
    heading += f": {spoiled[names].sum()} are wrong, {(~spoiled[names]).sum()} right"
pictures, labels, predicted = (
    frame.loc[names].to_numpy().reshape(-1, 36, 36)
    for frame in (images, y, probability >= config.threshold)
)
plots.show_patches(pictures, titles, labels, predicted, columns=4, heading=heading)

# %% [markdown]
# Without a black line the annotator has drawn nothing, without a green one the network has found nothing. Either can be wrong.
#
# ## 1 Suspicious labels
#
# **Before** (R4.3). The junior takes labels as they are. The loss of one's own network does not show their errors, since it has learned them. **Now** the network that ships with the project is asked, which learned from the truth of *other* simulated wells
# ([notebook 07](07_Whole_wells.ipynb)).
#
# But how far must it disagree? *Confident learning* takes the network's usual confidence as the measure. For pixels labelled groove, how sure is it of groove, on average? A pixel labelled wall is flagged if the network is at least that sure that it is groove; and the other way round. Four pixels:

# %%
label = np.array([0, 0, 1, 1])  # 1: groove
groove = np.array([0.1, 0.8, 0.5, 0.9])  # the network's probability of groove
usual_groove = groove[label == 1].mean()  # 0.7
usual_wall = (1 - groove)[label == 0].mean()  # 0.55
np.where(label == 1, 1 - groove >= usual_wall, groove >= usual_groove)

# %% [markdown]
# The second is flagged: labelled wall, but the network is surer of groove than usual. The third is not, though the network is unsure. [cleanlab](https://github.com/cleanlab/cleanlab) does this for all pixels ([`label_issues`](../helpers/labels/quality.py)), and patches are ranked by the share that is flagged. A second ranking, *1 − Dice*, is how much label and prediction differ. Which
# finds the wrong labels first? Wrong is here what has an IoU below 0.7 with the truth:

# %% tags=["nbval-ignore-output"]
if data.simulated:
    checked = pd.Index(
        100 * np.arange(1, len(spoiled) + 1) / len(spoiled), name="labels checked, %"
    )
    found = {
        f"by {name}": spoiled[quality.most_suspicious(values, 1)].to_numpy().cumsum()
        for name, values in suspicion.items()
    }
    found["at random"] = spoiled.sum() * checked / 100
    curves = 100 * pd.DataFrame(found, checked) / spoiled.sum()
    fifth = curves["by pixels flagged"].iloc[len(curves) // 5]
    plots.show_curves(
        curves,
        "wrong labels found, %",
        f"Whoever checks the most suspicious fifth finds {fifth:.0f} % of the wrong labels",
    )
else:
    print("Real wells: which labels are wrong is not known, so a ranking cannot be checked.")

# %% [markdown]
# The first curve is steeper at the start. It flattens where the remaining labels have no flagged pixel; from there the second finds more. Suspects are for a person to look at, since the network is wrong too. And it knows this kind of wells: on real ones it would do worse.
#
# ## 2 Errors of the hand
#
# Some errors come from the way labels are drawn, and [rules](../helpers/labels/defects.py) find them without a network: *holes* in a groove, *slips* sideways, *width changes* between stretches.

# %%
flagged = defects.defects_per_patch(y, images)
table = flagged.sum().to_frame("patches flagged")
if data.simulated:
    drawn = quality.known_defects(y, truth)
    flaws = {
        "hole": drawn["hole"] >= 1,
        "slip": drawn["slipped"] >= 6,
        "width change": drawn["width"] >= 6,
    }
    real = pd.DataFrame(flaws)  # slipped, or of a wrong width, in six rows or more
    table["patches with the flaw"] = real.sum()
    table["flags that are right"] = (real & flagged).sum() / flagged.sum()
    table["flaws that are flagged"] = (real & flagged).sum() / real.sum()
table.round(2)

# %% [markdown]
# On these wells every hole that the rule flags is an error, so holes can be filled without a look. Two of three flagged slips are false alarms, as the pipe's own pattern passes for metal loss: look at each first. A width change marks only where a stretch of wrong width ends, so most of the stretch is not flagged.
#
# ## 3 Who drew it?
#
# Annotators have styles. Here a second one takes over every other well, and draws a column more on both sides. What is drawn, beside what the network finds:


# %% tags=["nbval-ignore-output"]
def draw_wider(masks: torch.Tensor) -> torch.Tensor:  # (n, 1, 36, 36)
    return torch.nn.functional.max_pool2d(masks.float(), (1, 3), stride=1, padding=(0, 1))


well_of = wells.wells_of(y_train)
second = np.unique(well_of)[::2] if data.simulated else []
masks = dataset.as_images(y_train)
is_second = torch.from_numpy(np.isin(well_of, second))[:, None, None, None]
area = {
    "drawn": torch.where(is_second, draw_wider(masks), masks).sum(dim=(1, 2, 3)),
    "found": (probability >= config.threshold).sum(axis=1),
}
area = pd.DataFrame(area, y_train.index).groupby(well_of).sum()
enough = area["found"] > 500  # of fewer pixels it says nothing
style = (area["drawn"] / area["found"]).where(enough)
colours = [plots.ORANGE if well in second else plots.BLUE for well in style.index]
axis = style.plot.bar(rot=0, figsize=(7.5, 2.8), color=colours)
axis.set(xlabel="well", ylabel="area drawn / found")
for place in np.flatnonzero(style.isna()):
    axis.text(place, 0.05, "too little\nfound", ha="center", fontsize=9)
title = "Area that was drawn, for each pixel that the network finds"
if data.simulated:
    wide = style.index.isin(second)
    title = f"Area drawn / found: the second annotator (orange) {style[wide].min():.1f} or more, "
    title += f"the first (blue) {style[~wide].max():.1f} or less"
axis.set_title(title)
plt.show()

# %% [markdown]
# So a style can be measured. Then it can be corrected, by making wide labels narrower, or told to the network: by a second input channel, 0 for the first annotator, 1 for the second. Each draws half of the wells of a simulated
# [draw](../docs/results.md#how-variants-are-compared):

# %%
draw = draws.simulate_draw(0, learn=16, judged=16)
part = draws.as_dataset(*draw.cleaned)
who = torch.from_numpy(wells.wells_of(draw.cleaned[0]) % 2 == 1)[:, None, None, None]
labels = torch.where(who, draw_wider(part.masks), part.masks)


def inputs(part: dataset.SegmentationDataset, who: torch.Tensor | None) -> torch.Tensor:
    images = torch.stack([image for image, _ in part])  # (n, 1, 36, 36), in the network's scale
    return images if who is None else torch.cat([images, who.float().expand_as(images)], dim=1)


def learn(images: torch.Tensor) -> torch.nn.Module:
    torch.manual_seed(draw.number)
    network = models.build_model("unet", width=16)
    network.encoder1[0][0] = torch.nn.Conv2d(images.shape[1], 16, 3, padding=1)  # 1 channel or 2
    run = training.runs.unsaved_run(network, draw.config)
    pairs = torch.utils.data.TensorDataset(images, labels)
    loader = dataset.make_loader(pairs, draw.config.batch_size, shuffle=True)
    for _ in training.train(run, loader, epochs=10):
        pass
    return run.model


# %% tags=["nbval-ignore-output"]
not_told, told = learn(inputs(part, None)), learn(inputs(part, who))
truth_of = {"first": draw.judged.masks, "second": draw_wider(draw.judged.masks)}


def find(network: torch.nn.Module, told: str | None) -> torch.Tensor:
    told = None if told is None else torch.full((len(draw.judged), 1, 1, 1), told == "second")
    pairs = torch.utils.data.TensorDataset(inputs(draw.judged, told), draw.judged.masks)
    probability = inference.predict_probabilities(network, dataset.make_loader(pairs, 64))
    return probability >= config.threshold


answers = {"not told": find(not_told, None)}
answers |= {f"told “{who}”": find(told, who) for who in truth_of}
area, dice = pd.Series(dtype=float), pd.DataFrame()
for who, truth in truth_of.items():
    area[f"the {who}"] = (truth.sum() / truth_of["first"].sum()).item()
    for name, found in answers.items():
        area[name] = (found.sum() / truth_of["first"].sum()).item()
        dice.loc[name, who] = metrics.summarise(metrics.count_pixels(found, truth))["dice"]

# %% tags=["nbval-ignore-output"]
away = ~truth_of["second"][..., [0, -1]].flatten(1).any(dim=1)  # from the patch's border
clear = truth_of["first"].flatten(1).any(dim=1).bool() & away
counts = metrics.count_pixels(answers["told “first”"], truth_of["first"])
ranked = metrics.dice_from_counts(counts).where(clear, torch.nan).argsort()  # NaN comes last
shown = ranked[3 * int(clear.sum()) // 4]  # the upper quartile
middle = int(truth_of["first"][shown, 0].any(dim=0).nonzero().float().mean())
left = min(max(middle - 9, 0), 18)  # 18 columns and 18 rows, so that one sees a column more
crop = (shown, slice(None), slice(0, 18), slice(left, left + 18))
empty = torch.zeros(3, 18, 18)
drawn = torch.cat([*(truth[crop].float() for truth in truth_of.values()), empty])
found = torch.cat([empty[:2], *(answer[crop].float() for answer in answers.values())])
pictures = draw.judged.images[crop].expand(5, -1, -1)
panels = ["the first", "the second", *answers]
titles = [f"{name}:\narea {area[name]:.2f}" for name in panels]
heading = "If told who draws, one network draws narrow or wide"
outlines = (drawn.numpy(), found.numpy())
plots.show_patches(pictures.numpy(), titles, *outlines, 5, "an annotator's", heading=heading)

# %% [markdown]
# Each title tells the area drawn in all 16 new wells, with the first annotator's as 1. Without being told, the network draws a width in between; told who drew, it draws as that annotator does. So name the same annotator for every well, and all masks come out in one style. For that the label file needs a column: who drew.
#
# Does it score better? One training each cannot say (exercise 2).
#
# ## 4 Does it pay?
#
# `experiments/labels.py` trains the baseline on draws with labels as hasty as those above. Before that it drops the tenth that the network suspects most, or redraws it, by the network or by the truth. "All redrawn" is the truth alone, the most that cleaning can do:

# %%
study = pd.read_csv("experiments/labels_simulated.csv")
gains = draws.differences(study, "as drawn")
few, shown = gains["draws"].min(), gains["difference"].abs() > gains["half-width"]
verdict = ", ".join(f"{name} {gains.loc[name, 'difference']:+.3f}" for name in gains.index[shown])
verdict = (
    f"shown is {verdict.replace('-', '−')}" if verdict and few > 2 else "no gain or loss is shown"
)
plots.show_draws(study, "as drawn", f"Better labels, {few} draws or more: {verdict}")

# %% [markdown]
# A gain or a loss is shown where the orange line leaves zero out. What the network redraws *probably* gains by Dice, in ten draws of twelve; all else is *open*, even the truth of all labels. So if better labels gain on such wells, it is little beside what chance does in one draw. Worse labels may be another matter.
#
# On real images with silver labels, which a U-Net drew, the first cells check that network, not people.
#
# ## What we now know
#
# - Ask a network that has not learned from the labels, and look at its suspects.
# - Note who drew each label: a style can then be corrected, or told.
# - Measure what perfect labels would gain before you pay for better ones.
#
# ## Exercises
#
# 1. Plant more slips (`_annotate` in `helpers/data/synthetic.py`), and run `experiments/labels.py --variants "as drawn" "all redrawn" --output runs/mine.csv`. When do the errors begin to cost?
# 2. Run section 3 with `simulate_draw(1, ...)`, and look at `dice`. Does the width follow there, too, and is the network that was told nearer to either annotator? (In draws 0 to 5 the width follows each time. The Dice rises for both annotators in draw 0 alone, so tell a network who drew for the sake of one style, not of a better score.)
#
# **Back to:** [01 EDA](01_EDA.ipynb) · [the list of all review points](README.md)
