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
# # 01 · Exploring the data
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/01_EDA.ipynb)
#
# Ultrasonic tools log the wall thickness of well casing, depth by depth and azimuth by azimuth. The challenge cuts the logs of 15 wells into
# patches of 36 x 36 pixels and asks for the grooves that drill pipe has worn. What is in these files, and what is broken?
#
# **The finding:** four patches in ten have a near-copy among the others, and wells differ widely. So patches must never be split at random.
#
# **You will learn** how much corrosion each well has, which pixels and patches are unusable and what becomes of them, what a pipe looks like when
# its patches are put together again, and whether it pays to refine labels and enhance images.
#
# **Review points** R1.1 – R1.19. The list of all points is in [notebooks/README.md](README.md).
#
# **Next:** [02 Datasets, dataloaders, transforms](02_Datasets_dataloaders_transforms.ipynb) · [all notebooks](../README.md#start)
#
# **Contents**
#
# 1. [Masks and images belong together](#1-Masks-and-images-belong-together)
# 2. [Corrosion per well](#2-Corrosion-per-well)
# 3. [Thickness](#3-Thickness)
# 4. [Missing values](#4-Missing-values)
# 5. [Outliers of single pixels](#5-Outliers-of-single-pixels)
# 6. [Outliers in many dimensions](#6-Outliers-in-many-dimensions)
# 7. [From patches back to wells](#7-From-patches-back-to-wells)
# 8. [The split by wells](#8-The-split-by-wells)
# 9. [Label refinement and image enhancement](#9-Label-refinement-and-image-enhancement)
# 10. [Are the simulated wells like real ones?](#10-Are-the-simulated-wells-like-real-ones?)

# %% [markdown]
# ## Setup
#
# *R1.2, R1.3.* Versions are pinned in `requirements.txt`, and printed. Imports stand in one cell, sorted by ruff. Without the challenge's files it runs on simulated wells; [section 10](#10-Are-the-simulated-wells-like-real-ones?) shows how like the real ones they are.

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
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from experiments import folds, plots as study_plots
from helpers import plots
from helpers.config import Config
from helpers.data import get_patches_per_well, load_data, preprocess, read_labels, split
from helpers.data.wells import ALL_WELLS, cut_well, patch_name, well_from_frame, wells_of
from helpers.eda import enhancement, outliers, plots as eda_plots, refinement, split_choice, tables
from helpers.notebook import print_versions, show_code

print_versions()

# %%
config = Config()

# %% [markdown]
# ## Words
#
# The casing of a well, the image that the tool takes of it, and the patches that the challenge cuts it into:
#
# ![The casing of a well with the tool in it; its wall unrolled; cut into patches; the columns of a 72-column well dealt out to two patches](pictures/domain.svg)
#
# | word | meaning |
# |---|---|
# | thickness | here always the variation of the wall's thickness around its mean, negative where metal is lost |
# | groove | metal worn away along the casing, 2 to 5 columns of 36 wide; a mask marks its pixels with 1 |
# | joint, collar | one length of pipe; where two are screwed together, and the echo is lost |
# | wrap | where the last column meets the first, around the pipe |
# | telemetry code | −999.25 or −999.0, which the tool writes where it has no measurement (a *sentinel*) |
# | false echo | a measured value that is much too high |
# | twins | two patches of the same rows, one of the even and one of the odd columns |
# | Dice | twice the pixels that prediction and mask share, over the pixels of both: 1 is perfect, 0 is nothing right |
# | mean IoU | intersection over union: the pixels that prediction and mask share, over those in either; averaged over patches. The challenge's score |
# | clean truth, labels | on simulated wells the truth is known; labels are the truth as a hasty annotator draws it |
# | silver labels | labels of the real wells that a network made; a score against them measures agreement, not truth |
# | fold | wells that are left out of training, to validate on |
# | budget | the training that each variant of a comparison is given: the same number of epochs, or of seconds |
# | interval | of a difference between two variants on the same folds and seeds: the 95 % interval of its mean. If it holds 0, the difference is *inside its interval*: no gain is shown |
# | a90 | the depth at which a groove is found nine times in ten |

