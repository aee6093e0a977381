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
# # 01 · Exploring the data
#
# ![The casing of a well with the tool in it; its wall unrolled; cut into patches; the columns of a 72-column well dealt out to two patches](pictures/domain.svg)
#
# A tool measures the thickness of a well's steel wall, row by row and all around (first two drawings). The challenge cuts the image into *patches* of 36 x 36 pixels, and asks for a *mask* of each: which pixels are *groove*, worn by drill pipe. In eight wells the columns are dealt out to two patches (last drawing). So four patches in ten have a near-copy, and after a random split a network is partly tested on what it has learned by heart. [Words](#Words) are explained at the end.
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/01_EDA.ipynb)
#
# **Who is who.** *The junior* solved the challenge in one long notebook. *The reviewer* answered with 39 points, R1.1 to R4.4, and some code
# ([both public](https://github.com/YaninaK/cv-segmentation)). *We* carry them out. "Before" is the junior's code unless the reviewer is named; "published" is what these two found on the real wells.
#
# 1. [Masks and images belong together](#1-Masks-and-images-belong-together) (R1.5, R1.6)
# 2. [Corrosion per well](#2-Corrosion-per-well) (R1.9)
# 3. [Thickness](#3-Thickness) (R1.11, R1.12)
# 4. [Missing values](#4-Missing-values) (R1.13, R1.14)
# 5. [Outliers of single pixels](#5-Outliers-of-single-pixels) (R1.15)
# 6. [Outliers in many dimensions](#6-Outliers-in-many-dimensions) (R1.16)
# 7. [From patches back to wells](#7-From-patches-back-to-wells)
# 8. [The split by wells](#8-The-split-by-wells) (R1.17)
# 9. [Label refinement and image enhancement](#9-Label-refinement-and-image-enhancement) (R1.18)
# 10. [Are the simulated wells like real ones?](#10-Are-the-simulated-wells-like-real-ones?)
# 11. [Small habits](#11-Small-habits) (R1.3, R1.4, R1.7, R1.8, R1.10, R1.19) · [Words](#Words)

# %% [markdown]
# ## Setup
#
# *R1.1 – R1.3.* Before, all stood in one notebook, imports in many cells, and `!pip install imutils` took the newest version. Now exploration has its
# own page, `pip install -r requirements.txt` pins versions, and one sorted cell imports.

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

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from pca import pca
from scipy import ndimage
from skimage import exposure, restoration
from sklearn import decomposition, model_selection, neighbors

from helpers import plots
from helpers.config import Config
from helpers.data import get_patches_per_well, load, load_data, preprocess, split, wells
from helpers.notebook import print_versions, show_code

# %% tags=["nbval-ignore-output"]
print_versions()

# %%
config = Config()
y_train, images_train = load_data(data.folder)
y_train.iloc[:3, :12]

# %% [markdown]
# One row a patch, one column a pixel, row by row; 1 is a groove. The real images may not be passed on, so these wells are [simulated](#10-Are-the-simulated-wells-like-real-ones?): 968 patches, a tenth of the challenge's 9,674.
#
# ## 1 Masks and images belong together
#
# *R1.5, R1.6.* How many patches has each well, and has each mask its image? The junior wrote this loop for the masks, and again for the images:

# %%
# Before
dict_wells = {}
for name in y_train.index:
    well = int(name[5:7].replace("_", ""))
    if well in dict_wells.keys():
        dict_wells[well] += 1
    else:
        dict_wells[well] = 1

print("well_123_patch_4 is counted as well", int("well_123_patch_4"[5:7].replace("_", "")))

# %% [markdown]
# It looks at fixed places of the name, which fits these wells only, and two copies must be mended. Now one function serves both:

# %%
show_code(get_patches_per_well)

# %%
# Now
dict_wells_masks = get_patches_per_well(y_train.index)

# %%
# %%capture
dict_wells_images = get_patches_per_well(images_train.index)  # prints the same lines

# %% [markdown]
# > **Take along:** what stands twice becomes a function; a name is read at its separators.
#
# Before, both lists were printed for the eye. Now Python compares:

# %%
for y_key in sorted(dict_wells_masks.keys()):
    assert dict_wells_masks[y_key] == dict_wells_images[y_key]

# %% [markdown]
# But equal counts can hide unequal names. Here a mask and another patch's image are taken away: the assertion holds, but `load_data` compares names:

# %%
well_1 = y_train.index[wells.wells_of(y_train) == 1]
masks, images = y_train.loc[well_1].drop(well_1[0]), images_train.loc[well_1].drop(well_1[1])
assert len(masks) == len(images)
try:
    load.check_same_patches(masks, images)
except ValueError as error:
    print(error)

# %% [markdown]
# So the challenge's first download is refused, part of whose masks is false.
#
# > **Take along:** what must be equal is asserted, name by name.
#
# ## 2 Corrosion per well
#
# *R1.9.* How rare is a groove? Before, a Python loop over the rows, `round`, and one ratio for all wells:


# %% tags=["nbval-ignore-output"]
# Before
def ratios_row_by_row():
    n_patches = n_pixels = overall = 0
    for _, row in y_train.iterrows():
        if row.sum() > 0:
            n_patches += 1
            n_pixels += row.sum()
        overall += len(row)
    return round(n_pixels * 100 / overall, 3), round(n_patches * 100 / len(y_train), 3)


