from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from helpers.data import read_labels, write_csv
from helpers.data.dataset import SegmentationDataset, data_preparation_pipeline, make_loader
from helpers.data.preprocess import SPE
from helpers.data.synthetic import ensure_simulated
from helpers.data.transforms import augment_transform, flip_transform, normalize
from helpers.files import DataError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return ensure_simulated(tmp_path_factory.mktemp("data") / "simulated")


@pytest.fixture
def csv_file(folder, tmp_path, simulated):
    """Labels of two ordinary patches and of one with 11 missing pixels, in an order of their own."""
    names = ["well_15_patch_18", "well_13_patch_4", "well_1_patch_3"]
    write_csv(simulated[1].loc[names], tmp_path / "y.csv")
    return tmp_path / "y.csv"


def test_images_and_masks_are_those_of_the_names_and_repaired(folder, csv_file, simulated):
    dataset = SegmentationDataset(csv_file, folder / "images")
    images, labels, _ = simulated
    image, mask = dataset[dataset.names.index("well_13_patch_4")]
    assert image.shape == mask.shape == (1, 36, 36)
    np.testing.assert_array_equal(image.flatten(), images.loc["well_13_patch_4"])
    np.testing.assert_array_equal(mask.flatten(), labels.loc["well_13_patch_4"])
    image, _ = dataset[dataset.names.index("well_15_patch_18")]
    raw = images.loc["well_15_patch_18"].to_numpy()
    assert torch.isfinite(image).all()
    np.testing.assert_allclose(image.flatten()[np.isnan(raw)], np.nanmedian(raw))
    flipping = SegmentationDataset(csv_file, folder / "images", flip_transform())
    assert [type(part) for _ in range(9) for part in flipping[0]] == [torch.Tensor] * 18
    assert torch.equal(flipping.images, dataset.images)  # a transform does not change the dataset


def test_frames_give_the_same_dataset_as_files(folder, csv_file, simulated):
    from_files = SegmentationDataset(csv_file, folder / "images", normalize())
    names = [name for name in from_files.names if name != "well_15_patch_18"]
    from_frames = SegmentationDataset.from_frames(simulated[1].loc[names], simulated[0], normalize())
    for index, name in enumerate(names):
        for a, b in zip(from_frames[index], from_files[from_files.names.index(name)], strict=True):
            assert torch.equal(a, b)
    with pytest.raises(KeyError, match="well_13_patch_4"):
        SegmentationDataset.from_frames(simulated[1].loc[names], simulated[0].drop("well_13_patch_4"))


def test_the_pipeline_keeps_each_well_in_one_part_and_accounts_for_every_patch(folder, config, simulated):
    datasets, loaders = data_preparation_pipeline(folder, config)
    parts = {"train": config.train_wells, "val": config.val_wells, "test": config.test_wells}
    assert {part: {int(name.split("_")[1]) for name in data.names} for part, data in datasets.items()} == {
        part: set(wells) for part, wells in parts.items()
    }
    kept = [name for dataset in datasets.values() for name in dataset.names]
    dropped = [name for dataset in datasets.values() for name in dataset.cleaning.dropped_]
    assert sorted(kept + dropped) == sorted(simulated[0].index)
    # odd patches are looked for in the training wells alone
    looked = [part for part, dataset in datasets.items() if SPE in dataset.cleaning.summary_.index]
    assert looked == ["train"]
    files = sorted(path.name for path in config.interim_dir.rglob("*"))  # masks only
    assert files == ["y_test.csv", "y_train.csv", "y_val.csv"]
    assert list(read_labels(config.interim_dir / "y_val.csv").index) == datasets["val"].names
    # only training batches are shuffled, and all are in the network's scale
    first = [next(iter(loaders["val"]))[0] for _ in range(2)]
    assert torch.equal(*first)
    torch.testing.assert_close(first[0] * config.value_std, datasets["val"].images[: config.batch_size])
    sizes = [
        masks.sum((1, 2, 3)).tolist() for masks in (datasets["train"].masks, next(iter(loaders["train"]))[1])
    ]
    assert sizes[0][: config.batch_size] != sizes[1]  # which flips leave alone
    with pytest.raises(DataError, match=r"\[14\]"):
        data_preparation_pipeline(folder, replace(config, train_wells=(1, 6, 7, 8, 10, 11, 12, 13)))


@pytest.mark.filterwarnings("ignore:The images of well 3")  # they are as odd as can be, on purpose
def test_validation_wells_do_not_shape_the_training_set(folder, config, tmp_path, simulated):
    """The detectors of the reviewed notebook saw all wells; ours see the training wells only."""
    images, labels, _ = simulated
    odd = ensure_simulated(tmp_path / "odd")
    generator = np.random.default_rng(0)
    for name in images.index[images.index.str.startswith("well_3_")]:
        np.save(odd / "images" / f"{name}.npy", generator.normal(0, 0.07, (36, 36)).astype(np.float32))
    before, after = (data_preparation_pipeline(data, config)[0]["train"].names for data in (folder, odd))
    assert before == after


@pytest.mark.parametrize(
    ("transform", "more"),
    [(v2.Compose([v2.RandomHorizontalFlip(1.0)]), 0), (lambda image, mask: (image + 1, mask), 1)],
)
def test_the_scale_is_the_pipelines_business_and_comes_last_whatever_transform_it_is_given(
    folder, config, transform, more
):
    """Else training would see other values than validation."""
    datasets, _ = data_preparation_pipeline(folder, config, transform)
    image, _ = datasets["train"][3]
    expected = (datasets["train"].images[3] + more) / config.value_std
    torch.testing.assert_close(image if more else image.flip(-1), expected)


@pytest.fixture(scope="module")
def augmented(simulated) -> SegmentationDataset:
    names = simulated[1].index[:60]
    return SegmentationDataset.from_frames(simulated[1].loc[names], simulated[0], augment_transform())


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_follow_from_torchs_seed_and_differ_between_epochs(workers, augmented):
    def epochs(seed):
        torch.manual_seed(seed)
        loader = make_loader(augmented, 16, shuffle=True, num_workers=workers)
        return [torch.cat([images for images, _ in loader]) for _ in range(2)]

    first, again, other = epochs(1), epochs(1), epochs(2)
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[0], first[1]) and not torch.equal(first[0], other[0])
    assert not torch.equal(augmented[3][0], augmented[3][0])  # each time another view