# %% [markdown]
# ## 1 Masks and images belong together
#
# *R1.5 – R1.8.* The notebook under review counted patches with two copies of one loop, converted dictionary keys
# back and forth, and compared the two counts by printing them. One function now serves both: `get_patches_per_well`.
# `load_data` refuses files whose names differ; the assertion shows it.

# %%
y_train, images_train = load_data(data.folder)
mask_patches = get_patches_per_well(y_train.index)

# %%
image_patches = get_patches_per_well(images_train.index)
assert mask_patches == image_patches

# %% [markdown]
# The three wells with the most patches, 13, 3 and 7, hold more than half of all.
#
# One row a patch, one column a pixel, row by row (R1.4: a bare last expression, no `display`):

# %%
y_train.iloc[:3, :12]

# %% [markdown]
# ## 2 Corrosion per well
#
# *R1.9, R1.10.* A percentage is called a ratio (also in [section 5](#5-Outliers-of-single-pixels)). Format specifications round where the number is shown.
# Wells differ, so there is a ratio of each too.

# %%
corroded = y_train.to_numpy()
pixel_ratio, patch_ratio = 100 * corroded.mean(), 100 * corroded.any(axis=1).mean()
print(f"Ratio of corroded pixels : {pixel_ratio:6.3f} %")
print(f"Ratio of corroded patches: {patch_ratio:6.3f} %")
tables.published_and_here(
    {
        "patches": len(y_train),
        "corroded pixels, %": pixel_ratio,
        "corroded patches, %": patch_ratio,
    }
)

# %% [markdown]
# The published figures are of the real patches and the challenge's labels. The simulated wells have a tenth as many patches, so
# counts differ, but ratios are close.

# %%
ratios = tables.corroded_ratios_per_well(y_train)
ratios.round(2)

# %%
ratios.plot.bar(subplots=True, layout=(1, 2), figsize=(10, 3.2), legend=False, rot=0)
plt.suptitle("A groove crosses most patches of most wells, but covers few of their pixels")
plt.show()

# %% [markdown]
# Wells 9 and 10 have no groove at all. In most others a groove runs through most patches, yet covers at most a
# tenth of a well's pixels, since it is only two to five columns wide. A model that answers "no groove" everywhere is
# right in more than nine pixels of ten: accuracy would be a useless score.

# %% [markdown]
# ## 3 Thickness
#
# *R1.11, R1.12.* A mean and a standard deviation say little when 1 pixel in 200 is a telemetry code of −999.25.
# Quantiles say it at once (missing values count as 0 here, as in the published table).

# %%
pixels = images_train.fillna(0).to_numpy()
for share, value in zip(config.quantiles, np.quantile(pixels, config.quantiles), strict=True):
    print(f"quantile {share:6.4f}: {value:9.3f}")

# %% [markdown]
# The lowest quantile is the telemetry code. Half of all pixels lie within
# 0.01 of zero: the value is the *deviation* of the wall thickness from its mean, negative where metal is lost.

# %%
plt.figure(figsize=(7, 3.2))
plt.hist(pixels[preprocess.usable_pixels(pixels, config)], bins=120, log=True)
plt.xlabel("thickness deviation (units of the files)")
plt.ylabel("pixels")
plt.title("Most of the wall is near its mean; both tails are long")
plt.show()

# %% [markdown]
# To the left are grooves and collars, to the right collars and false echoes. Per well:

# %%
tables.thickness_per_well(images_train, config).round(3)

# %% [markdown]
# Medians are zero nearly everywhere; the middle half of the pixels is 0.011 wide in well 8 and 0.025 in well 12. The lower tail tells where grooves are deep, wells 13 to 15 above all, the
# upper one where the tool hears false echoes, wells 11 and 12. Well 5 has lost the most pixels.

