"""How fast are patches ready for training? Our loader against the old way, in one process, in turn.

    python benchmarks/data_pipeline.py [data folder] [--repeats 5]

1. Patches a second of the training loader at the config's batch size. With flips only, against the way of the
   notebook under review: one file, two quantiles and one DataFrame row for each sample. With all of R2.5,
   against torchvision's own transforms on samples in memory, one sample at a time.
2. Seconds from files on disk to ready loaders, against reading each file into a DataFrame's row, the `pca`
   package with 95 % of the variance, and DBSCAN as scikit-learn has it. Both must keep the same patches.
3. Memory that the way from files to loaders takes, in a process of its own, in sizes of the data.

Each figure is the median of the repeats. A ratio compares the better of 0 and 2 workers on both sides, in the
same round; its range over the rounds stands behind it.
"""

import argparse
import gc
import multiprocessing
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torchvision
from pca import pca
from sklearn.cluster import DBSCAN
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from helpers.config import Config
from helpers.data import find_images, find_labels, load_data
from helpers.dataset import BatchLoader, SegmentationDataset, data_preparation_pipeline
from helpers.split import PARTS, split_by_wells, split_y_to_train_val_test
from helpers.synthetic import ensure_simulated
from helpers.transforms import augment_transform, flip_transform


class FilePerSample(Dataset):
    """The old way: each sample is one file, two quantiles and one row of a DataFrame; then flips.

    As it was published: the frame is what `read_csv` gives, patch names in its first column, so a row comes
    as 1,297 Python objects. Missing pixels and telemetry errors take the patch's median, each by itself.
    """

    def __init__(self, frame: pd.DataFrame, images_dir: Path, config: Config):
        self.frame, self.images_dir, self.threshold = frame, images_dir, config.outlier_threshold

    def __len__(self):
        return len(self.frame)

    def __getitem__(self, index):
        image = np.load(self.images_dir / f"{self.frame.iloc[index, 0]}.npy")
        image = np.nan_to_num(image, nan=np.quantile(np.nan_to_num(image), 0.5))
        image = np.where(image < self.threshold, np.quantile(image, 0.5), image)
        image = torch.from_numpy(image).float()[None]
        mask = torch.from_numpy(np.array(self.frame.iloc[index, 1:], np.float32).reshape(1, 36, 36))
        for axis in (-1, -2):
            if torch.rand(()) < 0.5:
                image, mask = image.flip(axis), mask.flip(axis)
        return image, mask


class TransformPerSample(Dataset):
    """Samples in memory, each sent through torchvision's own transforms by itself."""

    def __init__(self, ours: SegmentationDataset, config: Config):
        self.images, self.masks = ours.images, ours.masks
        self.transform = v2.Compose(
            [
                v2.RandomHorizontalFlip(config.p_flip),
                v2.RandomVerticalFlip(config.p_flip),
                v2.RandomApply(
                    [v2.RandomRotation(config.rotation_degrees, v2.InterpolationMode.BILINEAR)],
                    config.p_rotation,
                ),
                v2.RandomApply(
                    [v2.RandomResizedCrop(36, config.crop_scale, (0.8, 1.25))],
                    config.p_crop,
                ),
                v2.RandomApply([v2.GaussianBlur(9, config.blur_sigma)], config.p_blur),
                v2.RandomApply([OneNoise(config.noisy_share)], config.p_noise),
                v2.RandomApply([OneBrightness(config.brightness)], config.p_brightness),
                v2.Normalize([config.value_mean], [config.value_std]),
            ]
        )

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image, mask = self.transform(tv_tensors.Image(self.images[index]), tv_tensors.Mask(self.masks[index]))
        return image.as_subclass(torch.Tensor), mask.as_subclass(torch.Tensor)


class OneNoise(v2.Transform):
    """Noise of values of the image; torchvision has none that respects the data's scale."""

    _transformed_types = (tv_tensors.Image,)

    def __init__(self, max_share):
        super().__init__()
        self.max_share = max_share

    def transform(self, image, params):
        flat = image.as_subclass(torch.Tensor).flatten().clone()
        noisy = int(torch.rand(()) * self.max_share * len(flat))
        flat[torch.randperm(len(flat))[:noisy]] = flat[torch.randint(len(flat), (noisy,))]
        return tv_tensors.Image(flat.view(image.shape))