# %timeit -n 3 -r 1 ratios_row_by_row()
# %timeit -n 3 -r 1 y_train.to_numpy().mean(), y_train.any(axis=1).mean()

# %% [markdown]
# The second line does the same with whole tables, many times faster; and a format rounds where the number is shown:

# %%
# Now
n_pixels, n_patches, overall = y_train.to_numpy().sum(), y_train.any(axis=1).sum(), y_train.size
print(f"Ratio of pixels with corrosion : {n_pixels * 100 / overall: .3f} %")
print(f"Ratio of patches with corrosion : {n_patches * 100 / len(y_train): .3f} %")

# %% [markdown]
# Published are 7.154 and 79.326 %. What one ratio hides, a ratio of each well shows:

# %%
of_well = wells.wells_of(y_train)
ratios = pd.DataFrame(
    {
        "corroded pixels, %": 100 * y_train.mean(axis=1).groupby(of_well).mean(),
        "corroded patches, %": 100 * y_train.any(axis=1).groupby(of_well).mean(),
    }
).rename_axis("well")
ratios.T.round(1)

# %%
ratios.plot.bar(subplots=True, layout=(1, 2), figsize=(10, 3.2), legend=False, rot=0)
plt.suptitle("A groove crosses most patches of most wells, but covers few of their pixels")
plt.show()

# %% [markdown]
# Wells 9 and 10 have no groove. "No groove" everywhere would be right in nine pixels of ten, so accuracy is a useless score.
#
# > **Take along:** count without loops, and per well: wells are what differs.
#
# ## 3 Thickness
#
# *R1.11, R1.12.* Which values has a wall? Before, mean, standard deviation, and the extremes:

# %%
# Before
cleaned_img = np.nan_to_num(images_train.to_numpy().flatten())
print(f"Mean : {cleaned_img.mean():.1f}  Std : {cleaned_img.std():.1f}")
print("Max :", cleaned_img.max(), " Min :", cleaned_img.min())

# %% [markdown]
# The mean lies far below any thickness that was measured. One pixel in two hundred is no measurement but a code for a failed transmission (*telemetry*), and rules both figures. Quantiles, the values below which a given share of all values lies, say so at once:

# %%
# Now
with np.printoptions(precision=3, suppress=True):
    print(np.quantile(cleaned_img, config.quantiles))

# %% [markdown]
# The lowest *is* the code. Half of all pixels lie within 0.01 of zero: a value says how far the wall is from its mean thickness, and is negative where metal is lost.
#
# > **Take along:** look at quantiles before you trust a mean.
#
# For the histogram the junior read all files again:

# %% tags=["nbval-ignore-output"]
# Before
# %timeit -n 1 -r 1 load.read_images(load.find_images(data.folder))

# %%
# Now: from what is loaded
usable_pixels = cleaned_img[preprocess.usable_pixels(cleaned_img, config)]
figure, axes = plt.subplots(1, 2, figsize=(10, 3.2))
for axis, log, title in zip(
    axes, (False, True), ("linear, as the junior's", "logarithmic"), strict=True
):
    axis.hist(usable_pixels, bins=120, log=log, histtype="stepfilled")
    axis.set(xlabel="thickness deviation (units of the files)", ylabel="pixels", title=title)
figure.suptitle("A logarithmic axis shows the grooves: the tail to the left")
plt.show()

# %% [markdown]
# > **Take along:** read once, at the top.
#
# By well:

# %%
usable = images_train.where(preprocess.usable_pixels(images_train, config))
shares = [0.005, 0.25, 0.5, 0.75, 0.995]
by_well = {well: np.nanquantile(part, shares) for well, part in usable.groupby(of_well)}
low, lower, middle, upper, high = np.transpose(list(by_well.values()))
plt.figure(figsize=(8, 3.2))
plt.vlines(list(by_well), low, high, linewidth=1.5, label="99 % of the pixels")
plt.vlines(list(by_well), lower, upper, color=plots.ORANGE, linewidth=9, label="half of them")
plt.plot(list(by_well), middle, "_", color="black", markersize=11, label="median")
plt.xticks(list(by_well))
plt.xlabel("well")
plt.ylabel("thickness deviation\n(units of the files)")
plt.title("All wells have the same middle; their extremes differ, grooves at the lower end")
plt.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.2))
plt.show()

# %% [markdown]
# ## 4 Missing values
#
# *R1.13, R1.14.* The junior made one flat list of all pixels, with zeros for the missing ones. How many are missing?

# %%
# Before
flat_list_img_train = np.nan_to_num(images_train.to_numpy().flatten())
print("Missing pixels:", np.isnan(flat_list_img_train).sum())

# %% [markdown]
# Zero is a thickness like any other, so nothing seems to be missing.

# %%
# Now: a row a patch
missing = images_train.isna().sum(axis=1)
statistics = {"min": usable.min(axis=1), "median": usable.median(axis=1), "max": usable.max(axis=1)}
statistics = pd.DataFrame({"missing": missing, **statistics}).round(3)
statistics[missing > 0]

# %% [markdown]
# One has lost half of itself, and is dropped. The other lacks eleven pixels, which get the median of its own values. The reviewer's code means to do the same:

# %%
# Before: the reviewer's; the condition has one value per patch
to_fill = (missing > 0) & (missing < 100)
overwritten = images_train.mask(to_fill, images_train.median(axis=1), axis=0)

# %%
show_code(preprocess.repair_pixels)

