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
# # 02 · Datasets, dataloaders, transforms
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/02_Datasets_dataloaders_transforms.ipynb)
#
# From files on disk to batches for the network: split by wells, cleaned once and augmented on the way, with no copy of
# the images and no file read twice.
#
# **The finding:** two of torchvision's transforms harm such images: `adjust_brightness` erases every groove, and `RandomResizedCrop` moves the mask against
# its image ([section 4](#4-Transforms)).
#
# **You will learn** what cleaning does to each part, why masks must move with their images, and what a batch looks
# like.
#
# **Review points** R2.1 – R2.6. The list of all points is in [notebooks/README.md](README.md).
#
# **Before:** [01 EDA](01_EDA.ipynb) · **Next:** [03 Models, losses and evaluation score](03_Models_losses_&_evaluation_score.ipynb) · [all notebooks](../README.md#start)
#
# **Contents**
# 1. [Clean](#1-Clean)
# 2. [Split by wells](#2-Split-by-wells)
# 3. [A dataset that is read once](#3-A-dataset-that-is-read-once)
# 4. [Transforms](#4-Transforms)
# 5. [The whole pipeline](#5-The-whole-pipeline)
# 6. [Appendix: calls of the review](#Appendix:-calls-of-the-review)

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
import torch
from torchvision import tv_tensors

from helpers import inference, metrics, plots
from helpers.config import Config
from helpers.data import find_images, get_patches_per_well, load_data, split, transforms
from helpers.data.dataset import SegmentationDataset, data_preparation_pipeline
from helpers.data.preprocess import PreprocessData
from helpers.data.wells import parse_name
from helpers.notebook import print_versions, show_code

print_versions()

# %%
config = Config()

# %% [markdown]
# A patch from the training wells, and eleven ways in which training may see it. The outline is its mask, and
# moves with the groove ([section 4](#4-Transforms) shows each step):

# %%
y, images = load_data(data.folder)
in_training = np.isin([parse_name(name)[0] for name in y.index], config.train_wells)
masks_repaired, repaired = PreprocessData(config).transform(y[in_training], images[in_training])
name = masks_repaired.sum(axis=1).idxmax()  # the largest groove
pixels = np.float32([repaired.loc[name], masks_repaired.loc[name]]).reshape(2, 1, 36, 36)
original = tv_tensors.Image(pixels[0]), tv_tensors.Mask(pixels[1])  # (1, 36, 36) each
torch.manual_seed(config.seed)
augmented = [transforms.augment_transform()(*original) for _ in range(11)]
shown_images, shown_masks = (
    np.concatenate(part) for part in zip(original, *augmented, strict=True)
)
plots.show_patches(
    shown_images,
    ["as it is", *["augmented"] * 11],
    shown_masks,
    heading="Where the groove moves, its mask moves with it",
)

# %% [markdown]
# ## 1 Clean
#
# *R2.1.* Cleaning comes before any dataset is built, in a module of its own. Its thresholds were found in
# [notebook 01](01_EDA.ipynb) and stand in `helpers.config`. The junior's notebook only left out images with missing
# values: the telemetry codes −999.25 and −999.0 stayed in the images of 3.5 % of the patches, and the network was trained on them. The
# reviewer's code cleans them, but its detectors see all wells before it splits. We split *first*: the detectors see the training wells only,
# and what they flag is dropped from training only. Validation and test wells are repaired, and lose only their ruined patches.

# %%
y_train, y_val, y_test = split.split_by_wells(y, config)

preprocess = PreprocessData(config)
y_train, images_train = preprocess.fit_transform(y_train, images.loc[y_train.index])
preprocess.summary_

# %%
preprocess_val = PreprocessData(config)
y_val, images_val = preprocess_val.transform(y_val, images.loc[y_val.index])
preprocess_val.summary_

# %%
preprocess_test = PreprocessData(config)
y_test, images_test = preprocess_test.transform(y_test, images.loc[y_test.index])
preprocess_test.summary_

# %% [markdown]
# Does it matter that the detectors see the training wells only? Here they see all wells, as in the
# reviewer's code, and we compare what is kept:

# %%
y_seen, _ = PreprocessData(config).fit_transform(y, images)
ours, theirs = set(y_train.index), set(y_seen.index)
theirs_train = {name for name in theirs if parse_name(name)[0] in config.train_wells}
pd.Series(
    {
        "training patches kept either way": len(ours & theirs_train),
        "kept, but dropped when all wells are seen": len(ours - theirs_train),
        "dropped, but kept when all wells are seen": len(theirs_train - ours),
        "validation patches that would be missing": len(set(y_val.index) - theirs),
        "test patches that would be missing": len(set(y_test.index) - theirs),
    },
    name="patches",
).to_frame()

