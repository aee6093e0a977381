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
# # 02 · Datasets, dataloaders, transforms
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/YOUR_ACCOUNT/corrosion-segmentation/blob/main/notebooks/02_Datasets_dataloaders_transforms.ipynb) · before: [01 EDA](01_EDA.ipynb) · next: [03 Models, losses and evaluation score](03_Models_losses_&_evaluation_score.ipynb) · [all notebooks](../README.md#start) · [review points](README.md) R2.1 – R2.6
#
# [Clean](#1-Clean) · [Split by wells](#2-Split-by-wells) · [A dataset that is read once](#3-A-dataset-that-is-read-once) · [Transforms](#4-Transforms) · [The whole pipeline](#5-The-whole-pipeline)

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

# %% cellView="form" jupyter={"source_hidden": true}
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torchvision import tv_tensors

from helpers import plots
from helpers.config import Config
from helpers.data import find_images, load_data, read_labels, transforms, wells
from helpers.data.dataset import SegmentationDataset, as_images, data_preparation_pipeline
from helpers.data.preprocess import PreprocessData, repair_pixels
from helpers.data.split import split_by_wells, split_y_to_train_val_test
from helpers.notebook import print_versions, show_code

# %% cellView="form" jupyter={"source_hidden": true}
config, v2 = Config(), transforms.v2
LINEAR = v2.InterpolationMode.BILINEAR
y, images = load_data(data.folder)
pixels, masks = repair_pixels(images.to_numpy())[0], y.to_numpy()
deep = (pixels < -0.04) & np.isin(wells.wells_of(y), config.train_wells)[:, None]
plainest = ((deep & masks).sum(axis=1) / np.maximum((deep | masks).sum(axis=1), 100)).argmax()
image = tv_tensors.Image(pixels[plainest].reshape(1, 36, 36))
mask = tv_tensors.Mask(np.float32(masks[plainest]).reshape(1, 36, 36))

both, stock = (image, mask), v2.functional
looks = [
    both,
    (stock.adjust_brightness(image, 0.8), mask),
    (image * 0.8, mask),
    both,
    [stock.resized_crop(part, 3, 3, 30, 30, [36, 36]) for part in both],
    [stock.affine(part, 0, [0, 0], 1.2, [0], LINEAR) for part in both],
]
left = max(int(mask[0, 18].argmax()) - 7, 0)
detail = np.stack([np.stack(pair)[:, 0, 10:26, left : left + 18] for pair in looks])
titles = ["as measured", "adjust_brightness", "ours", "as measured", "RandomResizedCrop", "ours"]
heading = "Two stock transforms spoil a groove:\none erases it, one leaves its mask behind"
plots.show_patches(detail[:, 0], titles, detail[:, 1], columns=3, heading=heading)

# %% [markdown]
# A network learns whatever its loader hands it, and no error message says that the grooves are gone or their masks beside
# them.
#
# So this page goes from the files to a batch, step by step: what was done before, what went wrong, what is done now. *The
# junior* wrote the first notebook, *the reviewer* the points and some code.

# %% [markdown]
# ## 1 Clean
#
# **Before** (R2.1). The junior left out the images with missing values, and nothing else:

# %%
kept = images[images.notna().all(axis=1)]
print(f"lowest value that the network was trained on: {kept.min(axis=None)}")
print(f"images with a telemetry code: {(kept < -100).any(axis=1).mean():.1%}")

# %% [markdown]
# Thickness varies by hundredths around zero; the codes of a failed transmission are tens of thousands of times as large. The
# review puts cleaning into a module, before any dataset is built. Its lines run as they are written there:

# %%
y_train, images_train = load_data()

preprocess = PreprocessData()
y_train, _ = preprocess.fit_transform(y_train, images_train)

# %% [markdown]
# **What went wrong** in the reviewer's own class, and does not in ours: a patch with a few missing pixels loses all of its
# pixels, because pandas applies a condition on rows to whole rows.

# %%
missing = images.isna().sum(axis=1)
few = (missing > 0) & (missing < 100)
theirs = images.mask(few, images.median(axis=1), axis=0)  # the reviewer's fill
ours, _ = repair_pixels(images[few].to_numpy())

three = np.stack([images[few].iloc[0], theirs[few].iloc[0], ours[0]]).reshape(3, 36, 36)
plots.show_patches(
    three,
    ["pixels missing (white)", "the reviewer's fill", "ours"],
    columns=3,
    heading="A fill by rows replaces the patch",
)

# %% [markdown]
# And it looks for odd patches in all wells, before it splits. So wells that are there to judge a network decide what it learns
# from. **Now** we split first. The detectors see the training wells only; validation and test wells are repaired, and lose only
# patches that are ruined:

# %%
seen_all = set(y_train.index)  # what the lines of the review kept: the detectors saw every well

y_train, y_val, y_test = split_by_wells(y, config)
preprocess = PreprocessData(config)
y_train, images_train = preprocess.fit_transform(y_train, images.loc[y_train.index])
y_val, images_val = PreprocessData(config).transform(y_val, images.loc[y_val.index])
y_test, images_test = PreprocessData(config).transform(y_test, images.loc[y_test.index])

kept_then = {name for name in seen_all if wells.parse_name(name)[0] in config.train_wells}
print(f"training patches decided by other wells: {len(kept_then ^ set(y_train.index))}")
preprocess.summary_

# %% [markdown]
# The thresholds were found in [notebook 01](01_EDA.ipynb) and stand in `helpers.config`. The code of the two steps:

# %%
show_code(repair_pixels, PreprocessData.fit_transform)

# %% [markdown]
# `preprocess.report_` names each patch that was touched, what was found in it, and what was done. Read it before you train.
#
# > **Take along:** split first, then fit what is fitted; and repair the pixel, not its row.

# %% [markdown]
# ## 2 Split by wells
#
# **Before** (R2.2). The junior wrote each mask into a file, shuffled, and copied images and masks into a folder for each part. Here the
# same, in a temporary folder, run twice, as cells of notebooks are:

# %%
import random
import tempfile

copies = tempfile.TemporaryDirectory()
for run in ("first run", "second run"):
    names = random.sample(list(y.index), len(y))
    cut = int(0.9 * len(names))
    for part, own in (("train", names[:cut]), ("val", names[cut:])):
        for kind, table in (("images", images), ("masks", y)):
            os.makedirs(f"{copies.name}/{part}/{kind}", exist_ok=True)
            for name in own:
                np.save(f"{copies.name}/{part}/{kind}/{name}.npy", table.loc[name].to_numpy())
    train, val = (set(os.listdir(f"{copies.name}/{part}/images")) for part in ("train", "val"))
    if run == "first run":
        first_train, first_val = train, val
    print(f"{run}: {len(val)} validation patches, {len(train & val)} of them also in training")

# %% [markdown]
# **What went wrong.** Nobody empties the folders. After the second run nearly all of validation is in training as well, and the
# score tells how well the network remembers.
#
# **Before** (R2.3). Even one run leaks. In wells that were logged at twice as many azimuths, two patches are the even and the odd columns of the same rows
# ([notebook 01](01_EDA.ipynb#7-From-patches-back-to-wells)), and chance decides where each goes:


# %%
def twin_of(file):
    """The patch of the other columns of the same rows, or None in a well without twins."""
    well, patch = wells.parse_name(file.removesuffix(".npy"))
    return f"well_{well}_patch_{patch ^ 1}.npy" if well in wells.WIDE_WELLS else None


torn = sorted(file for file in first_val if twin_of(file) in first_train)
print(f"validation patches whose twin is in training: {len(torn) / len(first_val):.0%}")

torn.sort(key=lambda file: -int(y.loc[file.removesuffix(".npy")].sum()))
pairs = [file.removesuffix(".npy") for half in torn[:2] for file in (twin_of(half), half)]
plots.show_patches(
    repair_pixels(images.loc[pairs].to_numpy())[0].reshape(-1, 36, 36),
    [f"{part}:\n{name}" for name, part in zip(pairs, ["training", "validation"] * 2, strict=True)],
    y.loc[pairs].to_numpy().reshape(-1, 36, 36),
    columns=4,
    heading="A network that has seen the left one knows the right one",
)

# %% [markdown]
# **Now** three tables of masks say which patch belongs where, whole wells at a time; the images stay where they are. The third table, which
# the junior did not have, is for the final score and for the study of errors. The review's call:

# %%
y_train = pd.concat([y_train, y_val, y_test])  # all that cleaning has left

split_y_to_train_val_test(y_train)

csv_train, csv_val, csv_test = (
    config.interim_dir / f"y_{part}.csv" for part in ("train", "val", "test")
)
y_train, y_val, y_test = (read_labels(path) for path in (csv_train, csv_val, csv_test))
in_train, in_val, in_test = (set(wells.wells_of(part)) for part in (y_train, y_val, y_test))
assert not in_train & in_val and not in_train & in_test and not in_val & in_test
{
    path.name: len(part)
    for path, part in ((csv_train, y_train), (csv_val, y_val), (csv_test, y_test))
}

# %%
show_code(split_y_to_train_val_test, split_by_wells)

# %% [markdown]
# > **Take along** (R2.2): write down which patch belongs where; do not write the patch a second time.
# >
# > **Take along** (R2.3): ask what makes two samples alike, and keep them in one part.

# %% [markdown]
# ## 3 A dataset that is read once
#
# **Before** (R2.4). Flips stood inside the dataset, and were on unless somebody said no. Nobody did, for validation either. Images were
# read once at the start, to look for missing values, and image and mask again for every sample:


# %%
class FolderDataset(torch.utils.data.Dataset):
    """As the junior's works: files are read for each sample, and flips are its own business."""

    def __init__(self, folder, transform=True):
        self.folder, self.transform, self.opened = folder, transform, 0
        names = sorted(os.listdir(f"{folder}/images"))
        self.names = [name for name in names if not np.isnan(self.read("images", name)).any()]

    def read(self, kind, name):
        self.opened += 1
        return np.load(f"{self.folder}/{kind}/{name}").reshape(1, 36, 36)

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        pair = [self.read(kind, self.names[index]) for kind in ("images", "masks")]
        for axis in (1, 2):
            if self.transform and rng.random() > 0.5:
                pair = [np.flip(part, axis) for part in pair]
        return tuple(torch.from_numpy(part.copy()).float() for part in pair)


rng = np.random.default_rng(config.seed)
validation = FolderDataset(f"{copies.name}/val")
for _ in range(2):  # epochs
    for _ in torch.utils.data.DataLoader(validation, batch_size=16):
        pass
print(f"{validation.opened} files opened for two epochs of {len(validation)} patches")

# %%
grooves = [((image < -0.04) * mask).sum() for image, mask in validation]
again = [validation[int(np.argmax(grooves))] for _ in range(4)]
plots.show_patches(
    torch.cat([image for image, _ in again]),
    [f"asked for the {time} time" for time in ("1st", "2nd", "3rd", "4th")],
    torch.cat([mask for _, mask in again]),
    columns=4,
    heading="One validation patch, asked for four times",
)

# %% [markdown]
# **What went wrong.** Validation is another data set in every epoch, so a score may change although the network did not.
#
# **Now** the dataset is told its patches, where the images are, and what to do with each. The default is nothing. A function of
# arrays like the review's goes in as it is:


# %%
def apply_numpy_transform(image, mask):
    """Flips of one patch, as the review hands them to its dataset: numpy arrays of 36 x 36."""
    for flip in (np.fliplr, np.flipud):
        if rng.random() > 0.5:
            image, mask = flip(image), flip(mask)
    return image, mask


transform = apply_numpy_transform
csv_file, root_dir = csv_train, find_images(data.folder)

training = SegmentationDataset(csv_file, root_dir, transform=transform)
validation = SegmentationDataset(csv_val, root_dir, transform=transforms.normalize(config))
assert all(torch.equal(validation[10][0], validation[10][0]) for _ in range(6))
print(f"image {tuple(training[0][0].shape)}, mask {tuple(training[0][1].shape)}")

# %% [markdown]
# Validation and test get `transforms.normalize` alone. It is `value / 0.02`: thickness deviates from its mean by
# about that much, so the network sees values of the order of one. The scale is a constant, so no well has a say in it. Everything fits in memory (the
# real images and masks are 63 MB), so each file is read once:

# %%
show_code(SegmentationDataset, transforms.normalize)

# %% [markdown]
# So the loader never keeps the network waiting: it hands out patches many times as fast as a training step takes them
# (`python benchmarks/training.py`, on a CPU core).
#
# > **Take along:** what changes a sample is the caller's decision; hand it to the dataset, and let the default be nothing.

# %% [markdown]
# ## 4 Transforms
#
# **Before** (R2.5). The junior flipped, and no more. The review lists rotation, crop, blur, noise and brightness, from torchvision. Two of its
# calls must not be used here. `adjust_brightness` takes a float image for one between 0 and 1, and clips; but metal loss is negative:

# %%
theirs = v2.functional.adjust_brightness(image, 0.8)
ours = transforms.Brightness(0.5)(image, mask)[0]
for name, look in (("before", image), ("adjust_brightness", theirs), ("ours, Brightness", ours)):
    print(f"{name:17s}: {look.min():6.3f} … {look.max():.3f}")

# %% [markdown]
# `RandomResizedCrop` resizes the image between pixels, but the mask with a "nearest" that rounds down. So the mask
# slips to the right and down. Here the image, in grey, *is* its mask, outlined; whatever lies unevenly about the outline is an
# error:

# %%
groove = torch.zeros(1, 36, 36)
groove[:, :, 16:20] = 1
both = tv_tensors.Image(groove), tv_tensors.Mask(groove)
crops = {
    "RandomResizedCrop": v2.RandomResizedCrop(36, scale=(0.7, 1.0), ratio=(0.8, 1.25)),
    "RandomAffine": v2.RandomAffine(15, (0.1, 0.1), (1.0, 1.2), interpolation=LINEAR),
}
figure, axes = plt.subplots(1, 2, figsize=(7.5, 3.6))
for axis, (name, crop) in zip(axes, crops.items(), strict=True):
    torch.manual_seed(config.seed)
    drawn = np.stack([np.stack(crop(*both))[:, 0] for _ in range(200)])  # (200, 2, 36, 36)
    centres = (drawn.sum(axis=2) * np.arange(36)).sum(axis=2) / drawn.sum(axis=(2, 3))
    print(f"{name:17s}: mask moved by {np.diff(centres, axis=1).mean():+.2f} columns on average")
    axis.imshow(drawn[5, 0], cmap="Greys", vmax=2)
    plots.draw_outline(axis, plots.LABEL_LINE, drawn[5, 1])
    axis.set(xlim=(9.5, 27.5), ylim=(25.5, 9.5), xticks=range(10, 28, 4), yticks=range(10, 26, 5))
    axis.set(xlabel="column", title=name)
axes[0].set_ylabel("row")
plt.show()

# %% [markdown]
# **What went wrong.** Every cropped training mask teaches the network to draw the groove too far to one side. The reviewer's own training transform does the
# same by [dilating masks](01_EDA.ipynb#9.1-Masks). **Now** brightness is a factor without clipping, and rotation and crop are one `RandomAffine`, which samples image and mask at the
# same points. One more transform knows that a pipe is round: a patch goes all the way round it, so what leaves on one side enters on the other.

# %%
show_code(transforms.Brightness, transforms.PixelNoise, transforms.RandomRoll)

# %%
columns = (0, 9, 18, 27)
shifted = [v2.functional.affine(part, 0, [c, 0], 1, [0]) for c in columns for part in (image, mask)]
rolled = [part.roll(c, dims=-1) for c in columns for part in (image, mask)]
frames = np.concatenate([*shifted, *rolled])
plots.show_patches(
    frames[0::2],
    [f"{how} by {c}" for how in ("shifted", "rolled") for c in columns],
    frames[1::2],
    columns=4,
    heading="Shifted with zeros the groove is lost; rolled it comes back",
)

# %% [markdown]
# All of them together, each drawn anew for each sample:

# %%
show_code(transforms.flip_transform, transforms.augment_transform)

# %% cellView="form" jupyter={"source_hidden": true}
steps = {
    "flips": transforms.flip_transform(),
    "roll": transforms.RandomRoll(),
    "rotation, crop": crops["RandomAffine"],
    "blur": v2.GaussianBlur(9, sigma=(0.1, 1.75)),
    "noise": transforms.PixelNoise(0.10),
    "brightness": transforms.Brightness(0.5),
}
torch.manual_seed(config.seed)
drawn = [step(image, mask) for step in steps.values() for _ in range(2)]
plots.show_patches(
    torch.cat([image for image, _ in drawn]),
    [name for name in steps for _ in range(2)],
    torch.cat([mask for _, mask in drawn]),
    columns=4,
    heading="The mask goes with the groove, and stays under blur, noise and brightness",
)

# %% [markdown]
# ### Does it raise the score?
#
# A study trained the baseline with flips alone, with each change added, with all of them and with none
# (`experiments/augmentation.py`). The networks learned from simulated wells with hasty labels, and were judged by Dice, the overlap with the true grooves, on
# other simulated wells. Each line is one draw of wells:

# %%
study = pd.read_csv("experiments/augmentation_simulated.csv")
study = study[~study["variant"].str.contains("rows reflected")]
plots.show_draws(
    study, "flips", "No augmentation helps on average; circular padding does, in most draws"
)

# %% [markdown]
# On average no change raises Dice, and with some of them single draws lose clearly. So train with the flips, as the baseline does, and add
# more only when a study on your own wells shows a gain. That the pipe is round seems to pay where the network pads its borders
# ([notebook 03](03_Models_losses_&_evaluation_score.ipynb#2-The-border-of-a-patch)), not as a roll.
#
# Six draws cannot tell a small gain from none, and these networks had two dozen wells and ten epochs: with fewer wells, or much
# longer training, augmentation may pay.
#
# > **Take along:** draw image and mask after each transform before you train with it, then measure whether it helps.

# %% [markdown]
# ## 5 The whole pipeline
#
# **Before** (R2.6). The junior prepared data in three places, and typed the folders' names in each. The reviewer made it one
# call, but it drops the cleaned images (`y_train, _ = …`), and the dataset reads the files and repairs them again, by another rule:

# %%
raw = images[few].iloc[0].to_numpy()
first = pd.DataFrame([raw]).median(axis=1).repeat(raw.size).to_numpy()  # section 1: the whole row
second = np.nan_to_num(raw, nan=np.quantile(np.nan_to_num(raw), 0.5))  # in the dataset
print(f"pixels in which the two repairs differ: {(first != second).sum()} of {raw.size}")

# %% [markdown]
# **What went wrong.** The detectors judged one image, and the network was trained on another. **Now** what was cleaned is what is
# batched. The review's call:

# %%
segmentation_datasets, dataset_loader = data_preparation_pipeline()

assert torch.equal(segmentation_datasets["train"].images, as_images(images_train))
for part, loader in dataset_loader.items():
    print(f"{part:5s}: {len(loader.dataset):5d} patches in {len(loader):4d} batches")

# %%
show_code(data_preparation_pipeline)

# %% [markdown]
# A training batch, here with every change of section 4, and a validation batch, in which nothing is random:

# %%
_, loaders = data_preparation_pipeline(train_transform=transforms.augment_transform())
torch.manual_seed(config.seed)
batches = [next(iter(loaders[part])) for part in ("train", "val")]
shown = [torch.cat(parts)[:, 0] for parts in zip(*batches, strict=True)]
names = segmentation_datasets["val"].names[: len(batches[1][0])]
plots.show_patches(
    shown[0] * config.value_std,
    [*["training"] * len(batches[0][0]), *names],
    shown[1],
    columns=4,
    heading="In training each patch is changed in its own way; in validation none is",
)

torch.manual_seed(config.seed)
assert torch.equal(next(iter(loaders["train"]))[0], batches[0][0])  # same seed, same batch

# %% [markdown]
# On the simulated wells the deep groove of `well_3_patch_6` has no outline. That is no fault of the loader: the annotator, who
# is simulated too, has overlooked it ([notebook 10](10_Label_quality.ipynb)).
#
# > **Take along:** one call from files to batches; then what was cleaned is what is trained on.

# %% [markdown]
# ## What we now know
#
# - Split by wells, and split before anything is fitted. A random split leaves a twin of every third validation patch in training.
# - Keep transforms out of the dataset, and validation free of them.
# - Draw image and mask after every transform. Two stock ones spoil grooves, and no error tells.
# - Train with flips; add more only when a study on your own wells shows a gain.
#
# ## Exercises
#
# 1. Write a transform that drops a row here and there, as telemetry does, beside `PixelNoise` in `helpers.data.transforms`. Which tests of `tests/test_transforms.py` should it pass?
# 2. Which augmentation would *not* leave a groove a groove? Show twelve patches of it.
# 3. In `FolderDataset`, put the reviewer's dilation after the flips. By how much does the mask's centre move?
#
# **Next:** [03 Models, losses and evaluation score](03_Models_losses_&_evaluation_score.ipynb) · [the list of all review points](README.md)

# %% tags=["nbval-ignore-output"]
print_versions()