# %% [markdown]
# ## 4 Missing values
#
# *R1.13, R1.14.* A thousand missing values may spoil one patch or a thousand. Statistics of each patch show which.

# %%
statistics = tables.patch_statistics(images_train, config)
statistics[statistics["missing"] > 0].round(3)

# %% [markdown]
# All missing values lie in two patches. One is half empty and is dropped; the other misses 11 of 1,296 pixels,
# which take that patch's own median:

# %%
show_code(preprocess.repair_pixels)

# %% [markdown]
# Over all patches:

# %%
statistics[["min", "median", "max", "std"]].describe().round(3)

# %% [markdown]
# ## 5 Outliers of single pixels
#
# *R1.15.* Values below −0.25 are telemetry codes. The highest value of the real wells is 0.47; one above 0.5 would be treated alike.
# How many such pixels has a patch?

# %%
below = statistics.loc[statistics["below"] > 0, "below"]
print(
    f"Patches with values above {config.upper_outlier_threshold}: {(statistics['above'] > 0).sum()}"
)
print(f"Ratio of patches with values below: {100 * len(below) / len(statistics):.3f} %")
tables.published_and_here(
    {
        "patches with missing values": (statistics["missing"] > 0).sum(),
        "patches with outliers": len(below),
        "... 1 or 2 of them": (below <= 2).sum(),
        "... at most 15": (below <= 15).sum(),
        "... at least 200": (below >= config.ruined_pixels).sum(),
        "... all 1,296": (below == 1296).sum(),
    }
)

# %%
plt.figure(figsize=(7, 3.2))
plt.step(np.sort(below), np.arange(len(below), 0, -1))
plt.axvline(config.ruined_pixels, color=plots.ORANGE, linestyle="--", label="dropped from here on")
plt.xscale("log")
plt.xlabel("telemetry codes in a patch of 1,296 pixels")
plt.ylabel("patches with at least so many")
plt.title(f"Of the patches with telemetry codes, few have {config.ruined_pixels} or more")
plt.legend()
plt.show()

# %% [markdown]
# Patches with 200 unusable pixels or more are dropped. (Any limit between 51 and 576 drops the same patches here.) In the
# rest each unusable pixel takes the median of its patch. `PreprocessData.transform` applies it, and reports each patch it touched.

# %%
cleaner = preprocess.PreprocessData(config)
y_repaired, images_repaired = cleaner.transform(y_train, images_train)
cleaner.summary_

# %%
cleaner.report_.groupby(["well", "action", "reason"]).size().rename("patches").reset_index()

# %% [markdown]
# ## 6 Outliers in many dimensions
#
# *R1.16.* A patch can be odd although each of its pixels is in range. Two detectors look for such patches: the
# SPE/DmodX test of the `pca` package, and DBSCAN on what that leaves.
#
# What `pca` calls SPE/DmodX is an ellipse in the plane of the first two principal components, however many are computed. Here the detectors
# see all wells, in [notebook 02](02_Datasets_dataloaders_transforms.ipynb) the training wells only.

# %%
repaired = images_repaired.to_numpy()
outside_ellipse = preprocess.spe_outliers(repaired, config)
rest = images_repaired[~outside_ellipse]
outside_cluster = preprocess.dbscan_outliers(rest.to_numpy(), config)
tables.published_and_here(
    {
        "left after repair": len(repaired),
        "components for 95 % of variance": PCA(0.95, svd_solver="full").fit(repaired).n_components_,
        "flagged by SPE/DmodX": outside_ellipse.sum(),
        "flagged by DBSCAN after that": outside_cluster.sum(),
        "left in the end": (~outside_cluster).sum(),
    }
)

