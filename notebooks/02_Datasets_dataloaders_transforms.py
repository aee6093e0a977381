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
# A network learns whatever its loader hands it, and no error message says that the grooves are gone or their masks beside them. So this page goes from the
# files to a batch, step by step: what was done before, by [the junior or the reviewer](01_EDA.ipynb#01-·-Exploring-the-data), what went wrong, what is done now.
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
import tempfile
from pathlib import Path

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

# %%
config, v2 = Config(), transforms.v2
y, images = load_data(data.folder)
pixels, drawn = repair_pixels(images.to_numpy())[0], y.to_numpy()
learned = np.isin(wells.wells_of(y), config.train_wells)[:, None]
lost = (pixels.clip(-0.06, 0) * drawn * learned).sum(axis=1)  # metal lost inside the label
chosen = np.argsort(lost)[(lost < 0).sum() // 5]  # one training patch in five has lost more
# These types tell torchvision which is the image and which is the mask
image = tv_tensors.Image(pixels[chosen].reshape(1, 36, 36))
mask = tv_tensors.Mask(np.float32(drawn[chosen]).reshape(1, 36, 36))
looks = {
    "as measured": image,
    "adjust_brightness": v2.functional.adjust_brightness(image, 0.5),
    "halved, without clipping": image * 0.5,
}
figure = plots.draw_patches(
    np.concatenate(list(looks.values())), list(looks), [mask[0]] * 3, columns=3
)
figure.set_size_inches(8, 3)
figure.suptitle("A stock transform erases the groove; its mask stays")
plt.show()

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
# review puts cleaning into a module, before any dataset is built. Its three lines run as they stand in the review, here with our `PreprocessData`; `y_train` holds all wells:

# %%
y_train, images_train = load_data()

preprocess = PreprocessData()
y_train, _ = preprocess.fit_transform(y_train, images_train)

# %% [markdown]
# **What went wrong** in the reviewer's own class, and does not in ours: a patch with a few missing pixels loses all of its
# pixels, because pandas applies a condition on rows to whole rows ([pictures](01_EDA.ipynb#4-Missing-values)). The count includes the missing pixels themselves:

# %%
missing = images.isna().sum(axis=1)
few = (missing > 0) & (missing < 100)  # the reviewer's limit
as_it_came = images[few].to_numpy()
filled = images.mask(few, images.median(axis=1), axis=0)[few].to_numpy()
ours, _ = repair_pixels(as_it_came)
for name, repaired in (("the reviewer's fill", filled), ("ours", ours)):
    print(f"{name:19s}: {(repaired != as_it_came).sum()} of {repaired.size} pixels changed")

# %% [markdown]
# And the reviewer's class looks for odd patches in all wells, before it splits them. So the wells that are to judge a network
# have a say in what it learns from. **Now** we split first. The detectors see the training wells only; validation and test wells are repaired, and lose only
# patches that are ruined:

# %%
y_learn, y_val, y_test = split_by_wells(y, config)
cleaning = PreprocessData(config)
y_learn, images_learn = cleaning.fit_transform(y_learn, images.loc[y_learn.index])
y_val, images_val = PreprocessData(config).transform(y_val, images.loc[y_val.index])
y_test, images_test = PreprocessData(config).transform(y_test, images.loc[y_test.index])

before = {name for name in y_train.index if wells.parse_name(name)[0] in config.train_wells}
now = set(y_learn.index)
print(
    f"{len(before - now)} training patches were kept, {len(now - before)} dropped because of other wells"
)
cleaning.summary_

# %% [markdown]
# The ellipse of [SPE/DmodX](01_EDA.ipynb#6-Outliers-in-many-dimensions) is drawn around the training wells here, so it is another one than in notebook 01, and flags one patch more. The thresholds were found there and stand in `helpers.config`.
# So is [`repair_pixels`](01_EDA.ipynb#4-Missing-values); this calls it, then the detectors:

# %%
show_code(PreprocessData.fit_transform)

# %% [markdown]
# `cleaning.report_` names each patch that was touched, what was found in it, and what was done. Read it before you train.
#
# > **Take along:** split first, then fit what is fitted; and repair the pixel, not its row.

# %% [markdown]
# ## 2 Split by wells
#
# **Before** (R2.2). The junior wrote each mask into a file, shuffled, and copied images and masks into a folder for each part. Here the
# same, in a temporary folder, run twice, as cells of notebooks are:


# %%
def copy_into(folder, names):
    for kind, table in (("images", images), ("masks", y)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name in names:
            np.save(folder / kind / f"{name}.npy", table.loc[name].to_numpy())


def names_in(folder):
    return {path.stem for path in (folder / "images").iterdir()}


rng = np.random.default_rng(config.seed)
temporary = tempfile.TemporaryDirectory()
train_folder, val_folder = (Path(temporary.name) / part for part in ("train", "val"))
in_folders = []
for _ in range(2):  # runs of the cell
    shuffled = rng.permutation(y.index)
    cut = int(0.9 * len(shuffled))
    copy_into(train_folder, shuffled[:cut])
    copy_into(val_folder, shuffled[cut:])
    in_folders.append((names_in(train_folder), names_in(val_folder)))

for run, (train, val) in zip(("first run", "second run"), in_folders, strict=True):
    print(f"{run}: {len(val)} validation patches, {len(train & val)} of them also in training")

# %% [markdown]
# **What went wrong.** Nobody empties the folders. After the second run nearly all of validation is in training as well, and the
# score tells how well the network remembers.
#
# **Before** (R2.3). Even one run leaks. In wells that were logged at twice as many azimuths, two patches are the even and the odd columns of the same rows
# ([notebook 01](01_EDA.ipynb#7-From-patches-back-to-wells)), and chance decides where each goes:


# %%
def twin_of(name):
    """The patch of the other columns of the same rows, or None in a well without twins."""
    well, patch = wells.parse_name(name)
    other = patch + 1 if patch % 2 == 0 else patch - 1
    return wells.patch_name(well, other) if well in wells.WIDE_WELLS else None


train, val = in_folders[0]
torn = sorted(name for name in val if twin_of(name) in train)
print(f"validation patches whose twin is in training: {len(torn) / len(val):.0%}")

torn.sort(key=lambda name: -int(y.loc[name].sum()))
pairs = [name for half in torn[:2] for name in (twin_of(half), half)]
plots.show_patches(
    repair_pixels(images.loc[pairs].to_numpy())[0].reshape(-1, 36, 36),
    [f"{part}:\n{name}" for name, part in zip(pairs, ["training", "validation"] * 2, strict=True)],
    y.loc[pairs].to_numpy().reshape(-1, 36, 36),
    columns=4,
    heading="The same groove in training and in validation: two pairs of twins",
)

# %% [markdown]
# **Now** three tables of masks say which patch belongs where, whole wells at a time; the images stay where they are. The third table, which
# the junior did not have, is for the final score and for the study of errors. The review's call:

# %%
y_train = pd.concat([y_learn, y_val, y_test])  # the review's name: here all wells, cleaned

split_y_to_train_val_test(y_train)

files = [config.interim_dir / f"y_{part}.csv" for part in ("train", "val", "test")]
csv_train, csv_val, csv_test = files
in_train, in_val, in_test = (set(wells.wells_of(read_labels(file))) for file in files)
assert not in_train & in_val and not in_train & in_test and not in_val & in_test
{file.name: len(read_labels(file)) for file in files}

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
        self.names = [
            name
            for name in sorted(names_in(folder))
            if not np.isnan(self.read("images", name)).any()
        ]

    def read(self, kind, name):
        self.opened += 1
        return np.load(self.folder / kind / f"{name}.npy").reshape(1, 36, 36)

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        pair = [self.read(kind, self.names[index]) for kind in ("images", "masks")]
        for axis in (1, 2):
            if self.transform and rng.random() > 0.5:
                pair = [np.flip(part, axis) for part in pair]
        return tuple(torch.from_numpy(part.copy()).float() for part in pair)


validation = FolderDataset(val_folder)
for _ in range(2):  # epochs
    for _ in torch.utils.data.DataLoader(validation, batch_size=16):
        pass
print(f"{validation.opened} files opened for two epochs of {len(validation)} patches")

# %%
lost = [(patch.clip(-0.06, 0) * groove).sum() for patch, groove in validation]
again = [validation[int(np.argmin(lost))] for _ in range(4)]
plots.show_patches(
    np.concatenate([patch for patch, _ in again]),
    [f"asked for the {time} time" for time in ("1st", "2nd", "3rd", "4th")],
    np.concatenate([groove for _, groove in again]),
    columns=4,
    heading="Asked for four times, one validation patch comes back mirrored at random",
)

# %% [markdown]
# **What went wrong.** Validation is another data set in every epoch, and a difference between two epochs is partly one of data.
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

flipped = SegmentationDataset(csv_file, root_dir, transform=transform)

# %% [markdown]
# One thing is still lacking. Networks learn best from values of about one, so thickness is divided by 0.02, the network's *scale*. It is a constant, and not taken from any well. Random changes are for training alone, but **the scale is for all parts**:

# %%
scale = transforms.normalize(config)
flips_and_scale = v2.Compose([transforms.NumpyTransform(apply_numpy_transform), scale])
training = SegmentationDataset(csv_train, root_dir, transform=flips_and_scale)
validation = SegmentationDataset(csv_val, root_dir, transform=scale)

parts = {"training, flips only": flipped, "training": training, "validation": validation}
for name, dataset in parts.items():
    values = torch.stack([patch for patch, _ in dataset])
    print(f"{name:20s}: 99 % of the values below {values.quantile(0.99):5.2f}")
assert all(torch.equal(validation[10][0], validation[10][0]) for _ in range(6))

# %% [markdown]
# Trained as in the first line and judged as in the last, a network would meet values fifty times as large as those that it has learned from, and no error would say so.
#
# Everything fits in memory (the real images and masks are 63 MB), so each file is read once, however many epochs follow:

# %%
show_code(SegmentationDataset, transforms.normalize)

# %% [markdown]
# On a CPU the loader does not keep the network waiting: an earlier version handed out patches with flips sixty times as fast as a training step took them. On a fast GPU it may: there a training took twice as long as its bare steps
# ([measured](../docs/results.md#speed)).
#
# > **Take along:** what changes a sample is the caller's decision: hand it to the dataset. What is random is for training, what sets the scale for all.

# %% [markdown]
# ## 4 Transforms
#
# **Before** (R2.5). The junior flipped, and no more. The review lists rotation, crop, blur, noise and brightness, from torchvision. Two of its
# calls must not be used here. `adjust_brightness` takes a float image for one between 0 and 1, and clips; but metal loss is negative:

# %%
theirs = v2.functional.adjust_brightness(image, 0.5)
ours = transforms.Brightness(0.5)(image, mask)[0]
for name, look in (("before", image), ("adjust_brightness", theirs), ("ours, Brightness", ours)):
    print(f"{name:17s}: {look.min():6.3f} … {look.max():.3f}")

# %% [markdown]
# The first call halves, and clips. Ours draws a factor between 0.5 and 1.5, here one below 1, and does not clip.
#
# `RandomResizedCrop` interpolates the image between pixels, but takes the nearest pixel of the mask and rounds its place down. So the mask slips to
# the right and down. To see it, image and mask are the same stripe here. One crop is taken twice, as `RandomResizedCrop` does it and as `RandomAffine` does it:

# %%
LINEAR = v2.InterpolationMode.BILINEAR
stripe = torch.zeros(1, 36, 36)
stripe[:, :, 16:20] = 1
both, zoom, corner = (tv_tensors.Image(stripe), tv_tensors.Mask(stripe)), 36 / 29, 3
# affine zooms about the middle (18); this shift brings the crop's corner to 0
shift = [18 * zoom - 18 - corner * zoom] * 2
same_crop = {
    "RandomResizedCrop": [
        v2.functional.resized_crop(part, corner, corner, 29, 29, [36, 36]) for part in both
    ],
    "RandomAffine": [v2.functional.affine(part, 0, shift, zoom, [0], LINEAR) for part in both],
}
figure, axes = plt.subplots(1, 2, figsize=(9, 3))
for axis, (name, parts) in zip(axes, same_crop.items(), strict=True):
    axis.pcolormesh(parts[0][0], cmap="Greys", vmax=1.6, edgecolors="0.9", linewidth=0.5)
    start, end = np.flatnonzero(parts[1][0, 18])[[0, -1]] + (0, 1)
    axis.vlines([start, end], 12, 20, color=plots.ORANGE, linewidth=3)
    axis.set(xlim=(12, 26), ylim=(20, 12), xlabel="column", title=name)
axes[0].set_ylabel("row")
heading = "One crop, two interpolations: the mask (orange) beside its stripe (grey), and on it"
figure.suptitle(heading, fontsize=11)
plt.show()

# %% [markdown]
# In this crop it is nearly a whole column. Over many:

# %%
at_random = {
    "RandomResizedCrop": v2.RandomResizedCrop(36, scale=(0.7, 1.0), ratio=(0.8, 1.25)),
    "RandomAffine": v2.RandomAffine(15, (0.1, 0.1), (1.0, 1.2), interpolation=LINEAR),
}
torch.manual_seed(config.seed)
for name, crop in at_random.items():
    crops = np.stack([np.stack(crop(*both))[:, 0] for _ in range(200)])  # (200, 2, 36, 36)
    centres = (crops.sum(axis=2) * np.arange(36)).sum(axis=2) / crops.sum(axis=(2, 3))
    moved = np.diff(centres, axis=1).mean().round(2) + 0  # no minus before a zero
    print(f"{name:17s}: mask moved by {moved:+.2f} columns on average")

# %% [markdown]
# **What went wrong.** A cropped training mask teaches the network to draw the groove too far to one side. The reviewer's own training transform does the
# same by [dilating masks](01_EDA.ipynb#9.1-Masks). **Now** brightness is a factor without clipping, and rotation and crop are one `RandomAffine`, which samples image and mask at the
# same points. It fills the corners with zeros, and there the groove ends, as if cut off (below). One more transform knows that a pipe is round: a patch goes all the way round it, so what leaves on one side enters on the other.

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
    "turn and crop": at_random["RandomAffine"],
    "blur": v2.GaussianBlur(9, sigma=(0.1, 1.75)),
    "noise": transforms.PixelNoise(0.10),
    "brightness": transforms.Brightness(0.5),
}
torch.manual_seed(config.seed)
changed = [step(image, mask) for step in steps.values() for _ in range(2)]
plots.show_patches(
    np.concatenate([patch for patch, _ in changed]),
    [name for name in steps for _ in range(2)],
    np.concatenate([groove for _, groove in changed]),
    columns=4,
    heading="The mask goes with the groove, and stays under blur, noise and brightness",
)

# %% [markdown]
# ### Does it raise the score?
#
# A study trained the baseline with flips alone, with each change added, with all of them and with none
# (`experiments/augmentation.py`). The networks learned from simulated wells with hasty labels, and were judged by Dice, the overlap with the true grooves, on
# other simulated wells. A dot is one training; orange is the mean with its interval ([more](../docs/results.md#how-variants-are-compared)):

# %%
study = pd.read_csv("experiments/augmentation_simulated.csv")
study = study[~study["variant"].str.contains("padding")]  # of notebook 03
title = "Beside flips no change raises Dice on average; all of them together lower it"
plots.show_draws(study, "flips", title)

# %% [markdown]
# Every mean lies below that of flips alone. All changes together *lose* a little by [our rule](../docs/results.md#how-variants-are-compared): their interval (the orange line) leaves zero out. The roll, which invents nothing, was lower in eleven draws of twelve, turn and crop in ten: they *probably lose*. All else is *open*. On three folds of the real wells, all changes together found more once and less twice. Flips themselves make no difference in Dice that shows; by mean IoU they [gain](../docs/results.md#how-variants-are-compared). So we train with flips, which both the junior and the reviewer have, and add
# more only when a study on the wells at hand shows a gain.
#
# These networks had two dozen wells and ten epochs: with fewer wells, or much longer training, augmentation may pay.
#
# > **Take along:** draw image and mask after each transform before you train with it, then measure whether it helps.

# %% [markdown]
# ## 5 The whole pipeline
#
# **Before** (R2.6). The junior prepared data in three places, and typed the folders' names in each. The reviewer made it one
# call, but it drops the cleaned images (`y_train, _ = …`), and the dataset reads the files and repairs them again, by another rule:

# %%
raw = as_it_came[0]
judged = filled[0]  # by the detectors: the fill of section 1
handed_out = np.nan_to_num(raw, nan=np.quantile(np.nan_to_num(raw), 0.5))  # by the dataset
print(f"pixels in which they differ: {(judged != handed_out).sum()} of {raw.size}")

# %% [markdown]
# **What went wrong.** Cleaning repaired the patch in one way, and its result was thrown away; the dataset repaired it in another. So the detectors saw a flat patch and the network the measured one, and the fault of section 1 could go unnoticed. **Now** what was cleaned is what is
# batched. The review's call:

# %%
segmentation_datasets, dataset_loader = data_preparation_pipeline()

assert torch.equal(segmentation_datasets["train"].images, as_images(images_learn))
for part, loader in dataset_loader.items():
    print(f"{part:5s}: {len(loader.dataset):5d} patches in {len(loader):4d} batches")

# %%
show_code(data_preparation_pipeline)

# %% [markdown]
# Half of a training batch as it is stored, and as the network gets it, here with the changes of section 4, most of them by chance. In a validation batch nothing is random:

# %%
_, plain = data_preparation_pipeline(train_transform=v2.Identity())
_, loaders = data_preparation_pipeline(train_transform=transforms.augment_transform())


def first_batch(loader):
    torch.manual_seed(config.seed)
    return next(iter(loader))


stored, changed = first_batch(plain["train"]), first_batch(loaders["train"])
shown = [np.concatenate([a[:4, 0], b[:4, 0]]) for a, b in zip(stored, changed, strict=True)]
plots.show_patches(
    shown[0] * config.value_std,
    ["as stored"] * 4 + ["as trained on"] * 4,
    shown[1],
    columns=4,
    heading="In training each patch is changed in its own way",
)

assert torch.equal(first_batch(loaders["train"])[0], changed[0])  # same seed, same batch
in_validation = first_batch(loaders["val"])[0] * config.value_std
assert torch.allclose(in_validation, as_images(images_val)[: len(in_validation)])

# %% [markdown]
# > **Take along:** one call from files to batches; then what was cleaned is what is trained on.

# %% [markdown]
# ## What we now know
#
# - Split by wells, and split before anything is fitted. A random split leaves the twin of more than a third of the validation patches in training.
# - Keep transforms out of the dataset. Random ones are for training alone, the scale is for all parts.
# - Draw image and mask after every transform. Two stock ones spoil grooves, and no error tells.
# - Flips show no harm; add more only when a study on the wells at hand shows a gain.
#
# ## Exercises
#
# 1. Write a transform that drops a row here and there, as telemetry does, beside `PixelNoise` in `helpers.data.transforms`. What must it do to the mask?
# 2. Which augmentation would *not* leave a groove a groove? Show twelve patches of it.
# 3. In `FolderDataset`, put the reviewer's dilation after the flips (`dilate_2x2` of [notebook 01](01_EDA.ipynb#9.1-Masks)). By how much does the mask's centre move?
#
# <details><summary>Answers</summary>
#
# 1. Nothing: the groove is still there, under the lost row.
# 2. For example a quarter turn: grooves run along the pipe, collars around it.
# 3. By half a column to the right in most patches, and less where the mask ends at the border.
#
# </details>
#
# **Next:** [03 Models, losses and evaluation score](03_Models_losses_&_evaluation_score.ipynb) · [the list of all review points](README.md)

# %% tags=["nbval-ignore-output"]
print_versions()
