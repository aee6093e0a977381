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
# 5. [On the real images](#5-On-the-real-images)


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
from sklearn.metrics import roc_auc_score

from experiments import folds, plots as study_plots
from helpers import plots
from helpers.config import Config
from helpers.data import load_data, preprocess, read_labels
from helpers.data.wells import block_of, wells_of
from helpers.labels import defects, quality
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
# *R4.3.* [cleanlab](https://github.com/cleanlab/cleanlab) compares each label with the probability that a model which has
# not seen the well gives it. It ranks whole patches in two ways: "softmin" looks at the worst pixels, "pixels flagged" counts the
# pixels that confident learning considers wrong. Two simple rankings and a random one are compared with it. Only the labels of the training
# wells are ranked, since only those may be corrected. Each is checked by a model that was trained on two thirds of these wells, without its own.

# %% tags=["nbval-ignore-output"]
y_loaded, images_loaded = load_data(data.folder)
y, images = preprocess.PreprocessData(config).transform(y_loaded, images_loaded)
wells = pd.Series(wells_of(y), y.index)
y_train = y[wells.isin(config.train_wells)]
truth = read_labels(data.folder / "y_clean.csv").loc[y.index] if data.simulated else None
probability = quality.unseen_probabilities(y_train, images, fold_epochs, config.seed)

# %% tags=["nbval-ignore-output"]
issues = quality.label_issues(y_train, probability)
suspicion = quality.rank_labels(y_train, probability, issues, config.seed)
print(f"pixels flagged: {issues.to_numpy().sum():,} of {issues.size:,}")

# %% [markdown]
# On simulated wells we know which labels are wrong, and how. Here a label is called spoiled if its IoU with the truth is
# below 0.7.


# %% tags=["nbval-ignore-output"]
def show_first_suspects(suspicion: pd.DataFrame) -> None:
    shares = {"first 2%": 0.02, "first 5%": 0.05, "first 10%": 0.1, "first 20%": 0.2}
    table = {
        first: {
            name: spoiled[quality.most_suspicious(suspicion[name], share)].mean()
            for name in suspicion
        }
        for first, share in shares.items()
    }
    print("share that is spoiled, of the first suspects of each ranking:")
    print(pd.DataFrame(table).round(2).to_string())


if data.simulated:
    known = quality.known_defects(y_train, truth.loc[y_train.index])
    spoiled = known["iou"] < 0.7
    print(f"{spoiled.sum()} of {len(spoiled)} labels are spoiled ({spoiled.mean():.0%})")
    checked = 100 * pd.RangeIndex(1, len(spoiled) + 1) / len(spoiled)
    in_order = {name: spoiled[quality.most_suspicious(suspicion[name], 1)] for name in suspicion}
    plots.show_curves(
        pd.DataFrame(
            {
                name: 100 * order.to_numpy().cumsum() / spoiled.sum()
                for name, order in in_order.items()
            },
            checked.rename("labels checked, the most suspicious first, %"),
        ),
        "spoiled labels found, %",
        "The first fifth of the suspects holds about a third of the spoiled labels",
    )
    show_first_suspects(suspicion)
else:
    print("Real wells: which labels are wrong is not known, so a ranking cannot be checked.")

# %% tags=["nbval-ignore-output"]
if data.simulated:
    flawed = pd.DataFrame(
        {kind: known[kind] >= (1 if kind == "hole" else 6) for kind in known if kind != "iou"}
    )
    auc = {
        kind: {ranking: roc_auc_score(flawed[kind], suspicion[ranking]) for ranking in suspicion}
        for kind in flawed
    }
    print(pd.DataFrame(auc).round(2).to_string())

# %% [markdown]
# The curves show what a person finds who checks the most suspicious labels first. Of the first tenth by flagged pixels
# a little more than a quarter are spoiled; one in five would be by chance. So these suspicions are a weak guide: most of the first
# suspects are not bad labels but the model's own worst mistakes. (One seed, four epochs. The longer models of section 4 do no better.)
#
# The second table is the area under the ROC curve for each kind of flaw (six rows or more of a patch; a hole of any size; 0.5 is chance).
# Plain 1 − Dice finds the stretches that the annotator overlooked best; cleanlab's rankings find slips of a pixel, wrong widths and
# holes better. The latter have detectors of their own, which need no model (section 2).
#
# ### A model that has seen none of these labels
#
# These models learned from labels with the same kinds of errors. The network that ships with the project ([notebook
# 07](07_Whole_wells.ipynb#4-Pipes-that-nobody-has-logged)) was trained on the truth of other simulated wells, not on labels. The same rankings by
# it:

# %% tags=["nbval-ignore-output"]
shipped, _ = checkpoint.load_model(prediction.WEIGHTS, runs.best_device())
found = prediction.predict_patches(shipped, images_loaded.loc[y_train.index], config)
by_shipped = pd.DataFrame(found.flatten(1).numpy(), y_train.index, y_train.columns)
shipped_issues = quality.label_issues(y_train, by_shipped)
shipped_suspicion = quality.rank_labels(y_train, by_shipped, shipped_issues, config.seed)
if data.simulated:
    show_first_suspects(shipped_suspicion)
    wrong = (y_train != truth.loc[y_train.index]).to_numpy()
    right_now = ((by_shipped >= config.threshold) == (truth.loc[y_train.index] == 1)).to_numpy()
    print(f"{wrong.sum():,} pixels are labelled wrongly; of these the network has", end=" ")
    print(f"{right_now[wrong].mean():.0%} right, of all others {right_now[~wrong].mean():.0%}")

# %% [markdown]
# Of the tenth that it suspects most, by flagged pixels or cross-entropy, about seven in ten are spoiled, where one in five would be by chance. We did not test why the other models are a weaker
# guide: they learned from such labels, from six wells, for four epochs, and saw patches only. This network is right on more than four in five of the wrongly labelled pixels,
# but wrong on a small share of the others, which are many more. So a person should look at its suspects; it should not correct them itself. (Its training wells and these
# wells come from the same simulation. On real wells this cannot be counted.)
#
# Nine suspects of the models above:

# %% tags=["nbval-ignore-output"]
suspects = quality.most_suspicious(suspicion["cleanlab, pixels flagged"], 0.1)
first = suspects[~pd.Series(suspects).map(block_of).duplicated()][:9]  # not both of two twins
titles = [name.removeprefix("well_").replace("_patch_", ", ") for name in first]
if data.simulated:
    titles = [
        f"{title}\nIoU {known.loc[name, 'iou']:.2f}\n{'spoiled' if spoiled[name] else 'not spoiled'}"
        for title, name in zip(titles, first, strict=True)
    ]
pictures, labels = (frame.loc[first].to_numpy().reshape(-1, 36, 36) for frame in (images, y))
predicted = (probability.loc[first].to_numpy() >= 0.5).reshape(-1, 36, 36)
heading = "The most suspicious labels, and what the model predicts"
plots.show_patches(pictures, titles, labels, predicted, columns=9, heading=heading)
if data.simulated:
    figure, axes = plt.subplots(1, len(first), figsize=(1.9 * len(first), 2.3))
    for axis, mask, label in zip(axes, truth.loc[first].to_numpy(), labels, strict=True):
        axis.imshow(mask.reshape(36, 36), cmap="Greys", vmax=2)
        plots.draw_outline(axis, plots.LABEL_LINE, label)
        axis.set_axis_off()
    figure.suptitle("The same labels over the true grooves, grey")
    plt.show()

# %% [markdown]
# Titles give well, patch and, where the truth is known, the label's IoU with it, and whether that is below 0.7. Most of these suspects are not spoiled.
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
# | broken at patch borders | `ends_at_borders` | grooves end at borders more often than between other rows |
# | twins disagree | `twin_disagreements` | a column of one twin contradicts both neighbours, which the other drew |

# %%
per_well = defects.defects_per_well(y, images)
per_well.round(1).convert_dtypes().astype(object).where(per_well.notna(), "–")

# %%
per_well.sum().map("{:,.0f}".format).to_frame("all wells").T

# %% [markdown]
# In simulated labels the simulation has put holes, slips and width changes. Grooves do not end at patch borders more often than
# between other rows ("expected there"), and twins agree: these labels were drawn on whole wells. Otherwise these two columns would
# show it (see section 5). How far can the detectors be trusted?

# %%
flagged = defects.defects_per_patch(y, images)
if data.simulated:
    drawn = quality.known_defects(y, truth)
    pairs = {"hole": ("hole", 1), "slip": ("slipped", 6), "width change": ("width", 6)}
    rows = {}
    for name, (kind, least) in pairs.items():
        real = drawn[kind] >= least
        rows[name] = {
            "patches flagged": flagged[name].sum(),
            "patches with the flaw": real.sum(),
            "precision": real[flagged[name]].mean(),
            "recall": flagged[name][real].mean(),
        }
    print(pd.DataFrame(rows).T.round(2).convert_dtypes().to_string())