# %%
patch = missing[to_fill].index[0]
as_it_came = images_train.loc[patch]
repaired, _ = preprocess.repair_pixels(as_it_came.to_numpy()[None], config)
panels = {
    "as it came (black: missing)": as_it_came,
    "the reviewer: condition per patch": overwritten.loc[patch],
    "ours: condition per pixel": pd.Series(repaired[0], as_it_came.index),
}
figure, axes = plt.subplots(1, 3, figsize=(9, 3))
for axis, (title, image) in zip(axes, panels.items(), strict=True):
    picture = plots.draw_thickness(axis, image.to_numpy().reshape(36, 36))
    picture.set_cmap(picture.get_cmap().with_extremes(bad="black"))
    axis.set_title(title)
    axis.axis("off")
plots.add_colour_bar(figure, picture, axes)
figure.suptitle("A condition per patch wipes out the patch; one per pixel fills the gap")
plt.show()

# %%
measured = as_it_came.notna()
table = {
    title: {"missing": image.isna().sum(), "others changed": (image != as_it_came)[measured].sum()}
    for title, image in panels.items()
}
pd.DataFrame.from_dict(table, orient="index")

# %% [markdown]
# > **Take along:** ask image by image, and look at one image after each repair.
#
# ## 5 Outliers of single pixels
#
# *R1.15, R1.10.* Before, this was all, and the network was trained on the codes, too:

# %%
# Before
count_outliers = (images_train.min(axis=1) < -100).sum()
print("Number of outliers:", count_outliers * 100 / len(images_train))

# %% [markdown]
# This is no number but a percentage of images, and does not say how much each has lost. Here is one with a single code, coloured from its lowest to its highest value:

# %%
below = (images_train < config.outlier_threshold).sum(axis=1)
above = (images_train > config.upper_outlier_threshold).sum(axis=1)
few = below.between(1, 15) & (images_train.min(axis=1) < -100)
patch = usable[few].where(y_train[few] == 1).median(axis=1).idxmin()  # with the deepest groove
as_it_came = images_train.loc[[patch]].to_numpy()
repaired, _ = preprocess.repair_pixels(as_it_came, config)
figure, axes = plt.subplots(1, 2, figsize=(8, 3.2))
for axis, image, title in zip(
    axes, (as_it_came, repaired), ("as it came", "repaired"), strict=True
):
    picture = axis.imshow(image.reshape(36, 36), cmap="viridis")
    figure.colorbar(picture, ax=axis, label="thickness deviation")
    axis.set_title(f"{title}: lowest value {image.min():.2f}")
    axis.axis("off")
figure.suptitle("Beside one code of the telemetry a groove cannot be seen")
plt.show()

# %% [markdown]
# Now values out of range are counted patch by patch (published: of ten times as many):

# %%
# Now
print(f"Patches with values above the range: {(above > 0).sum()}")
print(f"Ratio of patches with values below it: {100 * (below > 0).mean():.3f} %")
below = below[below > 0]
found = {
    "patches with outliers": [347, len(below)],
    "... 1 or 2 of them": [119, (below <= 2).sum()],
    "... at most 15": [159, (below <= 15).sum()],
    "... at least 200": [40, (below >= config.ruined_pixels).sum()],
    "... all 1,296": [34, (below == 1296).sum()],
}
pd.DataFrame(found, index=["published", "here"]).T

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
# The curve is flat around the limit, so its exact place hardly matters. Beyond it patches are dropped, below it repaired:

# %%
cleaner = preprocess.PreprocessData(config)
y_repaired, images_repaired = cleaner.transform(y_train, images_train)
cleaner.summary_

# %% [markdown]
# > **Take along:** count how much each image has lost before you drop any: most can be saved.
#
# ## 6 Outliers in many dimensions
#
# *R1.16.* A patch can be odd although each of its pixels is in range. The reviewer flags such in two steps. *PCA* finds the patterns (*components*) in which patches differ most; *SPE/DmodX*, a test of the `pca` package, flags patches with unusually much of them. Then *DBSCAN*, a clustering, flags patches that have no other near them. The reviewer keeps hundreds of components, but the test looks at the first two only:

# %%
show_code(preprocess.spe_outliers)

# %% tags=["nbval-ignore-output"]
pixels = images_repaired.to_numpy()


def all_components():  # the reviewer's
    of_package = pca(alpha=0.05, detect_outliers=["spe"], verbose=0)  # 95 % of the variance
    return of_package.fit_transform(pixels)["outliers"]["y_bool_spe"].to_numpy()


# Before, and now
# %timeit -n 1 -r 1 all_components()
# %timeit -n 1 -r 1 preprocess.spe_outliers(pixels, config)

# %%
outside_ellipse = preprocess.spe_outliers(pixels, config)
outside_cluster = preprocess.dbscan_outliers(pixels[~outside_ellipse], config)
model = decomposition.PCA(0.95, svd_solver="full").fit(pixels)
found = {
    "left after repair": [9_633, len(pixels)],
    "components for 95 % of variance": [565, model.n_components_],
    "flagged by SPE/DmodX with all of them": [235, all_components().sum()],
    "flagged by SPE/DmodX with two": [None, outside_ellipse.sum()],
    "flagged by DBSCAN after that": [14, outside_cluster.sum()],
}
pd.DataFrame(found, index=["published", "here"]).T.astype("Int64")

# %% [markdown]
# So two are enough, and several times faster. On the left they are pictures; on the right each mark is a patch, placed by how much it has of each:

# %%
plane = model.transform(pixels)[:, :2]
depth = -images_repaired.where(y_repaired == 1).median(axis=1)  # NaN without a groove
in_13 = wells.wells_of(y_repaired) == 13
angle = np.linspace(0, 2 * np.pi, 200)
half_axes = config.spe_std * plane.std(axis=0)
places = [["first", "patches"], ["second", "patches"]]
figure, axes = plt.subplot_mosaic(places, figsize=(9, 4.6), width_ratios=[1, 3.2])
for component, name in zip(model.components_, ("first", "second"), strict=False):
    axes[name].imshow(component.reshape(36, 36), cmap="PuOr", vmin=-0.1, vmax=0.1)
    axes[name].set(title=f"{name} component", xticks=[], yticks=[])
axis = axes["patches"]
axis.plot(*(half_axes[:, None] * (np.cos(angle), np.sin(angle))), color="black", label="SPE/DmodX")
for group, marker, name in ((~in_13, "o", "other wells"), (in_13, "^", "well 13")):
    options = {"c": depth[group].fillna(0), "cmap": "viridis", "vmin": 0, "vmax": 0.1, "s": 18}
    dots = axis.scatter(*plane[group].T, marker=marker, alpha=0.8, **options)
    axis.plot([], [], marker, color="0.5", label=name)  # colour is depth, so the legend has none
figure.colorbar(dots, label="median depth of the groove\n(0: none labelled)", extend="max")
axis.set(xlabel="amount of the first component", ylabel="amount of the second")
figure.legend(loc="outside lower right", ncols=3, fontsize=9)
flagged_in_13 = (outside_ellipse & in_13).sum()
figure.suptitle(
    f"{flagged_in_13} of the {outside_ellipse.sum()} patches outside the ellipse are of well 13"
)
plt.show()

# %%
deepest = depth.rank(ascending=False, method="first") <= outside_ellipse.sum()
for name, group in (("of the flagged patches", outside_ellipse), ("of all", depth.notna())):
    print(f"median depth of the groove {name}: {depth[group].median():.3f}")
print(f"of the {deepest.sum()} deepest {(deepest & outside_ellipse).sum()} are flagged")

# %% [markdown]
# The first component *is* the groove of well 13. So what falls outside the ellipse is most of that well's deepest grooves, the very thing that is sought; others as deep stay inside. On the real wells nearly half of what it flags is of well 13, with grooves three times as deep as the median.
#
# Settings decide how many are flagged: the ellipse's width in standard deviations, and *eps*, the distance within which DBSCAN looks for others. The reviewer took 3 and 1.5:

# %%
by_setting = {
    f"SPE/DmodX, width {n}": preprocess.spe_outliers(pixels, Config(spe_std=n))
    for n in (2.5, 3, 3.5)
}
for n in (0.9, 1.0, 1.5):
    by_setting[f"DBSCAN, eps {n}"] = preprocess.dbscan_outliers(pixels, Config(dbscan_eps=n))
table = {}
for name, flagged in by_setting.items():
    of_wells = pd.Series(wells.wells_of(y_repaired)[flagged]).value_counts().head(2)
    table[name] = {
        "flagged": flagged.sum(),
        "mostly": ", ".join(f"{count} of well {well}" for well, count in of_wells.items()),
        "outside the ellipse of 3": (flagged & outside_ellipse).sum(),
    }
pd.DataFrame.from_dict(table, orient="index")

# %%
odd = [
    images_repaired[outside_ellipse].sample(6, random_state=config.seed),
    images_repaired[by_setting["DBSCAN, eps 1.0"]].head(6),
]
plots.show_patches(
    np.concatenate(odd).reshape(-1, 36, 36),
    [name for flagged in odd for name in flagged.index],
    heading="Above: SPE/DmodX flags deep grooves. Below: DBSCAN flags noise, false echoes and collars",
)

# %% [markdown]
# ### Which helps the model?
#
# `experiments/outliers.py` trains the baseline without what SPE/DmodX flags, without as many that an isolation forest flags, or as many at random, and scores it on new wells by Dice, the overlap with true grooves ([how, and what a *draw* is](../docs/results.md#how-variants-are-compared)):

# %%
plots.show_draws(
    pd.read_csv("experiments/outliers_simulated.csv"),
    "none",
    "Dropping odd patches makes no difference that these draws show",
)

# %% [markdown]
# It helps in some draws and costs in others. We drop these patches all the same, in training only, so that the baseline stays the reviewer's.
#
# > **Take along:** look at what a detector flags before you drop it, and never drop it from what you are judged by.
#
# ## 7 From patches back to wells
#
# Where a patch lies in its well is not published. How alike are patches 0 and 1, 2 and 3, and so on?

# %%
alike = {}
for well, patches in usable.groupby(of_well):
    first, second = (patches.iloc[start::2].reset_index(drop=True) for start in (0, 1))
    alike[well] = first.corrwith(second, axis=1).median()
colours = [plots.ORANGE if median > 0.8 else plots.BLUE for median in alike.values()]
plt.figure(figsize=(7, 2.8))
plt.bar(list(alike), list(alike.values()), color=colours)
plt.xticks(list(alike))
plt.xlabel("well")
plt.ylabel("median correlation")
plt.title("In eight wells (orange) two successive patches are nearly copies")
plt.show()
copies = sum(dict_wells_images[well] for well in wells.WIDE_WELLS)
print(
    f"{copies} of {len(images_train)} patches ({copies / len(images_train):.1%}) have a near-copy"
)

