"""The review's own calls, as they are written there."""

import os
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import binary_fill_holes
from torch.utils.data import DataLoader

from helpers.data import get_patches_per_well, load_data, read_labels
from helpers.data.dataset import SegmentationDataset, data_preparation_pipeline
from helpers.data.preprocess import PreprocessData
from helpers.data.split import split_y_to_train_val_test
from helpers.data.synthetic import ensure_simulated
from helpers.data.wells import wells_of
from helpers.metrics import dice, iou


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return ensure_simulated(tmp_path_factory.mktemp("data") / "simulated")


def apply_numpy_transform(image, mask):
    """As the review's: one patch's arrays; flips at random, and holes of the mask are filled."""
    assert image.shape == mask.shape == (36, 36)
    if np.random.random() > 0.5:  # noqa: NPY002
        image, mask = np.fliplr(image), np.fliplr(mask)
    if np.random.random() > 0.5:  # noqa: NPY002
        image, mask = np.flipud(image), np.flipud(mask)
    return image, binary_fill_holes(mask)


def test_load_data_takes_what_is_found(folder, monkeypatch):
    monkeypatch.setenv("CORROSEG_DATA", str(folder))
    y_train, images_train = load_data()
    pd.testing.assert_frame_equal(images_train, load_data(folder)[1])
    assert len(y_train) == 968


def test_patches_are_counted_from_file_names(folder):
    files = os.listdir(folder / "images")
    assert files[0].endswith(".npy")
    assert get_patches_per_well(files) == get_patches_per_well(load_data(folder)[0].index)
    assert get_patches_per_well(["well_1_patch_0.npy", "well_2_patch_0"]) == Counter({1: 1, 2: 1})


def test_clean_then_split(folder, config):
    y_train, images_train = load_data(folder)
    images_train = [image.reshape(36, 36) for image in images_train.to_numpy()]
    y_train, _ = PreprocessData(config).fit_transform(y_train, images_train)
    split_y_to_train_val_test(y_train, config)
    parts = [read_labels(config.interim_dir / f"y_{part}.csv") for part in ("train", "val", "test")]
    assert len(list(config.interim_dir.iterdir())) == 3
    pd.testing.assert_frame_equal(pd.concat(parts).sort_index(), y_train.sort_index())
    for part, wells in zip(parts, (config.train_wells, config.val_wells, config.test_wells), strict=True):
        assert set(wells_of(part)) == set(wells)


def test_a_function_of_numpy_arrays_changes_each_patch_by_itself(simulated):
    names = simulated[1].index[:40]
    pixels = pd.DataFrame(np.random.default_rng(0).normal(0, 0.02, (40, 1296)), names)
    plain = SegmentationDataset.from_frames(simulated[1].loc[names], pixels)
    dataset = SegmentationDataset.from_frames(simulated[1].loc[names], pixels, apply_numpy_transform)
    images, masks = next(iter(DataLoader(dataset, batch_size=40)))
    assert images.dtype == masks.dtype == torch.float32
    ways = set()
    for i, original in enumerate(plain.images):
        flips = [(), (1,), (2,), (1, 2)]
        (axes,) = [axes for axes in flips if torch.equal(images[i], original.flip(axes))]
        np.testing.assert_array_equal(masks[i].flip(axes)[0], binary_fill_holes(plain.masks[i, 0]))
        ways.add(axes)
    assert len(ways) == 4


def test_a_function_that_changes_the_size_is_refused(simulated):
    images, labels, _ = simulated
    dataset = SegmentationDataset.from_frames(labels, images, lambda image, mask: (image[1:], mask))
    with pytest.raises(ValueError, match=r"\(36, 36\).*found \(35, 36\)"):
        dataset[0]


def test_the_pipeline_gives_datasets_and_loaders_and_takes_a_function_of_arrays(folder, config, monkeypatch):
    """It takes the data that are found, as the reviewer's takes those of its config."""
    monkeypatch.setenv("CORROSEG_DATA", str(folder))
    segmentation_datasets, dataset_loader = data_preparation_pipeline(
        config=config, train_transform=apply_numpy_transform
    )
    assert list(segmentation_datasets) == list(dataset_loader) == ["train", "val", "test"]
    images, masks = next(iter(dataset_loader["train"]))
    assert images.shape == masks.shape == (config.batch_size, 1, 36, 36)
    assert len(segmentation_datasets["val"]) > 100


def test_dice_of_one_flattened_image():
    """The review's has no batch; ours gives a tensor of one."""
    prediction, target = torch.tensor([0.9, 0.8, 0.1, 0.2]), torch.tensor([1, 0, 0, 0])
    torch.testing.assert_close(dice(prediction, target), torch.tensor([2 / 3]))


def test_dice_of_probabilities_is_that_of_their_masks():
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(5, 1, 36, 36, generator=generator)
    target = (torch.rand(5, 1, 36, 36, generator=generator) > 0.9).float()
    for score in (dice, iou):
        torch.testing.assert_close(score(probabilities, target), score(probabilities >= 0.5, target))
    # the review's: one ratio over all that is passed
    tp = ((probabilities > 0.5) * target).sum()
    reviewed = 2 * tp / ((probabilities > 0.5).sum() + target.sum())
    one = dice(probabilities.flatten()[None], target.flatten()[None])
    torch.testing.assert_close(one, reviewed[None])


def test_dice_of_one_hot_targets():
    """Two channels, one a class: a channel's Dice is that of its class."""
    target = torch.nn.functional.one_hot(torch.tensor([[0, 1, 1, 0]]), 2).movedim(-1, 1)  # (1, 2, 4)
    probabilities = torch.tensor([[[0.9, 0.8, 0.1, 0.9], [0.1, 0.2, 0.9, 0.1]]])
    assert dice(probabilities[:, 1], target[:, 1]).item() == pytest.approx(2 / 3)
    assert dice(probabilities, target).item() == pytest.approx(6 / 8)


@pytest.mark.parametrize("logit", [-3.0, 1.5, torch.nan])
def test_logits_are_no_probabilities(logit):
    with pytest.raises(ValueError, match="probabilities.*sigmoid"):
        dice(torch.tensor([[0.3, logit]]), torch.tensor([[0, 1]]))
