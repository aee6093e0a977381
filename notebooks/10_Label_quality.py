# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags
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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/10_Label_quality.ipynb)
#
# A model is trained and scored with labels. Which of them are wrong, in which way, and does it help to correct them?
#
# **The finding:** wrong labels can be found, but on wells like these correcting all of them shows no gain.
#
# **You will learn** which labels a model suspects and how often it is right, which systematic errors labels have, whether an annotator
# has a style, and what is gained by correcting labels.
#
# **Review points** R4.3. The list of all points is in [notebooks/README.md](README.md).
#
# **Before:** [09 The test wells and what fails in them](09_Test_wells_and_errors.ipynb) · [all notebooks](../README.md#start)
#
# **Contents**
# 1. [Suspicious labels](#1-Suspicious-labels)
# 2. [Systematic errors](#2-Systematic-errors)
# 3. [The annotator's style](#3-The-annotator's-style)
# 4. [Does it pay?](#4-Does-it-pay?)


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

from experiments import folds, plots as study_plots
from helpers import plots
from helpers.config import Config
from helpers.data import load_data, preprocess, read_labels
from helpers.data.wells import wells_of
from helpers.labels import defects, quality, ribbons
from helpers.notebook import print_versions
from helpers.training import checkpoint, runs
from helpers.whole_wells import prediction

print_versions()

# %%
config = Config()
fold_epochs = 4 if data.simulated else 1  # of each of the three models that check the labels

# %% [markdown]
# The finding in one picture (simulated wells, clean truth; [section 4](#4-Does-it-pay?) says how it was made):

# %%
study = pd.read_csv("experiments/labels_simulated.csv")
study_plots.show_study(
    study,
    "case",
    {"dice": "Dice of the wells left out", "mean_iou": "mean IoU of the wells left out"},
    "Correcting labels shows no gain, not even with a perfect annotator",
)

# %% [markdown]
# ## 1 Suspicious labels
#
# *R4.3.* A label is suspicious where a model that has not seen its well contradicts it. Only the labels of the training
# wells are checked, since only those may be corrected: each by a model that was trained on two thirds of these wells, without its own.

# %% tags=["nbval-ignore-output"]
y_loaded, images_loaded = load_data(data.folder)
y, images = preprocess.PreprocessData(config).transform(y_loaded, images_loaded)
truth = read_labels(data.folder / "y_clean.csv").loc[y.index] if data.simulated else None
wells = pd.Series(wells_of(y), y.index)
y_train = y[wells.isin(config.train_wells)]
predicted = []
for left_out in folds.well_folds(y_train, wells=config.train_wells):
    others = wells.isin(config.train_wells) & ~wells.isin(left_out)
    model = folds.train_on(y[others], images, fold_epochs, config.seed)
    predicted.append(folds.probabilities_on(model, images[wells.isin(left_out)]))
by_folds = pd.concat(predicted).loc[y_train.index]

# %% [markdown]
# ### A model that has seen none of these labels
#
# These models learned from labels with the same kinds of errors. The network that ships with the project ([notebook
# 07](07_Whole_wells.ipynb)) learned from the truth of other simulated wells.
#
# Both are asked in two ways: by [cleanlab](https://github.com/cleanlab/cleanlab), which counts the pixels whose label confident
# learning considers wrong, and by Dice between label and prediction. On simulated wells we know which labels are wrong; here a
# label is called spoiled if its IoU with the truth is below 0.7.

# %% tags=["nbval-ignore-output"]
shipped, _ = checkpoint.load_model(prediction.WEIGHTS, runs.best_device())
masks = prediction.predict_patches(shipped, images_loaded.loc[y_train.index], config)
by_shipped = pd.DataFrame(masks.flatten(1).numpy(), y_train.index, y_train.columns)
guides = {"models of such labels": by_folds, "network of simulated truth": by_shipped}
suspicion = {}
for guide, probability in guides.items():
    issues = quality.label_issues(y_train, probability)
    for ranking, values in quality.rank_labels(y_train, probability, issues).items():
        suspicion[f"{guide}, {ranking}"] = values
