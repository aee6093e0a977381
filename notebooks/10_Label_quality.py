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
# Labels are drawn by hand, and a network learns their errors too. Which labels are wrong, and what is it worth to correct them?
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/10_Label_quality.ipynb)
# **Review point** R4.3: [suspicious labels](#1-Suspicious-labels) · [errors of the hand](#2-Errors-of-the-hand) · [who drew it](#3-Who-drew-it?) · [does it pay](#4-Does-it-pay?) ·
# **Before:** [09 The test wells, and what fails in them](09_Test_wells_and_errors.ipynb) · **Back to:** [01 EDA](01_EDA.ipynb) · [all notebooks](../README.md#start)

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
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import ndimage

from helpers import plots
from helpers.config import Config
from helpers.data import load_data, preprocess, read_labels, wells
from helpers.labels import defects, quality, ribbons
from helpers.notebook import print_versions, show_code
from helpers.training import checkpoint, runs
from helpers.whole_wells import prediction

print_versions()

# %% [markdown]
# ## 1 Suspicious labels
#
# *R4.3.* A label is suspicious where a network that has not learned from it says otherwise. Before, one trains on all labels and looks where the loss is high: but the network has learned the errors too. Now the
# network that ships with the project is asked, which learned from the truth of other simulated wells ([notebook 07](07_Whole_wells.ipynb)). [cleanlab](https://github.com/cleanlab/cleanlab) counts the pixels
# whose label confident learning takes for wrong:

# %%
show_code(quality.label_issues)

# %% tags=["nbval-ignore-output"]
config = Config()
y_loaded, images_loaded = load_data(data.folder)
y, images = preprocess.PreprocessData(config).transform(y_loaded, images_loaded)
truth = read_labels(data.folder / "y_clean.csv").loc[y.index] if data.simulated else None
y_train = y[pd.Series(wells.wells_of(y), y.index).isin(config.train_wells)]
shipped, _ = checkpoint.load_model(prediction.WEIGHTS, runs.best_device())
probability = prediction.predict_patches(shipped, images_loaded.loc[y_train.index], config)
probability = pd.DataFrame(probability.flatten(1).numpy(), y_train.index, y_train.columns)
issues = quality.label_issues(y_train, probability)
suspicion = quality.rank_labels(y_train, probability, issues)

# %% [markdown]
# The twelve most suspicious patches; the dashed line is what the network sees:

# %% tags=["nbval-ignore-output"]
order = pd.Series(quality.most_suspicious(suspicion["pixels flagged"], 0.1))
names = list(order[~order.map(ribbons.block_of).duplicated()][:12])  # never both of two twins
titles = [name.removeprefix("well_").replace("_patch_", ", ") for name in names]
if data.simulated:
    known = quality.known_defects(y_train, truth.loc[y_train.index])
    spoiled = known["iou"] < 0.7
    titles = [
        f"{title}: {'wrong' if spoiled[name] else 'right'}"
        for name, title in zip(names, titles, strict=True)
    ]
pictures, labels, predicted = (
    frame.loc[names].to_numpy().reshape(-1, 36, 36)
    for frame in (images, y, probability >= config.threshold)
)
heading = "Labels that the network takes for wrong, and whether they are"
plots.show_patches(pictures, titles, labels, predicted, heading=heading)

# %% tags=["nbval-ignore-output"]
if data.simulated:
    checked = 100 * pd.RangeIndex(1, len(spoiled) + 1) / len(spoiled)
    found = {
        f"by {name}": spoiled[quality.most_suspicious(values, 1)].to_numpy().cumsum()
        for name, values in suspicion.items()
    }
    found["at random"] = spoiled.sum() * checked / 100
    curves = 100 * pd.DataFrame(found, checked.rename("labels checked, most suspicious first, %"))
    plots.show_curves(
        curves / spoiled.sum(),
        "wrong labels found, %",
        "A third of the checking finds most of them",
    )
else:
    print("Real wells: which labels are wrong is not known, so a ranking cannot be checked.")

# %% [markdown]
# A label is called wrong here if its IoU with the truth is below 0.7. Whoever checks the most suspicious labels first finds most wrong ones early. But the network is wrong too, so its suspects are for a person to look at.
# The wells come from the simulation that it learned from; on real wells this cannot be counted.
#
# ## 2 Errors of the hand
#
# Some errors come from the way labels are drawn, and need no network to be found: *holes* in a groove, *slips* sideways, *width changes* between stretches. How far can such rules be trusted?