# %%
examples = [
    (kind, name)
    for kind in ("hole", "slip", "width change")
    for name in flagged.index[flagged[kind] & (wells == 13)][:4]
]
if examples:
    names = [name for _, name in examples]
    titles = [f"{kind}\n{name}" for kind, name in examples]
    if data.simulated:
        right = [drawn.loc[name, pairs[kind][0]] >= pairs[kind][1] for kind, name in examples]
        titles = [f"{'true' if r else 'false'} {t}" for r, t in zip(right, titles, strict=True)]
    plots.show_patches(
        images.loc[names].to_numpy().reshape(-1, 36, 36),
        titles,
        y.loc[names].to_numpy().reshape(-1, 36, 36),
        columns=4,
        heading="What the rules find: true and false holes, slips and width changes",
    )

# %% [markdown]
# Every hole is found, with no false alarm. A width change marks the end of a stretch whose width is wrong all along, so its
# recall by patch must be low. Slips are found, but for each true one there are about two false; 36 of the 90 are in well 3, probably because of
# its strong pattern. Their counts per well show where to look, no more.
#
# ## 3 The annotator's style
#
# Does one annotator draw wider labels than another? `annotator_styles` describes the labels of each well. (A step is a
# sideways move of half a column of 36 or more between two rows; jitter is the mean second difference of the label's middle.)

# %%
styles = defects.annotator_styles(y)
styles.dropna().round(2)

# %%
axis = styles.plot.scatter("width, columns of 36", "steps per 100 rows", figsize=(6.5, 4))
for well, style in styles.dropna().iterrows():
    place = style[["width, columns of 36", "steps per 100 rows"]]
    axis.annotate(f"{well}", place, xytext=(5, 3), textcoords="offset points", fontsize=10)
axis.set_title("The mean width of labels differs widely between wells")
plt.show()

# %% [markdown]
# Widths group the wells: about 2.5 columns in wells 1, 2, 5 and 7, about 4 in wells 3, 12, 13 and 14. In the simulation width and drift
# belong to the groove, and annotators differ only by chance, so there is no style to be found. On real
# labels the same table would separate an annotator who draws 2 columns from one who draws 4 over the same kind of groove.
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
# truth, as a perfect annotator would redraw it. Then the U-Net is trained for ten epochs, and scored by the clean truth of the wells left out.
# "All redrawn" replaces all labels by the truth, the most that cleaning of labels can do; "bootstrapped BCE" is a loss that gives labels less weight.

# %%
print(study[["command", "data", "judge", "machine"]].drop_duplicates().T.to_string(header=False))
print("share of the suspects that are spoiled, fold by fold:", *study["suspects_spoiled"].unique())

# %% [markdown]
# Against the labels as drawn, same fold and seed, with the 95 % interval of the mean difference:

# %%
folds.paired_differences(study, "case", "dice", than="labels as drawn").round(3)

# %% [markdown]
# Nothing beats the labels as drawn, not even labels without any error. So we see no sign that errors of labels limit the model here, though a gain of up to 0.045 is inside the interval.
# Labels corrected by the model itself lower Dice in two folds of three, though the interval holds 0. Our guess: grooves that the model
# does not find are removed from its labels. So a person should decide about suspects, not the model.
#
# ## 5 On the real images
#
# With `CORROSEG_DATA` set the same cells run on the real images. There they find errors of **silver labels**, which were made by
# a U-Net of this kind, not by people. `CORROSEG_DATA=<folder> make run` gives these figures:
#
# * *Systematic errors.* 3 holes in 9,633 patches. 100 grooves end at a patch border, where 28 would if borders were rows like any other,
#   and in the 72-column wells 450 pixels of one twin contradict both neighbours. Both columns of the table show that these masks were made patch by patch,
#   each twin by itself.
# * *Style.* A width holds for 2 to 14 rows (median of each well), where the simulated annotators, like the challenge's, keep it over long
#   stretches. Widths are those of the wells, 2.3 columns in well 7 to 4.3 in well 15.
#
# ## What we now know
#
# - Models that learned from such labels are a weak guide: of their first suspects more than a quarter are spoiled, where one in five would be by
#   chance. Of the suspects of a network trained on simulated truth, about seven in ten are. Holes are found by a
#   rule, slips with about two false alarms each.
# - With data of this size correcting labels shows no gain, and a model that corrects its own labels is 0.046 of Dice lower on average (−0.244 to 0.152).
#
# ## Exercises
#
# 1. Plant more slips (`helpers.data.synthetic`, `_annotate`): then run `experiments/labels.py --output runs/mine.csv`. From how many slips on does
#    "all redrawn" beat "labels as drawn"?
# 2. Look at the twenty most suspicious patches of your own labels, and count how many you would change.
#
# **Back to:** [01 EDA](01_EDA.ipynb) · [the list of all review points](README.md)
