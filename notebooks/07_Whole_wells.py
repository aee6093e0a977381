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
# # 07 · Whole wells
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/07_Whole_wells.ipynb)
#
# The challenge cuts pipes into patches. Here the pipes are put together again, and a network learns from them, and from simulated ones.
#
# **The finding:** trained on sections of 144 rows, all around the pipe, a network beats the baseline on patches in every fold of wells. Trained on simulated pipes first
# it gains more on average, though that interval holds 0.
#
# **You will learn** how patches become wells again, and how much a network gains by whole pipes and by simulated ones.
#
# **Beyond the review**: none of its points asks for this. The list of all points is in [notebooks/README.md](README.md).
#
# **Before:** [06 Hyperparameter tuning](06_Hyperparameter_tuning.ipynb) · **Next:** [08 From a log to a report](08_Groove_report.ipynb) · [all notebooks](../README.md#start)
#
# **Contents**
# 1. [Wells, not patches](#1-Wells,-not-patches)
# 2. [A network that looks along the pipe](#2-A-network-that-looks-along-the-pipe)
# 3. [Does it help to see more of the pipe?](#3-Does-it-help-to-see-more-of-the-pipe?)
# 4. [Pipes that nobody has logged](#4-Pipes-that-nobody-has-logged)
# 5. [From the shipped weights to these wells](#5-From-the-shipped-weights-to-these-wells)

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
import numpy as np
import pandas as pd

from experiments import folds, plots as study_plots
from helpers import inference, metrics, models, plots, training
from helpers.config import Config
from helpers.data import load_data, read_labels
from helpers.data.dataset import as_images, data_preparation_pipeline
from helpers.data.wells import cut_well, well_from_frame
from helpers.notebook import print_versions, show_code
from helpers.training import checkpoint, runs
from helpers.whole_wells import prediction, sections, simulation

print_versions()

# %%
config = Config()
epochs = 8 if data.simulated else 2  # the real wells have ten times as many patches

# %% [markdown]
# The finding in one picture (simulated wells left out, clean truth; [section 4](#4-Pipes-that-nobody-has-logged) has all, and how they were trained):

# %%
recipes = pd.read_csv("experiments/recipes_simulated.csv")
steps = ["patches", "group norm", "simulated only", "simulated, then trained"]
study_plots.show_study(
    recipes[recipes["variant"].isin(steps)],
    "variant",
    {"mean_iou": "mean IoU of the wells left out"},
    "On average whole wells gain, and simulated wells first gain more",
)

# %% [markdown]
# ## 1 Wells, not patches
#
# The challenge cuts a well into patches of 36 x 36. In eight of the wells the patches 2k and 2k+1 are the even and the odd columns of
# the same rows ([notebook 01, section 7](01_EDA.ipynb#7-From-patches-back-to-wells)); in the others each patch continues the one before. Put together, a well is
# one picture, and a missing patch is a gap in it, which is not filled:

# %%
y, images = load_data(data.folder)
wells = sorted({*config.train_wells, *config.val_wells, *config.test_wells})
pd.DataFrame(
    {
        well: {
            "rows": len(well_from_frame(images, well)),
            "columns": well_from_frame(images, well).shape[1],
        }
        for well in wells
    }
).T.rename_axis("well").T

# %% [markdown]
# For example, without one patch of well 3 its 36 rows are NaN:

# %%
with_gap = images.drop("well_3_patch_5")
rows = np.flatnonzero(np.isnan(well_from_frame(with_gap, 3)).all(axis=1))
print(f"rows {rows[0]} to {rows[-1]} are missing")

# %% [markdown]
# Assembled and cut again, every well gives the same bytes:

# %%
for well in wells:
    names = [name for name in images.index if name.startswith(f"well_{well}_")]
    again = cut_well(well_from_frame(images, well))
    assert again.tobytes() == images.loc[names].to_numpy().tobytes()
print(f"the same bytes in all {len(wells)} wells")