# %% [markdown]
# They are *twins*: the even and the odd columns of the same rows of wells logged at 72 azimuths. On the real wells this cell gives more than 0.88 in the same eight wells, less than 0.78 in the others.
#
# Put a pair together, column by column, and move all columns by half the block. The first and the last meet, and no edge is seen: the image goes all around the pipe.

# %%
pair = [wells.patch_name(7, 8), wells.patch_name(7, 9)]
even, odd = usable.loc[pair].to_numpy().reshape(2, 36, 36)
block = np.stack([even, odd], axis=-1).reshape(36, 72)
panels = {pair[0]: even, pair[1]: odd, "interleaved": block}
panels["rolled by 36 columns"] = np.roll(block, 36, axis=1)
figure, axes = plt.subplots(1, 4, figsize=(10.5, 2.6), width_ratios=[1, 1, 2, 2])
for axis, (title, image) in zip(axes, panels.items(), strict=True):
    picture = plots.draw_thickness(axis, image)
    axis.set_title(title, fontsize=9)
    axis.axis("off")
axes[3].text(35.5, 36, "▲\nfirst and last column meet", ha="center", va="top", fontsize=9)
plots.add_colour_bar(figure, picture, axes)
figure.suptitle("Two patches are the even and the odd columns of one smooth block", fontsize=11)
plt.show()

# %% [markdown]
# In the other wells patch p+1 continues patch p downwards. So a well can be put together, and cut again to the same bytes:

# %%
for well in wells.ALL_WELLS:
    patches = images_train[of_well == well].to_numpy()
    whole = wells.well_from_frame(images_train, well)
    assert wells.cut_well(whole).tobytes() == patches.tobytes()

# %%
strips, masks = {}, {}
for well in (3, 7, 11, 13):
    for title in (f"well {well}", f"{well}, label"):
        strips[title] = wells.well_from_frame(usable, well)
        masks[title] = wells.well_from_frame(y_train, well) * title.endswith("label")
joined = "Four wells put together (360 rows of each): grooves run on through many patches"
plots.show_well_strips(strips, masks, heading=joined)

# %% [markdown]
# Collars cross as noisy lines, and rows repeat where the tool stood still (well 3, top). The annotator is simulated as well, and in haste: pieces are forgotten (well 13, from row 265).
#
# > **Take along:** find out how samples belong together before you treat them as independent.
#
# ## 8 The split by wells
#
# *R1.17.* The junior shuffled the patches and held a tenth back. This "model" learns nothing: it copies the mask of the training patch that is most alike. What does it score?


# %%
def agreement(mask, truth):  # both (n, 36, 36) bool
    both, either = (mask & truth).sum(axis=(1, 2)), (mask | truth).sum(axis=(1, 2))
    iou = np.where(either > 0, both / np.maximum(either, 1), 1.0)  # two empty masks agree
    dice = 2 * both.sum() / (mask.sum() + truth.sum())
    return {"Dice": dice, "mean IoU": iou.mean()}


# one neighbour: the answer is the mask of the most similar training patch, unchanged
copier = neighbors.KNeighborsRegressor(n_neighbors=1)
drawn = y_repaired.to_numpy().reshape(-1, 36, 36)


def copied(parts, **options):
    masks = model_selection.cross_val_predict(copier, pixels, y_repaired, cv=parts, **options)
    return masks.reshape(-1, 36, 36) == 1


# %%
# Before: patches at random, each tenth once in validation
at_random = copied(model_selection.KFold(10, shuffle=True, random_state=config.seed))
# Now: each well once in validation
by_wells = copied(model_selection.LeaveOneGroupOut(), groups=wells.wells_of(y_repaired))
scores = {"split at random": agreement(at_random, drawn == 1)}
scores["split by wells"] = agreement(by_wells, drawn == 1)
pd.DataFrame.from_dict(scores, orient="index").round(2)

# %%
twins = [wells.patch_name(7, 40), wells.patch_name(7, 41)]
first, second = y_repaired.index.get_indexer(twins)
shown = [first, second, second]
of_second = [agreement(masks[[second]], drawn[[second]] == 1) for masks in (at_random, by_wells)]
figure = plots.draw_patches(
    pixels[shown].reshape(-1, 36, 36),
    [
        f"{twins[0]}",
        f"{twins[1]}, split at random:\nDice {of_second[0]['Dice']:.2f}",
        f"{twins[1]}, split by wells:\nDice {of_second[1]['Dice']:.2f}",
    ],
    drawn[shown],
    np.stack([np.zeros_like(at_random[0]), at_random[second], by_wells[second]]),
    columns=3,
)
figure.set_size_inches(9, 3.6)
figure.suptitle("Copied from its twin, a mask passes for a prediction")
plt.show()

# %% [markdown]
# Split at random, mere copying looks like learning; from other wells it scores half as much. On the real wells, by labels that a network made, Dice is 0.77 and 0.53. So each well belongs to one part only. Which wells are alike, by their images and by their masks?

# %%
left = np.unique(wells.wells_of(y_repaired)).tolist()
image_of = {well: wells.well_from_frame(images_repaired, well) for well in left}
mask_of = {well: wells.well_from_frame(y_repaired, well) == 1 for well in left}


def correlation(a, b):
    both = np.isfinite(a) & np.isfinite(b)  # a dropped patch is NaN
    return np.corrcoef(a[both], b[both])[0, 1]