# %% [markdown]
# The second and the third row are the leak: here validation and test wells decided which training patches are kept. The last
# two rows count odd patches that would be left out of the score, which would change what it measures. Here there are none.
#
# Nothing is dropped silently. The report names each patch, what was found in it and what was done:

# %%
preprocess_test.report_

# %% [markdown]
# ## 2 Split by wells
#
# *R2.2, R2.3.* The junior's notebook copied every image and mask into a folder for each part. That is not needed: three small
# tables of masks say which patches belong where, `data/interim/y_train.csv`, `y_val.csv` and `y_test.csv`. The third, which the
# notebook did not have, is for the final score and for error analysis. `split_y_to_train_val_test` writes them, from what
# the cleaning has left.

# %%
y_train, y_val, y_test = split.split_y_to_train_val_test(
    pd.concat([y_train, y_val, y_test]), config
)
csv_train, csv_val, csv_test = (
    config.interim_dir / f"y_{part}.csv" for part in ("train", "val", "test")
)
wells = {
    path.name: {name.split("_")[1] for name in part.index}
    for path, part in zip((csv_train, csv_val, csv_test), (y_train, y_val, y_test), strict=True)
}
assert not wells["y_train.csv"] & wells["y_val.csv"]
assert not wells["y_train.csv"] & wells["y_test.csv"]
assert not wells["y_val.csv"] & wells["y_test.csv"]
{name: sorted(part, key=int) for name, part in wells.items()}

# %% [markdown]
# No well appears twice.
#
# ## 3 A dataset that is read once
#
# *R2.4.* The dataset is told its patches (`csv_file`), where the images are (`root_dir`), and what to do with each
# (`transform`). The junior's read each image once at the start, to look for missing values, and again for
# each sample. All real images together are 50 MB, with their masks 63, so they are read once, at construction, and kept as one tensor.

# %%
root_dir = find_images(data.folder)
dataset = SegmentationDataset(csv_val, root_dir, transform=transforms.normalize(config))
image, mask = dataset[10]
print(f"{len(dataset)} patches, for example {dataset.names[10]}")
print(f"image {tuple(image.shape)} {image.dtype}, mask {tuple(mask.shape)} {mask.dtype}")

# %% [markdown]
# This is how it gives out a sample, and one of the transforms:

# %%
show_code(SegmentationDataset.__getitem__, transforms.Brightness)

# %% [markdown]
# ## 4 Transforms
#
# *R2.4, R2.5.* Training patches may be changed at random; validation and test patches may not. (In the junior's notebook flips were on by
# default, in validation too.) At the end both are scaled:
# (value − 0) / 0.02. Mean and spread are two constants, not fitted to any well.
#
# `torchvision.transforms.v2` moves image and mask alike, as long as each has its type: a
# `tv_tensors.Image` is interpolated, a `tv_tensors.Mask` takes the nearest neighbour and stays 0 or 1. Flips, rotation and blur are v2's own; what a
# pipe needs beside them is in `helpers.data.transforms`. Each draws from torch's global generator, here five times on one patch:

# %%
plain = SegmentationDataset(csv_train, root_dir)
example = int((plain.images * plain.masks).sum(dim=(1, 2, 3)).argmin())  # most metal lost
pair = tv_tensors.Image(plain[example][0]), tv_tensors.Mask(plain[example][1])
v2 = transforms.v2
linear = v2.InterpolationMode.BILINEAR
steps = {
    "flips": transforms.flip_transform(),
    "roll": transforms.RandomRoll(),
    "rotation, crop": v2.RandomAffine(15, (0.1, 0.1), (1.0, 1.2), interpolation=linear),
    "blur": v2.GaussianBlur(9, sigma=(0.1, 1.75)),
    "noise": transforms.PixelNoise(0.10),
    "brightness": transforms.Brightness(0.5),
}
torch.manual_seed(config.seed)
rows = [[pair, *(step(*pair) for _ in range(5))] for step in steps.values()]
shown_images, shown_masks = (
    np.concatenate(part) for part in zip(*(drawn for row in rows for drawn in row), strict=True)
)
plots.show_patches(
    shown_images,
    [title for name in steps for title in ["as it is", *[name] * 5]],
    shown_masks,
    heading="The mask follows the groove, and stays under blur, noise and brightness",
)