# %% [markdown]
# ## 2 A network that looks along the pipe
#
# A groove is worn by drill pipe, and runs along the casing for many metres. A patch of 36 rows shows a ninth to a quarter of a joint, and of a
# 72-column well every second column. What looks like a faint groove there may be a stripe of the pipe's own pattern.
#
# `WellResUNet` is the residual U-Net of [notebook 03](03_Models_losses_&_evaluation_score.ipynb#1-Nine-architectures) with two
# more levels, which shrink rows only: a cell of the deepest one covers 36 rows. Its padding is circular around the pipe, and it takes 36
# columns as well as 72, each well as it was logged:

# %%
network = runs.unsaved_run("well_resunet", config, norm="group").model
print(f"{sum(p.numel() for p in network.parameters()):,} parameters")
show_code(network.forward)

# %% [markdown]
# It learns from sections of 144 rows, each time cut somewhere else, with transforms after which a pipe is still a pipe: flips, a roll, a *twist* (each row rolled a
# little further than the one above, since grooves drift around the pipe), and brightness, since wells differ in contrast. Pixels
# without a measurement are masked: in the image they have the mean value, in the labels they are unknown and have no loss.

# %%
in_training, in_validation = (
    sections.assemble_wells(y, images, part) for part in (config.train_wells, config.val_wells)
)
train = sections.SectionDataset(in_training, transform=sections.well_transform(), moving=True)
val = sections.SectionDataset(in_validation)
print(f"sections for training: {len(train)}, for validation: {len(val)}")
show_code(sections.well_transform)

# %% [markdown]
# ## 3 Does it help to see more of the pipe?
#
# The study (`experiments/recipes.py`) leaves each of three folds of the training and validation wells out in turn, trains each variant for ten epochs, and scores it by the clean truth
# of the wells left out (simulated wells): the baseline on patches, and the network above on sections of 144 rows. *Group norm* normalises each section by itself. *Batch norm*
# takes the statistics of a batch in training (here one section of 72 columns, or two of 36), and running means in prediction. (When these rows were made, each section of a
# 72-column well met the same augmentation in every epoch.)

# %%
print(recipes[["command", "data", "judge", "machine"]].drop_duplicates().T.to_string(header=False))
shown = {"dice": "Dice", "mean_iou": "mean IoU"}
one_by_one = recipes[recipes["variant"].isin(["patches", "batch norm", "group norm"])]
study_plots.show_study(one_by_one, "variant", shown, "Whole wells beat patches in every fold")

# %% [markdown]
# Dots are folds, bars their means. Against the baseline of the same fold and seed, with the 95 % interval of the mean difference:

# %%
against = {
    name: folds.paired_differences(one_by_one, "variant", score, than="patches").round(3)
    for score, name in shown.items()
}
pd.concat(against, axis=1)

# %% [markdown]
# The mean over all wells left out hides single wells (Dice):

# %%
single = ["well_3_dice", "well_6_dice", "well_8_dice"]
one_by_one.groupby("variant", sort=False)[single].mean().round(2)

# %% [markdown]
# The network for whole wells beats the patches in every fold. The gain differs so much between folds that its size is uncertain: every interval holds 0. In well 3, the faint one, Dice
# is higher; in well 8 its one groove is found less well, and with batch norm nearly nothing is found in well 6. What the gain is due to, the taller section, all columns and circular padding, twist and brightness in training, or the
# residual blocks, we did not separate.

# %% [markdown]
# ## 4 Pipes that nobody has logged
#
# Eleven wells are few to learn from, and their labels are drawn by hand. A simulation has neither limit: `simulate_wells` makes as many wells as
# one likes, and knows each groove. The properties of a well are drawn at random, from ranges that reach a quarter beyond those of
# the training wells. With one exception, named below, nothing in these ranges comes from a well that is left out:

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
# The same study measures what simulated wells gain. The *rival* is what the winner of the challenge describes, rebuilt from the
# papers named there (`helpers.models.recurrent_unet`): a recurrent residual U-Net with attention, 36,806 parameters, on sections of 360
# rows. *Simulated only* was trained on 200 simulated wells and nothing else; *averaged* is the mean of the weights before and after training on the wells at hand:

# %%
study_plots.show_study(
    recipes[recipes["variant"] != "batch norm"],
    "variant",
    shown,
    "On average simulated wells and the wells at hand together do best",
)