suspicion = pd.DataFrame(suspicion)

# %% tags=["nbval-ignore-output"]
if data.simulated:
    known = quality.known_defects(y_train, truth.loc[y_train.index])
    spoiled = known["iou"] < 0.7
    checked = 100 * pd.RangeIndex(1, len(spoiled) + 1) / len(spoiled)
    found = {
        name: spoiled[quality.most_suspicious(values, 1)].to_numpy().cumsum()
        for name, values in suspicion.items()
    }
    curves = 100 * pd.DataFrame(found, checked.rename("labels checked, most suspicious first, %"))
    title = "A network that learned from truth finds spoiled labels; by chance: the diagonal"
    plots.show_curves(curves / spoiled.sum(), "spoiled labels found, %", title)
    tenth = {
        name: spoiled[quality.most_suspicious(values, 0.1)].mean()
        for name, values in suspicion.items()
    }
    print(f"spoiled, of all labels: {spoiled.mean():.0%}; of the tenth most suspicious:")
    print(pd.Series(tenth).map("{:.0%}".format).to_string())
    wrong = (y_train != truth.loc[y_train.index]).to_numpy()
    right = ((by_shipped >= config.threshold) == (truth.loc[y_train.index] == 1)).to_numpy()
    print(
        f"{wrong.sum():,} pixels are labelled wrongly; the network of simulated truth has", end=" "
    )
    print(f"{right[wrong].mean():.0%} of them right, of all others {right[~wrong].mean():.0%}")
else:
    print("Real wells: which labels are wrong is not known, so a ranking cannot be checked.")

# %% [markdown]
# The curves show what a person finds who checks the most suspicious labels first. The models of such labels are a weak guide: most of
# their suspects are their own worst mistakes. The network of simulated truth is a better one. We did not test why: it has seen none of these
# labels, but also more wells, and whole wells. It is right on most of the wrongly labelled pixels,
# but wrong on a share of the others, which are many more. So a person should look at its suspects; it should not correct them itself. (Its
# training wells and these wells come from the same simulation. On real wells this cannot be counted.)
#
# Five of the tenth that each suspects most, by flagged pixels:

# %% tags=["nbval-ignore-output"]
first = []  # (guide, patch), five of each guide's tenth, evenly spaced, never both of two twins
for guide in guides:
    order = pd.Series(quality.most_suspicious(suspicion[f"{guide}, pixels flagged"], 0.1))
    order = order[~order.map(ribbons.block_of).duplicated()]
    first += [(guide, name) for name in order[:: max(1, len(order) // 5)][:5]]
names = [name for _, name in first]
titles = [name.removeprefix("well_").replace("_patch_", ", ") for name in names]
if data.simulated:
    verdicts = spoiled[names].map({True: "spoiled", False: "not spoiled"})
    ious = known.loc[names, "iou"].map("IoU {:.2f}".format)
    titles = ["{}: {}\n{}".format(*texts) for texts in zip(titles, verdicts, ious, strict=True)]
predicted = pd.DataFrame([guides[guide].loc[name] >= config.threshold for guide, name in first])
pictures, labels, predicted = (
    frame.to_numpy().reshape(-1, 36, 36) for frame in (images.loc[names], y.loc[names], predicted)
)
heading = f"First row: suspects of the {list(guides)[0]}. Second row: of the {list(guides)[1]}"
plots.show_patches(pictures, titles, labels, predicted, columns=5, heading=heading)

# %% [markdown]
# Titles give well, patch and, where the truth is known, the verdict. The dashed line is what the guide of the row predicts.
#
# ## 2 Systematic errors
#
# A ranking finds labels that a model doubts. Some errors come from the way labels are made. Each of these has a function of its own,
# which needs no model:
#
# | error | function | how it is found |
# |---|---|---|
# | holes | `find_holes` | wall that a groove encloses, around the wrap too |
# | slips of a pixel | `find_slips` | the label lies beside the metal loss over 20 rows or more |
# | width changes between stretches | `width_changes` | the width jumps, and holds for ten rows on both sides |
#
# In simulated labels the simulation has put all three. How far can the rules be trusted?

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
# Every hole is found, with no false alarm. A width change marks the end of a stretch whose width is wrong all along, so its
# recall by patch must be low. Slips are found, but most that the rule flags are false: probably the pipe's own pattern passes
# for metal loss. So a slip tells a person where to look, no more.
#
# ## 3 The annotator's style
#
# Does one annotator draw wider labels than another? `annotator_styles` describes the labels of each well. (A step is a
# sideways move of half a column of 36 or more between two rows.)

# %%
styles = defects.annotator_styles(y)
axis = styles.plot.scatter("width, columns of 36", "steps per 100 rows", figsize=(6.5, 4))
for well, style in styles.dropna().iterrows():
    place = style[["width, columns of 36", "steps per 100 rows"]]
    axis.annotate(f"{well}", place, xytext=(5, 3), textcoords="offset points", fontsize=10)
axis.set_title("The mean width of labels differs widely between wells (numbers)")
plt.show()

# %% [markdown]
# In the simulation width and drift belong to the groove, and annotators differ only by chance, so there is no style to be found. On
# labels of people the same figure would separate an annotator who draws narrow bands from one who draws wide ones over the same kind of groove.
#
# As a feature, each patch gets the standardised style of its well. It comes from the labels, so only training patches have one; for a
# well without labels one chooses the style that its masks should have.

# %%
of_training = styles.loc[list(config.train_wells)]
feature = ((of_training - of_training.mean()) / of_training.std(ddof=0)).fillna(0)
feature.loc[wells_of(y_train)].set_axis(y_train.index).iloc[::120].round(1)

# %% [markdown]
# ## 4 Does it pay?
#
# `experiments/labels.py` leaves each of three folds of the training and validation wells out in turn. The labels of the others are ranked
# by models that have not seen their wells; the tenth that is most suspicious is dropped, corrected by these models, or replaced by the
# truth, as a perfect annotator would redraw it. Then the U-Net is trained, and scored by the clean truth of the wells left out.
# "All redrawn" replaces all labels by the truth, the most that cleaning of labels can do; "bootstrapped BCE" is a loss that gives labels less weight.
# Against the labels as drawn, same fold and seed, with the interval of the mean difference:

# %%
print(study[["command", "data", "judge", "machine"]].drop_duplicates().T.to_string(header=False))
folds.paired_differences(study, "case", "dice", than="labels as drawn").round(3)

# %% [markdown]
# Nothing beats the labels as drawn, not even labels without any error, though each interval holds a small gain too. So we see no sign
# that errors of labels limit the model here. Labels corrected by the model itself lower Dice in two folds of three. Our guess: grooves
# that the model does not find are removed from its labels. So a person should decide about suspects, not the model.
#
# With `CORROSEG_DATA` set the same cells run on the real images. There they check **silver labels**, which were made by
# a U-Net of this kind, not by people.
#
# ## What we now know
#
# - Models that learned from such labels are a weak guide to wrong ones; a network that learned from simulated truth is a better one.
# - Holes are found by a rule; slips too, with many false alarms.
# - With data of this size correcting labels shows no gain.
#
# ## Exercises
#
# 1. Plant more slips (`helpers.data.synthetic`, `_annotate`): then run `experiments/labels.py --output runs/mine.csv`. From how many slips on does
#    "all redrawn" beat "labels as drawn"?
# 2. Look at the twenty most suspicious patches of your own labels, and count how many you would change.
#
# **Back to:** [01 EDA](01_EDA.ipynb) · [the list of all review points](README.md)