# %%
of_images, of_masks = {}, {}
for well, image in image_of.items():
    low, q25, q75, high = np.nanquantile(image, [0.005, 0.25, 0.75, 0.995])
    of_images[well] = {
        "interquartile range": q75 - q25,
        "0.5 % quantile": low,
        "99.5 % quantile": high,
        "correlation, next column": correlation(image, np.roll(image, 1, axis=1)),
        "correlation, next row": correlation(image[1:], image[:-1]),
    }
    if (mask := mask_of[well]).any():
        rows = mask.any(axis=1)
        of_masks[well] = {
            "corroded pixels, %": 100 * mask.mean(),
            "corroded rows, %": 100 * rows.mean(),
            "groove width, columns of 36": 36 * mask[rows].mean(),
            "groove contrast": np.nanmedian(image[~mask]) - np.nanmedian(image[mask]),
        }
image_features = pd.DataFrame.from_dict(of_images, orient="index")
mask_features = pd.DataFrame.from_dict(of_masks, orient="index")

# %% [markdown]
# In the tree, read from the colours to the left: the sooner two branches meet, the more alike are their wells.

# %%
all_masks = mask_features.reindex(left, fill_value=0)  # no groove: no width, no contrast
for features, title in (
    (image_features, "By their images, wells 11 and 12 stand apart"),
    (all_masks, "By their masks, wells with little or no groove stand apart: 5, 8, 9, 10"),
):
    with plt.rc_context({"figure.constrained_layout.use": False}):  # it lays out its own axes
        grid = sns.clustermap(
            features, method="ward", z_score=1, col_cluster=False, cmap="PuOr_r", center=0,
            figsize=(6.5, 5), dendrogram_ratio=(0.2, 0.02), cbar_pos=(1.05, 0.3, 0.03, 0.4),
            cbar_kws={"label": "standard deviations\nfrom the mean of the wells"},
        )  # fmt: skip
    grid.ax_heatmap.set_ylabel("well")
    grid.ax_heatmap.tick_params(axis="y", rotation=0)
    grid.figure.suptitle(title, y=1.03)
    plt.show()

# %% [markdown]
# Wells 11 and 12 have false echoes and more noise. The reviewer clustered mean images and masks, and found 12 and 13 odd. All three are in training:

# %%
rows = {}
for name, part in zip(split.PARTS, split.split_by_wells(y_repaired, config), strict=True):
    rows[name] = {
        "wells": ", ".join(map(str, np.unique(wells.wells_of(part)))),
        "patches": len(part),
        "share of patches, %": 100 * len(part) / len(y_repaired),
        "corroded pixel ratio, %": 100 * part.to_numpy().mean(),
        "corroded patch ratio, %": 100 * part.any(axis=1).mean(),
    }
pd.DataFrame.from_dict(rows, orient="index").rename_axis("part").round(2)

# %% [markdown]
# But two validation wells are few: [notebook 05](05_Leak_and_split.ipynb) measures how far they mislead.
#
# > **Take along:** split by what a new case will be: here a well.
#
# ## 9 Label refinement and image enhancement
#
# ### 9.1 Masks
#
# *R1.18.* The junior filled the holes of all masks; the cell on dilation, which grows a mask, ends in an error. The reviewer repaired it, and dilates every training mask. But a kernel of 2 x 2 has no middle pixel, and OpenCV takes the lower right one:


# %%
# Before
def dilate_2x2(masks):  # as cv2.dilate(mask, np.ones((2, 2))): from above and from the left
    return ndimage.maximum_filter(masks, size=(1, 2, 2), mode="constant")


small = np.zeros((1, 8, 8), int)
small[:, :4, 2:5] = small[:, 4:, 3:6] = 1  # a groove that steps to the right
plt.figure(figsize=(3.4, 3.2))
plt.pcolormesh((small + dilate_2x2(small))[0], cmap="Oranges", edgecolors="0.8")
plt.gca().invert_yaxis()
plt.axis("equal")
plt.axis("off")
plt.title("2 x 2 dilation: the groove (dark) grows\nto the right and down only (light)")
plt.show()

# %%
by_patch = ndimage.generate_binary_structure(2, 1)[None]  # neighbours within a patch
ringed = np.pad(drawn, ((0, 0), (1, 1), (1, 1)))  # a pixel of wall around each patch
refined = {
    "as drawn": drawn == 1,
    "holes filled": ndimage.binary_fill_holes(drawn, by_patch),
    "2 x 2 dilation": dilate_2x2(drawn == 1),
    "symmetric closing, 3 x 3": ndimage.binary_closing(ringed, np.ones((1, 3, 3)))[:, 1:-1, 1:-1],
}

# %% [markdown]
# Is a refined mask closer to the truth? On simulated wells it is known:

# %%
# Now: measured
truth = None
if data.simulated:
    clean = load.read_labels(data.folder / "y_clean.csv").loc[y_repaired.index]
    truth = clean.to_numpy().reshape(-1, 36, 36) == 1


def centres(masks):  # the middle column of each patch's mask, NaN without one
    with np.errstate(invalid="ignore"):
        return (masks * np.arange(36)).sum(axis=(1, 2)) / masks.sum(axis=(1, 2))


table = {}
for name, mask in refined.items():
    table[name] = {
        "moved right, median": np.nanmedian(centres(mask) - centres(drawn)),
        "Dice by the labels as drawn": agreement(mask, drawn == 1)["Dice"],
        "Dice by the truth": np.nan if truth is None else agreement(mask, truth)["Dice"],
    }