# %%
flagged = defects.defects_per_patch(y, images)
table = flagged.sum().to_frame("patches flagged")
if data.simulated:
    drawn = quality.known_defects(y, truth)
    real = pd.DataFrame(
        {
            "hole": drawn["hole"] >= 1,
            "slip": drawn["slipped"] >= 6,  # rows of the patch
            "width change": drawn["width"] >= 6,
        }
    )
    table["patches with the flaw"] = real.sum()
    table["precision"] = (real & flagged).sum() / flagged.sum()
    table["recall"] = (real & flagged).sum() / real.sum()
table.round(2)

# %%
examples = []
for kind in flagged:
    of_kind = pd.Series(flagged.index[flagged[kind]])
    one_a_well = of_kind[~of_kind.str.split("_").str[1].duplicated()]
    examples += [(kind, name) for name in one_a_well[:5]]
names = [name for _, name in examples]
titles = [f"{kind}\n{name}" for kind, name in examples]
if data.simulated:
    titles = [
        f"{'true' if real.loc[name, kind] else 'false'} {title}"
        for (kind, name), title in zip(examples, titles, strict=True)
    ]
pictures, labels = (frame.loc[names].to_numpy().reshape(-1, 36, 36) for frame in (images, y))
heading = "What the rules find: true and false holes, slips and width changes"
plots.show_patches(pictures, titles, labels, columns=5, heading=heading)

# %% [markdown]
# Holes are found without a false alarm. Slips are found, with many false alarms: the pipe's own pattern passes for metal loss. A width change marks only the end of a stretch whose width is wrong all along.
#
# ## 3 Who drew it?
#
# *R4.3.* Annotators have styles: one draws narrow bands, another wide ones over the same kind of groove. Width alone does not tell, since grooves differ in width too. So we compare each well's labels with what the
# network finds there. To have a style to find, a second annotator is put into every other well, who draws a column more on both sides:

# %% tags=["nbval-ignore-output"]
well_of = pd.Series(wells.wells_of(y_train), y_train.index)
second = sorted(well_of.unique())[::2] if data.simulated else []
drawn = y_train.copy()
for name in y_train.index[well_of.isin(second)]:
    mask = y_train.loc[name].to_numpy().reshape(36, 36)
    drawn.loc[name] = ndimage.binary_dilation(mask, [[1, 1, 1]]).astype(np.uint8).ravel()
area = pd.DataFrame(
    {"drawn": drawn.sum(axis=1), "found": (probability >= config.threshold).sum(axis=1)}
)
style = area.groupby(well_of).sum()
style = (style["drawn"] / style["found"])[style["found"] > 500].rename("area drawn / area found")
colours = [plots.ORANGE if well in second else plots.BLUE for well in style.index]
axis = style.plot.bar(rot=0, figsize=(7, 2.8), color=colours, xlabel="well", ylabel=style.name)
axis.set_title("The annotator who draws wide bands (orange) shows beside what a network finds")
plt.show()

# %% [markdown]
# Where the second annotator drew, more is drawn than found. The number is a feature of the annotator: a model can be given it beside the image, or the wide labels can be made narrower before training.
#
# ## 4 Does it pay?
#
# `experiments/labels.py` drops or redraws the tenth that the network suspects most, then trains the baseline, on [draws](../docs/results.md#how-variants-are-compared) of simulated wells with hasty labels. "All redrawn" trains on the truth,
# the most that cleaning of labels can do:

# %%
study = pd.read_csv("experiments/labels_simulated.csv")
plots.show_draws(study, "as drawn", "What better labels are worth")

# %% [markdown]
# Better labels gain little here, not even perfect ones: errors of a hasty hand are not what limits this network. Two draws cannot tell a small gain from none.
#
# With the challenge's files the same cells run on real images. With silver labels, which a U-Net drew, they check that network, not people.
#
# ## What we now know
#
# - Ask a network that has not learned from the labels.
# - A ranking saves a person's time; it does not replace him.
# - Measure what perfect labels would gain before you pay for better ones.
#
# ## Exercises
#
# 1. Plant more slips (`_annotate` in `helpers/data/synthetic.py`), and run `experiments/labels.py --variants "as drawn" "all redrawn" --output runs/mine.csv`. When do the errors begin to cost?
# 2. Look at the twenty most suspicious patches of your own labels, and count how many you would change.
#
# **Back to:** [01 EDA](01_EDA.ipynb) · [the list of all review points](README.md)
