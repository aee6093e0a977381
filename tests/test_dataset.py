from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader

from helpers.data import read_labels, write_csv
from helpers.dataset import BatchLoader, SegmentationDataset, as_images, data_preparation_pipeline
from helpers.files import DataError
from helpers.synthetic import ensure_simulated
from helpers.transforms import augment_transform, eval_transform, flip_transform


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return ensure_simulated(tmp_path_factory.mktemp("data") / "simulated")


@pytest.fixture
def csv_file(folder, tmp_path, simulated):
    """Labels of two ordinary patches and of one with 11 missing pixels, in an order of their own."""
    names = ["well_15_patch_18", "well_13_patch_4", "well_1_patch_3"]
    write_csv(simulated[1].loc[names], tmp_path / "y.csv")
    return tmp_path / "y.csv"


def test_images_and_masks_are_those_of_the_names(folder, csv_file, simulated):
    dataset = SegmentationDataset(csv_file, folder / "images")
    images, labels, _ = simulated
    index = dataset.names.index("well_13_patch_4")
    image, mask = dataset[index]
    assert image.shape == mask.shape == (1, 36, 36)
    np.testing.assert_array_equal(image.flatten(), images.loc["well_13_patch_4"])
    np.testing.assert_array_equal(mask.flatten(), labels.loc["well_13_patch_4"])


def test_unusable_pixels_are_repaired(folder, csv_file, simulated):
    dataset = SegmentationDataset(csv_file, folder / "images")
    image, _ = dataset[dataset.names.index("well_15_patch_18")]
    raw = simulated[0].loc["well_15_patch_18"].to_numpy()
    assert torch.isfinite(image).all()
    np.testing.assert_allclose(image.flatten()[np.isnan(raw)], np.nanmedian(raw))


def test_items_are_plain_tensors(folder, csv_file):
    dataset = SegmentationDataset(csv_file, folder / "images", flip_transform())
    assert [type(part) for part in dataset[0]] == [torch.Tensor, torch.Tensor]


def test_a_transform_does_not_change_the_dataset(folder, csv_file):
    dataset = SegmentationDataset(csv_file, folder / "images", flip_transform())
    before = dataset.images.clone()
    for index in range(len(dataset)):
        dataset[index]
    assert torch.equal(dataset.images, before)


def test_frames_give_the_same_dataset_as_files(folder, csv_file, simulated):
    from_files = SegmentationDataset(csv_file, folder / "images", eval_transform())
    names = [name for name in from_files.names if name != "well_15_patch_18"]
    from_frames = SegmentationDataset.from_frames(simulated[1].loc[names], simulated[0], eval_transform())
    for index, name in enumerate(names):
        for a, b in zip(from_frames[index], from_files[from_files.names.index(name)], strict=True):
            assert torch.equal(a, b)


def test_a_missing_image_is_named(folder, tmp_path, simulated):
    labels = simulated[1].loc[["well_1_patch_0"]].rename(index={"well_1_patch_0": "well_1_patch_999"})
    write_csv(labels, tmp_path / "y.csv")
    with pytest.raises(DataError, match="well_1_patch_999.npy"):
        SegmentationDataset(tmp_path / "y.csv", folder / "images")


def test_the_pipeline_keeps_each_well_in_one_part(folder, config):
    prepared = data_preparation_pipeline(folder, config)
    wells = {
        part: {int(name.split("_")[1]) for name in getattr(prepared, part).dataset.names}
        for part in ("train", "val", "test")
    }
    assert wells == {
        "train": set(config.train_wells),
        "val": set(config.val_wells),
        "test": set(config.test_wells),
    }


def test_the_pipeline_accounts_for_every_patch(folder, config, simulated):
    prepared = data_preparation_pipeline(folder, config)
    kept = [name for part in ("train", "val", "test") for name in getattr(prepared, part).dataset.names]
    dropped = [name for cleaning in prepared.cleaning.values() for name in cleaning.dropped_]
    assert sorted(kept + dropped) == sorted(simulated[0].index)


def test_the_pipeline_writes_masks_only(folder, config):
    prepared = data_preparation_pipeline(folder, config)
    files = sorted(path.name for path in config.interim_dir.rglob("*"))
    assert files == ["y_test.csv", "y_train.csv", "y_val.csv"]
    assert list(read_labels(config.interim_dir / "y_val.csv").index) == prepared.val.dataset.names


@pytest.mark.filterwarnings("ignore:The images of well 3")  # they are as odd as can be, on purpose
def test_validation_wells_do_not_shape_the_training_set(folder, config, tmp_path, simulated):
    """The detectors of the reviewed notebook saw all wells; ours see the training wells only."""
    images, labels, _ = simulated
    odd = ensure_simulated(tmp_path / "odd")
    generator = np.random.default_rng(0)
    for name in images.index[images.index.str.startswith("well_3_")]:
        np.save(odd / "images" / f"{name}.npy", generator.normal(0, 0.07, (36, 36)).astype(np.float32))
    before, after = (data_preparation_pipeline(data, config).train.dataset.names for data in (folder, odd))
    assert before == after