class OneBrightness(v2.Transform):
    """Brightness; torchvision's clips to 0 ... 1."""

    _transformed_types = (tv_tensors.Image,)

    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def transform(self, image, params):
        factor = 1 + self.limit * (2 * torch.rand(()) - 1)
        return tv_tensors.Image(image.as_subclass(torch.Tensor) * factor)


def old_files_to_datasets(folder: Path, config: Config) -> list[FilePerSample]:
    """Read, clean, split and write as the notebook under review did, by the rules of our cleaning."""
    y = pd.read_csv(find_labels(folder), index_col=0)
    images_dir = find_images(folder, config.unpacked_dir)
    rows = {path.stem: np.load(path).ravel() for path in sorted(images_dir.glob("*.npy"))}
    images = pd.DataFrame.from_dict(rows, orient="index").loc[y.index]
    kept = []
    for part, y_part in zip(PARTS, split_by_wells(y, config), strict=True):
        pixels = images.loc[y_part.index]
        unusable = pixels.isna() | (pixels < config.outlier_threshold)
        pixels = pixels[unusable.sum(axis=1) < config.ruined_pixels]
        usable = pixels.mask(unusable.loc[pixels.index])
        pixels = usable.T.fillna(usable.median(axis=1)).T
        if part == "train":
            model = pca(n_components=0.95, detect_outliers=["spe"], n_std=config.spe_std, verbose=0)
            flagged = model.fit_transform(pixels)["outliers"]["y_bool_spe"]
            pixels = pixels[~flagged.to_numpy()]
            clusters = DBSCAN(eps=config.dbscan_eps, min_samples=config.dbscan_min_samples)
            clusters = pd.Series(clusters.fit_predict(pixels), pixels.index)
            pixels = pixels[clusters == clusters[clusters >= 0].mode()[0]]
        kept.append(y_part.loc[pixels.index])
    split_y_to_train_val_test(pd.concat(kept), config)
    return [FilePerSample(part.reset_index(), images_dir, config) for part in kept]


def loader_of(dataset: Dataset, workers: int, config: Config) -> DataLoader:
    if isinstance(dataset, SegmentationDataset):
        return BatchLoader(dataset, config.batch_size, shuffle=True, num_workers=workers)
    return DataLoader(dataset, config.batch_size, shuffle=True, num_workers=workers)


def seconds_of(action) -> float:
    gc.collect()
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def patches_a_second(loader: DataLoader) -> float:
    """Over as many whole epochs as take a second: one alone is 50 ms for the fastest, and mostly noise."""
    gc.collect()
    patches, start = 0, time.perf_counter()
    while (seconds := time.perf_counter() - start) < 1:
        patches += sum(len(images) for images, _ in loader)
    return patches / seconds


def time_loaders(folder: Path, config: Config, repeats: int) -> list[list[str]]:
    """Rows of the table: patches a second of four loaders."""
    prepared = data_preparation_pipeline(folder, config)
    flips = prepared.train.dataset
    everything = SegmentationDataset.__new__(SegmentationDataset)  # the same tensors, not a copy
    everything.__dict__ = {**flips.__dict__, "transform": augment_transform(config)}
    labels = pd.read_csv(find_labels(folder))
    labels = labels[labels.iloc[:, 0].isin(flips.names)]
    datasets = {
        "flips, old way": FilePerSample(labels, find_images(folder, config.unpacked_dir), config),
        "flips, ours": flips,
        "all of R2.5, a sample at a time": TransformPerSample(flips, config),
        "all of R2.5 and roll, ours": everything,
    }
    rates = defaultdict(list)
    for _ in range(repeats):
        for name, dataset in datasets.items():
            for workers in (0, 2):
                rates[name, workers].append(patches_a_second(loader_of(dataset, workers, config)))
    medians = {key: statistics.median(values) for key, values in rates.items()}
    best = {name: np.maximum(rates[name, 0], rates[name, 2]) for name in datasets}
    names = list(datasets)
    rows = []
    for number, name in enumerate(names):
        ratio = f"{with_range(best[name] / best[names[number - 1]], '.0f')} x" if number % 2 else ""
        rows.append([name, f"{medians[name, 0]:,.0f}", f"{medians[name, 2]:,.0f}", ratio])
    return rows