pd.DataFrame.from_dict(table, orient="index").round(3)

# %%
careful = (refined["holes filled"], refined["symmetric closing, 3 x 3"])
changed = sum((masks ^ (drawn == 1)).sum(axis=(1, 2)) for masks in careful)
most_changed = np.argsort(changed, kind="stable")[-2:]
plots.show_patches(
    np.repeat(pixels.reshape(-1, 36, 36)[most_changed], len(refined), axis=0),
    [f"{y_repaired.index[patch]}\n{name}" for patch in most_changed for name in refined],
    np.concatenate([[masks[patch] for masks in refined.values()] for patch in most_changed]),
    columns=len(refined),
    heading="Even where they change most, filling and closing only fill a hole",
)

# %% [markdown]
# Filling and closing gain next to nothing; the dilation moves masks by half a pixel, and loses much. We train on masks as drawn.
#
# > **Take along:** a refinement must come nearer to the truth.
#
# ### 9.2 Thickness in 8 bits
#
# *CLAHE* raises local contrast, and a *bilateral filter* smooths but keeps edges. For both the junior made 8-bit images, with values from 0 to 255, by `np.uint8(image * 255)`. Where metal is lost the value is negative, and the cast makes a large one of it:


# %%
# Before
def naive_cast(thickness):
    return (255 * thickness).astype(int).astype(np.uint8)  # keeps the lowest eight bits


# Now
def grey(thickness, low=-0.06, high=0.06):  # one scale for all: the colours of all figures here
    return np.rint(255 * (np.clip(thickness, low, high) - low) / (high - low)).astype(np.uint8)


values = np.array([-0.06, -0.03, -0.005, 0.0, 0.005, 0.03, 0.06])
greys = {"naive cast of 255 x": naive_cast(values), "scaled": grey(values)}
pd.DataFrame(greys, index=pd.Index(values, name="thickness")).T

# %% [markdown]
# A groove becomes almost white. And scaled patch by patch, a faint groove comes out as dark as a deep one:

# %%
thickness = pixels.reshape(-1, 36, 36)
generator = np.random.default_rng(config.seed)
size = min(1000, len(thickness))  # all patches of the simulated wells, a sample of the real ones
sample = np.sort(generator.choice(len(thickness), size, replace=False))
thickness, grooves = thickness[sample].astype(float), drawn[sample] == 1
own_scale = np.quantile(thickness, [0.01, 0.99], axis=(1, 2), keepdims=True)
pictures = {
    "naive cast": naive_cast(thickness),
    "own scale": grey(thickness, *own_scale),
    "one scale": grey(thickness),
}

# %%
unit = (np.clip(thickness, -0.06, 0.06) + 0.06) / 0.12  # 0 black, 1 white
clahe = [exposure.equalize_adapthist(patch, kernel_size=12, clip_limit=0.01) for patch in unit]
pictures["CLAHE"] = np.rint(255 * np.array(clahe)).astype(np.uint8)
for name, sigma in {"weak": 0.005, "strong": 0.02}.items():
    options = {"sigma_color": sigma / 0.12, "sigma_spatial": 1}
    # mode="edge", since by default all is black outside, and bleeds into dark grooves
    smooth = [restoration.denoise_bilateral(patch, **options, mode="edge") for patch in unit]
    pictures[f"bilateral, {name}"] = np.rint(255 * np.array(smooth)).astype(np.uint8)

