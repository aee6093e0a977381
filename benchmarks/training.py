"""Is the loader, or what `fit` does besides, ever the bottleneck? All against the U-Net's bare training step.

    python benchmarks/training.py [--rounds 5] [--workers 0]

In each round, in turn and in one process, on the training wells: the bare step (forward, backward, Adam) on
ready batches; the loader alone with flips, with all of R2.5, and as the reviewer's data set does it, one
file, two medians and one DataFrame row a sample; and `fit`, with validation, TensorBoard and saving. Printed
are patches a second, the median of the rounds, and their ratio to the bare step, with its range.
"""

import argparse
import platform
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nothing is installed but the requirements

from helpers.config import Config
from helpers.data import find_data, find_images, find_labels, read_images
from helpers.data.dataset import data_preparation_pipeline, make_loader
from helpers.data.transforms import augment_transform
from helpers.losses import bce
from helpers.training import fit
from helpers.training.runs import best_device, start_run


class FilePerSample(Dataset):
    """The reviewer's way: a file, two medians and a row of a DataFrame for each sample; then flips."""

    def __init__(self, labels: pd.DataFrame, images_dir: Path):
        self.labels, self.images_dir = labels, images_dir

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image = np.load(self.images_dir / f"{self.labels.iloc[index, 0]}.npy")
        image = np.nan_to_num(image, nan=np.quantile(np.nan_to_num(image), 0.5))
        image = np.where(image < -0.25, np.quantile(image, 0.5), image)
        mask = np.array(self.labels.iloc[index, 1:], float).reshape(36, 36)
        for flip in (np.fliplr, np.flipud):
            if np.random.random() > 0.5:  # noqa: NPY002 - as it was
                image, mask = flip(image), flip(mask)
        return torch.from_numpy(image.copy())[None], torch.from_numpy(mask.copy()).float()[None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=0, help="processes of each loader")
    arguments = parser.parse_args()
    source, device, workers = find_data(), best_device(), {"num_workers": arguments.workers}
    with tempfile.TemporaryDirectory() as scratch:
        config = Config(interim_dir=scratch, runs_dir=scratch)
        datasets, loaders = data_preparation_pipeline(source.folder, config, **workers)
        _, augmented = data_preparation_pipeline(source.folder, config, augment_transform(), **workers)
        images = read_images(find_images(source.folder))  # the reviewer's data set wants a file a patch
        for name, pixels in images.iterrows():
            np.save(f"{scratch}/{name}.npy", pixels.to_numpy().reshape(36, 36))
        labels = pd.read_csv(find_labels(source.folder))
        reviewed = FilePerSample(labels[labels.iloc[:, 0].isin(datasets["train"].names)], Path(scratch))
        run = start_run("unet", config)
        ready = [(images.to(device), masks.to(device)) for images, masks in loaders["train"]]

        def bare_steps() -> None:
            run.model.train()
            for images, masks in ready:
                run.optimizer.zero_grad()
                bce(run.model(images), masks).backward()
                run.optimizer.step()
            if device.type == "cuda":
                torch.cuda.synchronize()

        def seconds_of(way: Callable[[], object] | DataLoader) -> float:
            start = time.perf_counter()
            deque(way, maxlen=0) if isinstance(way, DataLoader) else way()  # through all batches
            return time.perf_counter() - start

        ways = {
            "bare training steps": bare_steps,
            "loader, flips": loaders["train"],
            "loader, all of R2.5": augmented["train"],
            "loader, the reviewer's way": make_loader(reviewed, config.batch_size, shuffle=True, **workers),
            "fit": lambda: fit(run, loaders["train"], loaders["val"], epochs=1),
        }
        bare_steps()  # what is slow but once
        rounds = [{name: seconds_of(way) for name, way in ways.items()} for _ in range(arguments.rounds)]
    rates = len(datasets["train"]) / pd.DataFrame(rounds)
    ratios = rates.div(rates["bare training steps"], axis=0)
    machine = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"{source.description}; {machine}, torch {torch.__version__}, Python {platform.python_version()}")
    print(f"Batches of {config.batch_size}, {arguments.workers} workers, {arguments.rounds} rounds")
    table = {"patches a second": rates.median().round(), "ratio to the steps": ratios.median().round(2)}
    print(pd.DataFrame(table | {"least": ratios.min().round(2), "most": ratios.max().round(2)}).to_string())


if __name__ == "__main__":
    main()