def with_range(values: Sequence[float], digits: str) -> str:
    """The median, and from the smallest to the largest."""
    low, middle, high = (f"{value:{digits}}" for value in np.quantile(values, [0, 0.5, 1]))
    return f"{middle} ({low} to {high})"


def time_files_to_loaders(folder: Path, config: Config, repeats: int) -> list[list[str]]:
    """Rows of the table: seconds from files to loaders, and the patches kept."""
    times, kept = defaultdict(list), {}

    def ours():
        prepared = data_preparation_pipeline(folder, config, flip_transform(config))
        kept["ours"] = [sorted(getattr(prepared, part).dataset.names) for part in PARTS]

    def old():
        kept["old"] = [sorted(dataset.frame.iloc[:, 0]) for dataset in old_files_to_datasets(folder, config)]

    for _ in range(repeats):
        times["old"].append(seconds_of(old))
        times["ours"].append(seconds_of(ours))
    if kept["ours"] != kept["old"]:
        raise SystemExit("The two ways keep other patches, so their times cannot be compared.")
    medians = {name: statistics.median(values) for name, values in times.items()}
    patches = " / ".join(f"{len(names):,}" for names in kept["ours"])
    return [
        ["files to loaders, old way", f"{medians['old']:.1f} s", f"{patches} kept", ""],
        [
            "files to loaders, ours",
            f"{medians['ours']:.1f} s",
            "the same patches",
            f"{with_range(np.divide(times['ours'], times['old']), '.2f')} of the time",
        ],
    ]


def memory_now(field: str) -> float:
    """VmRSS (now) or VmHWM (highest so far) of this process in MB; Linux only."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) * 1024 / 1e6


def measure_memory(action: str, folder: Path, config: Config) -> tuple[float, float]:
    """MB above the start, in a fresh process: the highest, and what stays while the result is held."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_memory_of, (action, folder, config))


def _memory_of(action, folder, config):
    start = memory_now("VmRSS")
    if action == "load":
        result = load_data(folder, config.unpacked_dir)
    elif action == "ours":
        result = data_preparation_pipeline(folder, config)
    else:
        result = old_files_to_datasets(folder, config)
    gc.collect()
    highest, held = memory_now("VmHWM") - start, memory_now("VmRSS") - start
    del result
    return highest, held


def memory_rows(folder: Path, config: Config) -> list[list[str]]:
    y, images = load_data(folder, config.unpacked_dir)
    size = (y.to_numpy().nbytes + images.to_numpy().nbytes) / 1e6
    del y, images
    rows = [["memory: the data's own size", f"{size:.0f} MB", "", ""]]
    titles = {
        "load": "load_data alone",
        "ours": "files to loaders, ours",
        "old": "files to datasets, old way",
    }
    for action, title in titles.items():
        highest, held = measure_memory(action, folder, config)
        figures = [f"{highest:.0f} MB at most", f"{held:.0f} MB held", f"{highest / size:.1f} x the data"]
        rows.append([f"memory: {title}", *figures])
    return rows


def show(rows: list[list[str]], header: list[str]) -> None:
    print("| " + " | ".join(header) + " |")
    print("|---" * len(header) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="a data folder; by default the simulated wells")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        config = replace(Config(), interim_dir=Path(scratch), unpacked_dir=Path(scratch) / "unpacked")
        config.interim_dir.mkdir(exist_ok=True)
        folder = arguments.folder or ensure_simulated(config.simulated_dir, config.seed)
        files = len(list(find_images(folder, config.unpacked_dir).glob("*.npy")))
        data = "given" if arguments.folder else "simulated"
        print(
            f"{os.cpu_count()} CPU cores ({platform.machine()}, {platform.system()}), "
            f"Python {platform.python_version()}, torch {torch.__version__}, "
            f"torchvision {torchvision.__version__}; {data} data, {files:,} patches; "
            f"batch size {config.batch_size}, medians of {arguments.repeats}\n"
        )
        rows = time_loaders(folder, config, arguments.repeats)
        show(rows, ["patches a second", "0 workers", "2 workers", "ratio of the better"])
        rows = time_files_to_loaders(folder, config, arguments.repeats) + memory_rows(folder, config)
        show(rows, ["from files to loaders", "", "", "ratio"])


if __name__ == "__main__":
    main()