# %% [markdown]
# From top to bottom:
#
# - **Flips**, each with a probability of one half, so some patches stay as they are. Left-right mirrors the pipe, up-down
#   turns the direction of logging. A groove stays a groove.
# - **Roll** by 0 to 35 columns: the tool's zero azimuth is arbitrary. A patch goes round the whole pipe, with every column of a
#   36-column well and every second one of a 72-column well; in both column 35 meets column 0. What leaves on one
#   side enters on the other, so every pixel is a measured one.
# - **Rotation** by up to ±15° **and crop**, moved by up to a tenth and enlarged by up to 1.2, in one interpolation. What comes from outside gets 0, the mean
#   thickness, and no groove.
# - **Blur** with a standard deviation of up to 1.75 pixels.
# - **Noise** on up to 10 % of the pixels, which take values from elsewhere in the patch.
# - **Brightness** ±50 %: all values times 0.5 to 1.5.
#
# The outline follows the groove through the first three, and stays where it is under the others. `augment_transform` puts them together:

# %%
show_code(transforms.augment_transform)

# %% [markdown]
# Two of torchvision's own transforms cannot be used here. `adjust_brightness` clips a float image to 0 … 1, which removes
# every groove, since metal loss is negative:

# %%
darkened = v2.functional.adjust_brightness(pair[0], 0.8)
print(f"before           : {pair[0].min():.3f} … {pair[0].max():.3f}")
print(f"adjust_brightness: {darkened.min():.3f} … {darkened.max():.3f}")

# %% [markdown]
# And `RandomResizedCrop` moves the mask against the image, by 0.4 pixel to the right and down on average, because it resizes masks
# with a "nearest" that rounds down. On a groove four columns wide that is a tenth of its width. Here the distance from the
# groove in the image to the groove in the mask, for an image that *is* its mask:

# %%
groove = torch.zeros(1, 36, 36)
groove[:, :, 16:20] = 1
both = tv_tensors.Image(groove), tv_tensors.Mask(groove)
theirs = v2.RandomResizedCrop(36, scale=(0.7, 1.0), ratio=(0.8, 1.25))
for name, step in (("RandomResizedCrop", theirs), ("RandomAffine", steps["rotation, crop"])):
    torch.manual_seed(config.seed)
    drawn = np.stack([np.stack(step(*both)) for _ in range(200)])  # (200, 2, 1, 36, 36)
    centres = (drawn.sum(axis=(2, 3)) * np.arange(36)).sum(axis=2) / drawn.sum(axis=(2, 3, 4))
    print(f"{name:17s}: {np.diff(centres, axis=1).mean():+.2f} pixel")

# %% [markdown]
# So `helpers.data.transforms` has a `Brightness` that does not clip, and rotates and crops by `RandomAffine`, which samples image and mask at the
# same points.
#
# ## 5 The whole pipeline
#
# *R2.6.* All of the above is one call. It returns the datasets of the three parts, with the cleaning report of each, and their loaders, plain `DataLoader`s. The scale
# is put after the training transform, and is all that validation and test get.

# %%
datasets, loaders = data_preparation_pipeline(data.folder, config, transforms.augment_transform())
for part, loader in loaders.items():
    print(f"{part:5s}: {len(datasets[part]):5d} patches in {len(loader):4d} batches")

# %%
torch.manual_seed(config.seed)
images_batch, masks_batch = next(iter(loaders["train"]))
print(f"images {tuple(images_batch.shape)}, masks {tuple(masks_batch.shape)}")
plots.show_patches(
    inference.as_patches(images_batch * config.value_std),
    ["augmented"] * len(images_batch),
    inference.as_patches(masks_batch),
    columns=4,
    heading="In training each patch is augmented in its own way",
)

# %% [markdown]
# In a training batch each patch is augmented in its own way, anew in each epoch. The same seed gives the same batch:

# %%
torch.manual_seed(config.seed)
assert torch.equal(next(iter(loaders["train"]))[0], images_batch)

# %% [markdown]
# In a validation batch nothing is random:

# %%
images_batch, masks_batch = next(iter(loaders["val"]))
plots.show_patches(
    inference.as_patches(images_batch * config.value_std),
    datasets["val"].names[: len(images_batch)],
    inference.as_patches(masks_batch),
    columns=4,
    heading="In validation nothing is random",
)

# %% [markdown]
# The patches of one well follow each other, top to bottom. (The groove of `well_3_patch_6` has no outline: the simulated annotator has overlooked it.)
#
# Is the loader fast enough? On a CPU core it gives with flips about 60 times, with all of R2.5 about 15 times as many patches a second as the U-Net's training step takes; the
# reviewer's data set, which for each sample reads a file, takes two medians and a row of a DataFrame, about 8 times (`python benchmarks/training.py`). So it is never the
# bottleneck.