# %%
shown = min(12, outside_ellipse.sum())
flagged = images_repaired[outside_ellipse].sample(shown, random_state=config.seed)
plots.show_patches(
    flagged.to_numpy().reshape(-1, 36, 36),
    flagged.index,
    heading="SPE/DmodX flags deep grooves, not errors of the tool",
)

# %% [markdown]
# Twelve of the 27, drawn at random: all are of well 13, and show its *deep grooves*, two of them with a collar. None is an error of the tool.
# Our guess: the first two components mostly measure how deep a groove is.
#
# ### How the threshold moves the count
#
# The ellipse spans three standard deviations by default:

# %%
spans = {n: preprocess.spe_outliers(repaired, Config(spe_std=n)).sum() for n in (2, 2.5, 3, 3.5, 4)}
pd.DataFrame(spans, index=["patches flagged"]).rename_axis(columns="standard deviations")

# %% [markdown]
# ### Other detectors
#
# Hotelling's T² says how far out a patch is *within* the plane of the components, the Q residual how far *from* it. Isolation forest and
# local outlier factor know no plane. Each is made to flag as many patches as SPE/DmodX; "random" flags any. How many each two flag both:

# %%
flags = outliers.compare_detectors(repaired, config).astype(int)
flags.T @ flags

# %% [markdown]
# Of different methods only Hotelling's T² and the local outlier factor flag mostly the same patches. These are the six patches of the largest Q residual
# (false echoes in well 11, collars in well 13), and the six of the largest T² (all of well 11: collars and false echoes):

# %%
t2, q = outliers.hotelling_t2_and_q(repaired)
oddest = [*np.argsort(-q)[:6], *np.argsort(-t2)[:6]]
names = images_repaired.index[oddest].str.removeprefix("well_")
plots.show_patches(
    repaired[oddest].reshape(-1, 36, 36),
    [f"{kind}: {name}" for kind, name in zip(["Q"] * 6 + ["T²"] * 6, names, strict=True)],
    heading="The oddest patches by the Q residual and by Hotelling's T²",
)

# %% [markdown]
# ### Which helps the model?
#
# `experiments/outliers.py` leaves each of three folds of wells out in turn, drops from the others what one of three detectors flags, trains the baseline
# U-Net for ten epochs, and scores it on the wells left out (simulated wells, clean truth; fold k has seed k):

# %%
ablation = pd.read_csv("experiments/outliers_simulated.csv")
study_plots.show_study(
    ablation,
    "detector",
    {"dice": "Dice, wells left out", "mean_iou": "mean IoU, wells left out"},
    "By Dice, dropping odd patches shows no clear gain",
)

# %%
differences = {
    name: folds.paired_differences(ablation, "detector", column, than="none").round(3)
    for name, column in {"Dice": "dice", "mean IoU": "mean_iou"}.items()
}
pd.concat(differences, axis=1)

# %% [markdown]
# Dots are folds, bars their means; the table has the mean difference from dropping nothing, with its 95 % interval. Every
# interval of Dice holds 0. (By mean IoU SPE/DmodX gains 0.023, 0.000 to 0.046, one of eight comparisons.) We follow the reviewer and drop odd patches, from the training wells only:
# validation and test wells keep theirs, so that hard cases stay in the score.

# %% [markdown]
# ## 7 From patches back to wells
#
# How the patches lie in the pipe is not published, but their borders show it. In eight wells the patches
# 2k and 2k+1 are nearly copies of each other:

# %%
twins = tables.twin_correlations(images_train, config)
twins.groupby(["twins", "well"])["correlation"].median().round(3).reset_index()

# %%
in_twins = twins.loc[twins["twins"], "well"].unique()
patches_in_twins = sum(image_patches[well] for well in in_twins)
print(
    f"{patches_in_twins} of {len(images_train)} patches ({patches_in_twins / len(images_train):.1%}) have a near-copy"
)

# %% [markdown]
# They are the even and the odd columns of the same 36 rows of wells logged at 72 azimuths;
# interleaved they give a smooth block of 36 x 72. Its last column meets its first: rolled by half a turn, that seam is in the middle of the last panel.