# %%
some = recipes[~recipes["variant"].str.contains("rival|batch")]
against = {
    f"mean IoU against {than}": folds.paired_differences(some, "variant", "mean_iou", than=than)
    for than in ("patches", "group norm", "three times the epochs")
}
against = pd.concat(against, axis=1).round(3).drop(["patches", "group norm"])
against.astype(object).where(against.notna(), "–")

# %%
recipes.groupby("variant", sort=False)[["dice", "mean_iou", "well_8_dice"]].mean().round(3)

# %% [markdown]
# **Simulated wells.** Here the wells left out come from the same simulation, and only these networks learn from the truth; the real wells follow below. Trained on them alone a network
# differs by −0.001 (−0.040 to 0.038) from one trained on the wells at hand. With both it gains 0.170 on the patches (−0.076 to 0.415) and 0.043 on group norm alone (−0.059 to 0.145). It also trains
# longer; on three times the epochs it gains 0.022 (−0.089 to 0.133). The mean of the weights before and after scores the same.
# One well gets worse: well 8, with one short groove in eight patches, has a Dice of 0.77 with the patches, 0.41 with both, and 0.26 with the mean of the weights.
#
# **The rival** finds nothing when trained on the wells at hand in sections of 360 rows, and on 144 rows it finds grooves in two folds of three. We do not know how the winner
# trained beyond the description, so this does not rank the two.
#
# The same on the **real wells**, by how far each agrees with silver labels, which favour patch networks (Dice / mean IoU; three epochs
# each; `CORROSEG_DATA=<folder> python experiments/recipes.py --epochs 3`, one NVIDIA H200):
#
# | wells left out | 7, 9, 11 | 3, 6, 10 | 1, 8, 12, 13, 14 | mean | well 3, Dice |
# |---|---|---|---|---|---|
# | patches | 0.773 / 0.655 | 0.393 / 0.329 | 0.887 / 0.782 | 0.684 / 0.589 | 0.309 |
# | batch norm | 0.849 / 0.750 | 0.403 / 0.351 | 0.878 / 0.763 | 0.710 / 0.621 | 0.454 |
# | group norm | 0.819 / 0.677 | 0.569 / 0.435 | 0.910 / 0.812 | 0.766 / 0.641 | 0.581 |
# | rival, 360 rows | 0.020 / 0.285 | 0.074 / 0.210 | 0.790 / 0.641 | 0.294 / 0.379 | 0.088 |
# | simulated only | 0.804 / 0.680 | 0.564 / 0.402 | 0.882 / 0.772 | 0.750 / 0.618 | 0.595 |
# | simulated, then trained | 0.814 / 0.690 | 0.578 / 0.445 | 0.933 / 0.845 | 0.775 / 0.660 | 0.583 |
# | the same, averaged | 0.824 / 0.697 | 0.665 / 0.486 | 0.941 / 0.854 | 0.810 / 0.679 | 0.691 |
#
# A network trained on simulated wells only agrees with the labels of real wells better than the patch network that was trained on them, in
# two folds of three; in the third it is level. In the faint well 3 its Dice is 0.595, the patches' 0.309. Trained on real wells too it
# is ahead of the patches in every fold; against group norm without simulated wells it is level (0.009, −0.026 to 0.044). The mean of the weights before and after that training is ahead of the last weights and of the first in every fold, by 0.035 and 0.060 of Dice, though over three folds
# both intervals hold 0. (The exception: one range of the simulation, how much narrower the loss is than its label, was measured on the nine training wells, so on
# wells that some folds leave out; not on wells 3 and 9. That this range and group norm are needed was seen on these folds.)
#
# ## 5 From the shipped weights to these wells
#
# The project ships weights that were trained on simulated wells alone ([how, and what they cannot do](../data/weights/README.md)).
# We start from them, train for a few epochs on the training wells with `fit`, and train the baseline of [notebook
# 04](04_Baseline_model.ipynb) for comparison:

# %% tags=["nbval-ignore-output"]
run = runs.start_run("well_resunet", config, norm="group")
shipped, _ = checkpoint.load_model(prediction.WEIGHTS, run.device)
run.model.load_state_dict(shipped.state_dict())
of_sections = (
    sections.section_loader(train, config.batch_size, shuffle=True),
    sections.section_loader(val, config.batch_size),
)
history = training.fit(run, *of_sections, epochs=epochs // 2)
averaged = models.mean_of_weights(shipped, run.model)
history.round(4)

# %% tags=["nbval-ignore-output"]
datasets, loaders = data_preparation_pipeline(data.folder, config)
baseline = runs.start_run("unet", config, dropout=config.dropout)
training.fit(baseline, loaders["train"], loaders["val"], epochs=epochs).tail(3).round(4)

# %% [markdown]
# All are scored as in the challenge, by patch, on the same patches of the validation wells, from which none of them has learned:

# %% tags=["nbval-ignore-output"]
judge = read_labels(data.folder / "y_clean.csv") if data.simulated else y
names = datasets["val"].names
probabilities = {
    "patches, U-Net": inference.predict_probabilities(baseline.model, loaders["val"]),
    "whole wells, simulated only": prediction.predict_patches(shipped, images.loc[names], config),
    "whole wells, then trained": prediction.predict_patches(run.model, images.loc[names], config),
    "whole wells, averaged": prediction.predict_patches(averaged, images.loc[names], config),
}
scores, per_well = {}, {}
for name, probability in probabilities.items():
    counts = metrics.count_pixels(probability >= config.threshold, as_images(judge.loc[names]))
    scores[name] = metrics.summarise(counts)
    per_well[name] = metrics.scores_per_well(counts, names)["dice"].add_prefix("Dice of well ")
judged_by = "clean truth" if data.simulated else data.labels
print(f"scored by {judged_by}; seed {config.seed}. Data: {data.description}")
pd.concat([pd.DataFrame(scores), pd.DataFrame(per_well)]).T.round(2)

# %% [markdown]
# *Averaged* is the mean of the weights before and after ([Wortsman et al. 2022](https://arxiv.org/abs/2109.01903)). In the folds of the real wells
# above it is ahead of both. So `experiments/train_wells.py`, the command for [wells of your own](../docs/running.md#your-own-wells), ends with it:

# %%
show_code(models.mean_of_weights)

# %% [markdown]
# Well 9 has no groove, so it has no Dice. The figure shows what patches and whole wells find (white: no
# usable value). On simulated wells the solid line is the truth:


# %% tags=["nbval-ignore-output"]
def by_patches(thickness: np.ndarray, well: int) -> np.ndarray:
    return prediction.predict_well_by_patches(baseline.model, thickness, config)


def by_whole_well(thickness: np.ndarray, well: int) -> np.ndarray:
    return prediction.predict_well(averaged, thickness, config=config)


usable = images.where(images >= config.outlier_threshold)
strips, labels, found = {}, {}, {}
for well in config.val_wells:
    thickness = well_from_frame(images, well)
    for name, predict in (("patches", by_patches), ("whole", by_whole_well)):
        key = f"well {well}\n{name}"
        strips[key], labels[key] = well_from_frame(usable, well), well_from_frame(judge, well)
        found[key] = (predict(thickness, well) >= config.threshold).astype(np.uint8)
plots.show_well_strips(
    strips, labels, found, heading="What patches and whole wells find in the validation wells"
)

# %% [markdown]
# In these upper 360 rows of well 3 the network for whole wells finds more of the groove.
#
# ## What we now know
#
# - Trained on sections of 144 rows a network beats patches in every fold, though not in every well; three folds cannot say by how much.
# - A network trained on simulated wells only finds grooves in wells that it has not seen, simulated and real. Further training
#   raises its mean score, within the interval.
#
# ## Exercises
#
# 1. Let the simulation make two grooves a well (`helpers.data.synthetic.simulate`). What does the network find where they cross?
# 2. Average the weights with other shares than one half: give `helpers.models.mean_of_weights` an argument, and run
#    `experiments/recipes.py --variants "simulated, then trained, averaged" --output runs/mine.csv`. Where is the best share, by folds?
# 3. Train on your own wells: `experiments/train_wells.py`.
#
# **Next:** [08 From a log to a report](08_Groove_report.ipynb) · [the list of all review points](README.md)