# %% [markdown]
# ## What we now know
#
# - What is fitted sees training wells only. Validation and test wells are repaired, and lose only their ruined patches.
# - Image and mask are transformed together; the same seed gives the same batches.
# - `adjust_brightness` erases every groove, and `RandomResizedCrop` moves the mask against its image.
# - Everything is read once and kept in memory; the loader is never the bottleneck.
#
# ## Exercises
#
# 1. Write a transform that drops a row here and there, as telemetry does (a class beside `PixelNoise` in `helpers.data.transforms`). Which tests
#    of tests/test_transforms.py should it pass?
# 2. Which augmentation would *not* leave a groove a groove? Show twelve patches of it.
# 3. Read the images with a `Dataset` of your own, one file a sample, and time its `DataLoader` against `loaders["train"]`.

# %% [markdown]
# ## Appendix: calls of the review
#
# The review shows what it proposes as calls. Most work here as they are written there; where ours differ, the
# table says why. The two cells below make each call of ours.
#
# | the review's call | ours | why |
# |---|---|---|
# | `load_data()` | the same, or `load_data(folder)` | without a folder: the data that `open_notebook` has found |
# | `get_patches_per_well(file_names)` | the same, for file names and patch names | one count for both |
# | `PreprocessData().fit_transform(y_train, images_train)` | the same, with a list of arrays or a frame | a frame has names, so a wrong order is noticed; a list has none |
# | clean, then `split_y_to_train_val_test(y_train)` | `split_by_wells(y)`, clean each part, then the same | detectors that see all wells leak: [section 1](#1-Clean) |
# | `images_train[0]`, the first image | `images_train.iloc[0].to_numpy().reshape(36, 36)` | the images are a frame, whose rows have the patches' names |
# | `SegmentationDataset(csv_file, root_dir, transform=apply_numpy_transform)` | the same | ours in `helpers.data.transforms` take tensors, as torchvision's do |
# | `segmentation_datasets, dataset_loader = data_preparation_pipeline()` | the same, or with a folder | as `load_data` |
# | `dice(prediction, target)` of probabilities | the same, a score for each image; of flattened, one-dimensional masks one score | an average over batches depends on the batches: [notebook 03](03_Models_losses_&_evaluation_score.ipynb#5-The-right-Dice) |
# | one ratio over all pixels | `summarise(count_pixels(prediction >= 0.5, target))["dice"]` | counts of many batches can be added up |
# | `dice` of one-hot targets | `dice(prediction[:, 1], target[:, 1])`, the groove's channel | the wall's channel, nine tenths of all pixels, would raise the score |
# | `dice(preds, target, False)` | not accepted | it turns class numbers of a target of several classes into one-hot; our masks are 0 or 1 |


# %%
def apply_numpy_transform(image, mask):
    """One patch as two numpy arrays of 36 x 36, as the review writes its transforms."""
    return np.fliplr(image), np.fliplr(mask)


y_found, images_found = load_data()
assert images_found.equals(images)

files = [f"{name}.npy" for name in y_found.index]
assert get_patches_per_well(files).total() == len(y_found)

train = np.isin([parse_name(name)[0] for name in y_found.index], config.train_wells)
arrays = [pixels.reshape(36, 36) for pixels in images_found[train].to_numpy()]
y_of_arrays, _ = PreprocessData().fit_transform(y_found[train], arrays)
assert y_of_arrays.equals(y_train)

parts = split.split_y_to_train_val_test(pd.concat([y_of_arrays, y_val, y_test]))
assert [len(part) for part in parts] == [len(y_train), len(y_val), len(y_test)]

mirrored = SegmentationDataset(csv_train, root_dir, transform=apply_numpy_transform)
for before, after in zip(plain[example], mirrored[example], strict=True):
    assert torch.equal(after, before.flip(2))

segmentation_datasets, dataset_loader = data_preparation_pipeline()
assert len(dataset_loader["train"].dataset) == len(segmentation_datasets["train"]) == len(y_train)

# %%
# No model: the more metal is lost, the more probable is a groove
target, prediction = plain.masks, (-plain.images / 0.04).clamp(0, 1)
scores = metrics.dice(prediction, target)
print(f"{len(scores)} scores, mean {scores.mean():.3f}")
print(
    f"over all pixels: {metrics.summarise(metrics.count_pixels(prediction >= 0.5, target))['dice']:.3f}"
)

one_hot = torch.cat([1 - target, target], dim=1)  # (N, 2, 36, 36): wall, groove
probabilities = torch.cat([1 - prediction, prediction], dim=1)
assert torch.equal(metrics.dice(probabilities[:, 1], one_hot[:, 1]), scores)
assert torch.equal(metrics.dice(prediction[0].flatten(), target[0].flatten()), scores[:1])
print(f"with the wall's channel: mean {metrics.dice(probabilities, one_hot).mean():.3f}")

# %% [markdown]
# **Next:** [03 Models, losses and evaluation score](03_Models_losses_&_evaluation_score.ipynb) · [the list of all review points](README.md)