# %%
usable = images_train.where(preprocess.usable_pixels(images_train, config))
pair = [patch_name(7, 40), patch_name(7, 41)]
even, odd = usable.loc[pair].to_numpy().reshape(2, 36, 36)
block = np.stack([even, odd], axis=-1).reshape(36, 72)
plots.show_patches(
    [even, odd, block, np.roll(block, 36, axis=1)],
    [*pair, "interleaved", "rolled by half a turn"],
    columns=4,
    heading="Two patches of the same rows are the even and the odd columns of one smooth block",
)

# %% [markdown]
# In the other wells patch p+1 continues patch p downwards. `helpers.data.wells` puts them together, and cuts them again to the
# same bytes:

# %%
for well in ALL_WELLS:
    patches = images_train[wells_of(images_train) == well].to_numpy()
    assert cut_well(well_from_frame(images_train, well)).tobytes() == patches.tobytes()

# %% [markdown]
# All fifteen wells, the upper 360 rows that have values, with the labels' outline (white: no usable value):

# %%
strips = {f"well {well}": well_from_frame(usable, well) for well in ALL_WELLS}
masks = {f"well {well}": well_from_frame(y_train, well) for well in ALL_WELLS}
names = list(strips)
joined = "Put together, patches show joints, collars and grooves"
first = names[:8]
plots.show_well_strips({n: strips[n] for n in first}, {n: masks[n] for n in first}, heading=joined)

# %%
rest = names[8:]
plots.show_well_strips({n: strips[n] for n in rest}, {n: masks[n] for n in rest}, heading=joined)

# %% [markdown]
# These are pipes: each joint has a pattern of its own, collars cross as noisy lines, and grooves run through many patches, some
# across the wrap.

# %% [markdown]
# ## 8 The split by wells
#
# *R1.17.* Four patches in ten have a near-copy, and most have neighbours that show the same groove. In a random split, patches of one groove lie on both sides, and the model
# is tested on what it was trained on. So a well belongs to one part only. Which wells are alike, by their images, and by their masks?

# %%
image_features, mask_features = tables.well_features(y_repaired, images_repaired)
eda_plots.show_clusters(image_features, "By their images, wells 11 and 12 stand apart")

# %%
eda_plots.show_clusters(
    mask_features, "By their masks, wells with little or no groove stand apart: 5, 8, 9, 10"
)

# %% [markdown]
# Ward's method joins wells that are alike (left of each figure). Wells 11 and 12 have false echoes, which lengthen the upper tail, and more
# noise; both weaken the correlation of neighbouring columns. By mask, wells 2, 13, 14 and 15, of the strongest contrast, lie together.
#
# The reviewer's split has about 70, 20 and 10 % of the patches; the corroded share is largest in validation:

# %%
split_choice.split_balance(*split.split_by_wells(y_repaired, config)).round(2)

# %% [markdown]
# [Notebook 05](05_Leak_and_split.ipynb) measures how far its validation score can be trusted. In short: two wells are too few,
# and this project makes every choice by three folds of wells.
#
# ## 9 Label refinement and image enhancement
#
# *R1.18.* The junior's notebook filled the holes of all masks, of validation too. Its cell that should show a dilation by a kernel of 2 x 2 ends in an error
# (OpenCV takes no boolean mask), which the reviewer repaired; the reviewer's training transform dilates. Such a kernel has no middle pixel, and OpenCV takes its lower right one: every training mask grows to the
# right and down, while the masks of validation stay.
#
# ### 9.1 Masks
#
# Each patch is refined by itself, as in the review; a hole that a patch border cuts open stays open.