def test_only_training_batches_are_shuffled(folder, config):
    prepared = data_preparation_pipeline(folder, config)
    first = [next(iter(prepared.val))[0] for _ in range(2)]
    assert torch.equal(*first)
    torch.testing.assert_close(first[0] * config.value_std, prepared.val.dataset.images[: config.batch_size])
    unshuffled = prepared.train.dataset.masks[: config.batch_size].float()
    assert not torch.equal(next(iter(prepared.train))[1], unshuffled)


@pytest.fixture(scope="module")
def augmented(simulated) -> SegmentationDataset:
    names = simulated[1].index[:60]
    return SegmentationDataset.from_frames(simulated[1].loc[names], simulated[0], augment_transform(), seed=4)


def batches(dataset, workers=0, epochs=1) -> list[torch.Tensor]:
    """Images and masks of all batches of 4, in order: two fetches an epoch, the last one of 28 patches."""
    loader = BatchLoader(dataset, 4, shuffle=True, num_workers=workers)
    return [part for _ in range(epochs) for batch in loader for part in batch]


def same(some, others) -> bool:
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_two_runs_give_the_same_batches_with_any_number_of_workers(workers, augmented):
    torch.manual_seed(1)
    first = batches(augmented, 0, epochs=2)
    torch.manual_seed(2)
    assert same(first, batches(augmented, workers, epochs=2))


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_hands_out_each_patch_once_in_batches_of_its_size(workers, simulated):
    names = simulated[1].index[:61]
    dataset = SegmentationDataset.from_frames(simulated[1].loc[names], simulated[0])
    loader = BatchLoader(dataset, 4, shuffle=True, num_workers=workers)
    sizes = [(len(images), len(masks)) for images, masks in loader]
    assert sizes == [(4, 4)] * 15 + [(1, 1)]
    assert len(loader) == 16
    images, masks = (torch.cat(parts) for parts in zip(*loader, strict=True))
    places = (images[:, None] == dataset.images).flatten(2).all(dim=2).int().argmax(dim=1)
    assert sorted(places.tolist()) == list(range(61))
    assert torch.equal(masks, dataset.masks[places].float())


def test_a_plain_loader_will_do(augmented):
    """It stacks images and masks, which unpack as the pair that they are."""
    images, masks = next(iter(DataLoader(augmented, 16)))
    assert same((images, masks), augmented.__getitems__(list(range(16))))


def test_the_seed_of_the_dataset_decides(augmented, simulated):
    labels = simulated[1].loc[augmented.names]
    other = SegmentationDataset.from_frames(labels, simulated[0], augment_transform(), seed=5)
    assert not torch.equal(batches(augmented)[0], batches(other)[0])


def test_two_epochs_get_other_draws(augmented):
    """Of each patch, once its place in the epoch is undone."""
    order = torch.Generator().manual_seed(0)
    epochs = []
    for _ in range(2):
        shuffled = torch.randperm(60, generator=order).tolist()
        images = torch.cat([augmented.__getitems__(shuffled[i : i + 16])[0] for i in range(0, 60, 16)])
        epochs.append(images[torch.tensor(shuffled).argsort()])
    assert (epochs[0] != epochs[1]).flatten(1).any(dim=1).all()


def test_an_item_is_a_batch_of_one(augmented):
    images, masks = augmented.__getitems__([7])
    assert same(augmented[7], (images[0], masks[0]))
    assert augmented[-1][0].shape == (1, 36, 36)
    with pytest.raises(IndexError):
        augmented[60]


def test_the_generator_of_the_caller_is_left_alone(augmented):
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    batches(augmented)  # the loader draws from the generator it was given
    assert torch.equal(torch.rand(3), expected)

    def fail(images, masks):
        torch.rand(5)
        raise RuntimeError("in a transform")

    torch.manual_seed(3)
    failing = SegmentationDataset.__new__(SegmentationDataset)
    failing.__dict__ = {**augmented.__dict__, "transform": fail}
    with pytest.raises(RuntimeError, match="in a transform"):
        failing[0]
    assert torch.equal(torch.rand(3), expected)


def test_the_pipeline_gives_the_same_batches_for_the_same_seed(folder, config):
    runs = []
    for seed in (config.seed, config.seed, config.seed + 1):
        prepared = data_preparation_pipeline(folder, replace(config, seed=seed), augment_transform(config))
        runs.append([part for batch in prepared.train for part in batch])
    assert same(runs[0], runs[1])
    assert not torch.equal(runs[0][0], runs[2][0])
    assert prepared.train.pin_memory == torch.cuda.is_available()


def test_a_split_without_a_well_is_refused(folder, config):
    with pytest.raises(DataError, match=r"\[14\]"):
        data_preparation_pipeline(folder, replace(config, train_wells=(1, 6, 7, 8, 10, 11, 12, 13)))


def test_frames_with_other_names_are_refused():
    columns = [str(i) for i in range(1296)]
    y = pd.DataFrame(np.zeros((1, 1296), np.uint8), ["well_1_patch_0"], columns)
    images = pd.DataFrame(np.zeros((1, 1296), np.float32), ["well_1_patch_1"], columns)
    with pytest.raises(KeyError, match="well_1_patch_0"):
        SegmentationDataset.from_frames(y, images)


def test_each_patch_lies_in_one_piece():
    """A frame's columns do, and gathering patches from them takes twice the time."""
    frame = pd.DataFrame(np.asfortranarray(np.zeros((3, 1296), np.uint8)))

    assert as_images(frame, np.uint8).stride() == (1296, 1296, 36, 1)