# %%
grooved = np.flatnonzero(grooves.sum(axis=(1, 2)) >= 100)
by_depth = grooved[np.argsort([np.median(thickness[i][grooves[i]]) for i in grooved])]
sound = np.flatnonzero(~grooves.any(axis=(1, 2)))
chosen = {
    "calmest wall": sound[np.argmin(thickness[sound].std(axis=(1, 2)))],
    "typical groove": by_depth[len(by_depth) // 2],
    "deepest groove": by_depth[0],
}

# %%
figure, axes = plt.subplots(3, 6, figsize=(12, 6))
for row, (kind, patch) in zip(axes, chosen.items(), strict=True):
    row[0].set_ylabel(kind)
    for axis, (name, picture) in zip(row, pictures.items(), strict=True):
        shades = axis.imshow(picture[patch], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set(title=name if kind == "calmest wall" else "", xticks=[], yticks=[])
        if grooves[patch].any():
            outline = {"colors": plots.ORANGE, "linewidths": 1.2, "linestyles": "solid"}
            axis.contour(grooves[patch], levels=[0.5], **outline)
figure.colorbar(shades, ax=axes, shrink=0.7, pad=0.01, label="grey value")
figure.suptitle("A naive cast turns the groove (label: orange) white")
plt.show()

# %% [markdown]
# CLAHE sharpens the wall's pattern, too, and a strong filter blurs all. Whether a network gains was not tried; ours gets thickness as measured.
#
# > **Take along:** do arithmetic in the units of the measurement; 8 bits are for looking.
#
# ## 10 Are the simulated wells like real ones?
#
# `helpers.data.synthetic` draws each well by what was measured on the real one of its number. The table has the median well, the lowest and the highest, here and on the challenge's images, with labels that a network made:

# %%
of_wells = {}
for well, image in image_of.items():
    mask, sector = mask_of[well], image.shape[1] // 36  # columns of ten degrees
    at_wrap = mask[:, :sector].sum() + mask[:, -sector:].sum()
    of_wells[well] = {
        "correlation 50° apart": correlation(image, np.roll(image, 5 * sector, axis=1)),
        "correlation 20 rows apart": correlation(image[20:], image[:-20]),
        "groove at the wrap, %": 100 * at_wrap / mask.sum() if mask.any() else np.nan,
    }
of_wells = pd.DataFrame.from_dict(of_wells, orient="index")
here = pd.concat([image_features, mask_features, of_wells], axis=1).agg(["median", "min", "max"])

# %%
REAL_WELLS = {
    "interquartile range": (0.01818, 0.01405, 0.02032),
    "0.5 % quantile": (-0.05571, -0.1281, -0.02872),
    "99.5 % quantile": (0.03993, 0.02772, 0.127),
    "correlation, next column": (0.7554, 0.227, 0.8888),
    "correlation, next row": (0.7429, 0.3718, 0.9115),
    "corroded pixels, %": (6.408, 1.944, 10.59),
    "corroded rows, %": (77.02, 21.87, 93.37),
    "groove width, columns of 36": (3.2, 2.318, 4.374),
    "groove contrast": (0.0185, 0.007285, 0.04876),
    "correlation 50° apart": (0.1676, -0.03181, 0.3318),
    "correlation 20 rows apart": (0.3481, -0.002827, 0.7377),
    "groove at the wrap, %": (2.859, 0, 29.32),
}
real = pd.DataFrame(REAL_WELLS, index=here.index)
pd.concat({"here": here.T, "real wells": real.T}, axis=1).map("{:.3g}".format)

# %% [markdown]
# The first eight rows are alike; the last four differ. Grooves here are a fifth deeper, so easier to find. Half of the wells have no groove near the wrap, and one has half of its groove there. The wall's patterns are shorter along the pipe and narrower around it.
#
# ## 11 Small habits
#
# R1.7 and R1.8 are about one loop:

# %%
# Before
before = []
for i, well in enumerate(dict(sorted(dict_wells_masks.items())).keys()):
    before.append(well)
    if i == 15:
        break

# Now
assert sorted(dict_wells_masks) == before

# %% [markdown]
# R1.4: the first table above needs no `display`. [All six, and why](README.md#small-habits).
#
# ## What we now know
#
# - Images and labels must be of one download, name by name.
# - What a detector of outliers flags may be what is sought.
# - Four patches in ten have a near-copy. Split wells, never patches.
# - Train on masks as drawn; whether enhancement helps is open.
#
# ## Exercise
#
# Answer with the mask of the patch before, `well_7_patch_8` for `well_7_patch_9`, and score each well by `agreement(mask, truth)`. Why is it good?
#
# <details><summary>Answer</summary>
#
# Dice is 0.4 to 0.8 in all wells with grooves: the patch before is a twin, or holds the same groove farther up.
#
# </details>
#
# ## Words
#
# | word | meaning |
# |---|---|
# | R1.1 … R4.4 | the 39 points of the review, in four parts |
# | casing | the steel pipe that lines a well. A tool is pulled through it, and measures the thickness of its wall by ultrasound |
# | log, DLIS | what the tool records along the well; a file format for it |
# | azimuth | the direction around the pipe, 0° to 360°; the columns of an image |
# | patch | a piece of a log, 36 rows along the pipe by 36 columns around it |
# | thickness | here always the variation of the wall's thickness around its mean, negative where metal is lost |
# | groove | metal worn away along the casing, 2 to 5 columns of 36 wide; a mask marks its pixels with 1. *Sound wall* has none |
# | joint, collar | one length of pipe; where two are screwed together, and the echo is lost |
# | wrap, seam | where the last column meets the first, around the pipe |
# | telemetry code | −999.25 or −999.0, which stands where the transmission to the surface failed (a *sentinel*) |
# | false echo | a measured value that is much too high |
# | twins | two patches of the same rows, one of the even and one of the odd columns |
# | quantile | the value below which a given share of all values lies; the 0.5 quantile is the median; between those of 0.25 and 0.75 lies the *interquartile range* |
# | dilation, closing | a mask grown by the shape of a *kernel*; grown and shrunk again, which closes gaps |
# | logit | what a network puts out; a sigmoid makes a probability of it, and 0 is one half |
# | Dice, mean IoU | Dice: twice the pixels that prediction and mask share, over the pixels of both. Mean IoU, the challenge's score: those they share, over those in either, averaged over patches. 1 is perfect, 0 is nothing right |
# | clean truth, labels, silver labels | on simulated wells the truth is known, and labels are the truth as a hasty annotator draws it. Silver labels are a network's, of the real wells: a score against them measures agreement, not truth |
# | slip | an error of the annotator: a stretch that is forgotten or drawn to one side, a hole in an outline |
# | hold out | keep wells or patches from training, to score the network by |
# | draw, fold | of a study: wells to learn from, others to be judged by, and a seed, the same for all variants that are compared. In a fold both kinds come from the same fifteen wells |
# | interval | the range that holds the mean of a difference between two variants with 95 % confidence. Where it holds 0, the study cannot tell the difference from zero |
# | call, false call | in a report: a groove that is reported; one where there is none. Elsewhere a call is a use of a function |
# | a90 | the depth at which a groove is found nine times in ten |
#
# **Next:** [02 Datasets, dataloaders, transforms](02_Datasets_dataloaders_transforms.ipynb) · [all review points](README.md)