# %%
drawn = y_repaired.to_numpy().reshape(-1, 36, 36)
refinements = {
    "holes filled": refinement.fill_holes,
    "2 x 2 dilation": refinement.dilate_2x2,
    "holes, then 2 x 2 dilation": lambda masks: refinement.dilate_2x2(refinement.fill_holes(masks)),
    "symmetric closing, 3 x 3": refinement.close_symmetric,
}
refinement.agreement_with_truth(drawn, drawn, refinements).round(4)

# %% [markdown]
# Each is compared with the masks *as drawn*. The last four columns show how much of the straight border moved outwards by one pixel: the
# dilation moves all of the right and lower border, and none of the others. A network that learned such masks without error would have the
# dilation's Dice by the masks as drawn.
#
# The three patches that filling and closing change most, each way:

# %%
added = [
    (refine(drawn) - drawn).sum(axis=(1, 2))
    for refine in (refinement.fill_holes, refinement.close_symmetric)
]
most_changed = np.argsort(np.sum(added, axis=0), kind="stable")[-3:]
shown = {"as drawn": drawn, "holes filled": refinement.fill_holes(drawn)}
shown |= {
    "2 x 2 dilation": refinement.dilate_2x2(drawn),
    "closing, 3 x 3": refinement.close_symmetric(drawn),
}
thickness = images_repaired.to_numpy().reshape(-1, 36, 36)
plots.show_patches(
    np.repeat(thickness[most_changed], len(shown), axis=0),
    [f"{y_repaired.index[patch]}\n{name}" for patch in most_changed for name in shown],
    np.concatenate([[masks[patch] for masks in shown.values()] for patch in most_changed]),
    columns=len(shown),
    heading="The three masks that filling and closing change most",
)

# %% [markdown]
# Is a refined mask closer to the truth? On simulated wells it is known:

# %%
if data.simulated:
    truth = read_labels(data.folder / "y_clean.csv").loc[y_repaired.index]
    truth = truth.to_numpy().reshape(-1, 36, 36)
    scores = refinement.agreement_with_truth(drawn, truth, refinements)[
        ["dice", "mean_iou", "corroded, %"]
    ]
    print(scores.round(4).to_string())
else:
    print("Real wells: no clean truth is known, so there is nothing to compare with.")

# %% [markdown]
# Filling and closing gain about 0.001 of Dice; the dilation loses 0.08. We train on the masks as they are.

# %% [markdown]
# ### 9.2 Thickness in 8 bits
#
# Enhancement is often applied to 8-bit images. Thickness is negative where metal is
# lost, and there a plain cast to 8 bits wraps around:

# %%
low, high = -0.06, 0.06  # the same for every patch, as the colours of all figures here
values = np.array([-0.06, -0.03, -0.005, 0.0, 0.005, 0.03, 0.06])
grey_values = {
    "naive cast of 255 x": enhancement.naive_uint8(values),
    "scaled": enhancement.to_uint8(values, low, high),
}
pd.DataFrame(grey_values, index=pd.Index(values, name="thickness")).T

# %% [markdown]
# Under the naive cast a loss of 0.03 becomes almost white, and sound wall a mixture of white and black. The scale must also be the same for all patches: if
# each patch has its own, a faint groove and a deep one get the same grey. Below: the calmest wall, a typical groove, and the deepest.

# %%
generator = np.random.default_rng(config.seed)
size = min(1000, len(thickness))  # all patches of the simulated wells, a sample of the real ones
sample = np.sort(generator.choice(len(thickness), size, replace=False))
pixels, grooves = thickness[sample], drawn[sample]
own_scale = np.quantile(pixels, [0.01, 0.99], axis=(1, 2), keepdims=True)
pictures = {
    "8 bits, naive cast": enhancement.naive_uint8(pixels),
    "8 bits, own quantiles": enhancement.to_uint8(pixels, *own_scale),
    "8 bits, one scale": enhancement.to_uint8(pixels, low, high),
    "CLAHE": enhancement.clahe(pixels, low, high),
    "bilateral, weak": enhancement.bilateral(pixels, low, high, sigma_thickness=0.005),
    "bilateral, strong": enhancement.bilateral(pixels, low, high, sigma_thickness=0.02),
}

# %%
grooved = np.flatnonzero(grooves.sum(axis=(1, 2)) >= 100)
by_depth = grooved[np.argsort([np.median(pixels[i][grooves[i] == 1]) for i in grooved])]
sound = np.flatnonzero(~grooves.any(axis=(1, 2)))
chosen = {
    "calmest wall": sound[np.argmin(pixels[sound].std(axis=(1, 2)))],
    "typical groove": by_depth[len(by_depth) // 2],
    "deepest groove": by_depth[0],
}
eda_plots.show_grey_patches(
    np.stack([picture[patch] for patch in chosen.values() for picture in pictures.values()]),
    [f"{kind}\n{name}" for kind in chosen for name in pictures],
    columns=len(pictures),
    heading="Naive cast and own quantiles hide how deep a groove is",
)

# %% [markdown]
# ### 9.3 Does enhancement help?
#
# Contrast is how much lower than the wall the groove lies, in interquartile ranges of that wall. "Clearer" counts the patches where it is higher than
# as measured; "depth kept" is the rank correlation of the groove's grey value with its thickness.

# %%
enhancement.compare_enhancements(pixels, pictures, grooves).round(2)

# %% [markdown]
# Scaling alone hardly changes the contrast, but with a scale for each patch the depth of the groove is mostly lost (0.41). The naive cast makes grooves brighter than the
# wall. CLAHE lowers the contrast in most patches; our guess is that it amplifies the pipe's pattern too. A weak bilateral filter raises it a little, a strong one
# lowers it. No network was trained on these images; ours get thickness as measured, on one fixed scale.
#
# ## 10 Are the simulated wells like real ones?
#
# `helpers.data.synthetic` draws each well from a recipe that was measured on the real well of the same number: joints with a pattern of their own, collars, a groove
# that drifts and fades, telemetry codes, and labels with slips. The table has the median well, the lowest and the highest; of those with a groove,
# where it is about grooves. "Real" is the same function on the challenge's images and silver labels (`pytest -m real_data` checks it):

# %%
tables.compare_with_real_wells(y_repaired, images_repaired)

# %% [markdown]
# Spread, tails, correlations of neighbours, and the grooves' width, contrast and share are alike. Three things are not. Real patterns are broader around the pipe (columns 50° apart
# are correlated), and a little longer along it. In one simulated well half of the groove lies in the first or last column;
# the highest of the real wells has 29 % there. And there are a tenth as many patches, so studies are noisier here.
#
# ## What we now know
#
# - Images and labels must be of one download; those of the challenge's first download do not match, and are refused ([R1.6](README.md#r16-masks-and-images-must-agree)).
# - One patch in thirty holds telemetry codes (347 of the 9,674 real ones). They are repaired, or the patch is dropped if it has 200 unusable pixels or more.
# - Eight wells were logged at 72 azimuths and cut into interleaved twins: four patches in ten have a near-copy. So wells are split, never
#   patches.
# - Dropping odd patches shows no clear gain. Of six enhancements one raises the contrast of grooves, a little; none was tried in training.
#
# ## Exercises
#
# 1. Treat the codes as measurements (`Config(outlier_threshold=-1000)`): what happens to the table of wells in section 3, and to the ellipse
#    in section 6?
# 2. Put well 1 together as if each patch continued the one before it (`wells.assemble_well` with another well's number). Where do you see
#    that it is wrong?
# 3. Make the pattern broader around the pipe: double the last range of `blotches` and `stripes` (`_manufacturing_pattern` in
#    `helpers/data/synthetic.py`), and run the notebook again. How does the table of section 10 change?
#
# **Next:** [02 Datasets, dataloaders, transforms](02_Datasets_dataloaders_transforms.ipynb) · [the list of all review points](README.md)
