"""Find and load the data, and refuse, with a reason, whatever does not fit together."""

import os
import sys
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.config import PROJECT_ROOT, Config
from helpers.files import DataError, listed
from helpers.patch_files import EXPECTED_FILES, find_images, find_labels, read_images, read_labels
from helpers.wells import parse_name, wells_of

USUAL_SPREAD = 0.005, 0.06  # interquartile range of a well's thickness: 0.014 to 0.020 in the real wells


@dataclass(frozen=True)
class DataSource:
    """The data folder a notebook runs on, and what can be said of it."""

    folder: Path  # for `load_data`
    simulated: bool
    labels: str  # "simulated labels", "silver labels" or "the challenge's labels"
    seed: int | None = None  # of the simulation, where it is known

    @property
    def name(self) -> str:
        """For tables: which wells, in two words."""
        return "simulated wells" if self.simulated else "real wells"

    @property
    def description(self) -> str:
        """One line that is the same on every machine, so that notebooks may print it."""
        if not self.simulated:
            return f"real challenge images with {self.labels}"
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"15 simulated wells (helpers.synthetic{seed}) with {self.labels}; the clean truth is known"


def find_data(config: Config = Config()) -> DataSource:
    """Return the data to run on: $CORROSEG_DATA, else `config.raw_dir`, else the simulated wells.

    $CORROSEG_DATA is a folder, or the word "simulated". A relative folder counts from where the command
    was typed. The simulated wells are made on first use.

    Raises
    ------
    DataError : there is no such folder, or not one table of labels in it.
    """
    wanted = os.environ.get("CORROSEG_DATA", "")
    if wanted.strip() not in ("", "simulated"):
        return _describe(resolve(wanted))
    if not wanted.strip() and _holds_files(config.raw_dir):
        return _describe(config.raw_dir)
    from helpers.synthetic import ensure_simulated  # here, so that real data do not need it

    folder = ensure_simulated(config.simulated_dir, config.seed)
    return DataSource(folder, simulated=True, labels="simulated labels", seed=config.seed)


def resolve(wanted: str) -> Path:
    """Return the folder that $CORROSEG_DATA names, counted from where the user typed the command.

    Neither the shell's $PWD, which Jupyter hands on to its kernels, nor the working folder need be that:
    `make -C` changes both, so the Makefile says it in $CORROSEG_FROM.

    Raises
    ------
    DataError : there is no such folder.
    """
    path = os.path.expanduser(wanted)
    starts = (os.environ.get("CORROSEG_FROM"), os.environ.get("PWD"), os.getcwd(), PROJECT_ROOT)
    tried = list(dict.fromkeys(Path(start, path) for start in starts if start))  # an absolute path stays one
    for folder in tried:
        if folder.exists():
            return folder
    raise DataError(
        f"CORROSEG_DATA is {wanted!r}, but there is no such folder. Tried: {', '.join(map(str, tried))}. "
        f"{EXPECTED_FILES} CORROSEG_DATA=simulated asks for the simulated wells."
    )


def _holds_files(folder: Path) -> bool:
    """Tell whether a folder holds anything besides hidden files such as .gitkeep."""
    return folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir())


def _describe(folder: Path) -> DataSource:
    labels = find_labels(folder)
    if (folder / "y_clean.csv").exists():  # only the simulation knows the clean truth
        return DataSource(folder, simulated=True, labels="simulated labels")
    silver = "silver" in labels.name.lower()
    return DataSource(folder, simulated=False, labels="silver labels" if silver else "the challenge's labels")


def load_data(
    folder: Path | None = None, unpacked_dir: Path = Config().unpacked_dir
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read all labels and images of a data folder, checked, in the order of wells and patch numbers.

    Parameters
    ----------
    folder : holds `images/` or the challenge's `X_train*.zip`, and `y_train*.csv` or `.csv.gz`. By default
        what `find_data` finds.
    unpacked_dir : where the images of a zip go, once.

    Returns
    -------
    (y_train, images_train), both (patches, 1296), indexed by patch name, with columns "0" ... "1295",
    the pixels row by row: uint8, 1 is a groove; float32, thickness variation, not cleaned yet.

    Raises
    ------
    DataError : files are missing, damaged, or images and labels do not belong together.

    Warns
    -----
    UserWarning : the images seem to be in other units, see `warn_of_other_units`.
    """
    if folder is None:
        folder = find_data().folder
    y_train = read_labels(find_labels(folder))  # first: a zip takes longer
    images_train = read_images(find_images(folder, unpacked_dir))
    check_same_patches(y_train, images_train)
    warn_of_other_units(images_train, y_train)
    return y_train, images_train


def get_patches_per_well(patches_list: Iterable[str]) -> Counter:
    """Print and return how many patches each well has, from patch names or their `.npy` file names.

    >>> get_patches_per_well(["well_1_patch_0.npy", "well_1_patch_1.npy", "well_4_patch_0.npy"])
    Well 1: 2 patches
    Well 4: 1 patch
    Wells in total: 2
    Patches in total: 3
    Counter({1: 2, 4: 1})
    """
    counts = Counter(parse_name(str(name).removesuffix(".npy"))[0] for name in patches_list)
    for well, count in sorted(counts.items()):
        print(f"Well {well}: {count} patch{'es' if count != 1 else ''}")
    print(f"Wells in total: {len(counts)}")
    print(f"Patches in total: {counts.total()}")
    return counts


def warn_of_other_units(images: pd.DataFrame, y: pd.DataFrame | None = None) -> None:
    """Warn of wells whose values cannot be the variation of the wall thickness in the challenge's units.

    The scale is judged by the interquartile range, which neither telemetry codes nor grooves move: ten times
    too large, ten times too small and all zero are far outside `USUAL_SPREAD`. The sign is judged by the
    labelled grooves, where metal is lost: their median must not be above the rest of the well's. Without
    labels nobody can tell it: false echoes above the mean are as strong as grooves below it.

    Parameters
    ----------
    images : (n, 1296) thickness, indexed by patch name, as loaded.
    y : masks of the same patches in the same order.
    """
    pixels, of_patch = images.to_numpy(), wells_of(images)
    other_scale, other_sign = {}, {}
    for well in np.unique(of_patch):
        rows = np.flatnonzero(of_patch == well)
        rows = rows[:: 1 + len(rows) // 200]  # 200 patches from top to bottom tell as much as all
        values = pixels[rows]
        measured = np.abs(values) < 100  # no telemetry code, in whatever units, and not NaN
        if not measured.any():
            continue
        low, high = np.quantile(values[measured], [0.25, 0.75])
        if not USUAL_SPREAD[0] <= high - low <= USUAL_SPREAD[1]:
            other_scale[well] = high - low
        elif y is not None:
            groove = y.to_numpy()[rows] == 1
            inside, outside = values[measured & groove], values[measured & ~groove]
            # Real wells have -0.044 to -0.007 here; a few pixels may come out just above 0
            if len(inside) and len(outside) and (rise := np.median(inside) - np.median(outside)) > 0.003:
                other_sign[well] = rise
    found = {
        f"half of the values lie within {{}}, expected {USUAL_SPREAD[0]} to {USUAL_SPREAD[1]}. Are they in "
        "other units than the challenge's?": other_scale,
        "labelled grooves are {} above the rest of the wall, expected below, since metal is lost there. Is "
        "the sign turned over, or do the labels belong to other images?": other_sign,
    }
    for text, of_well in found.items():
        if of_well:
            wells = f"well{'s' if len(of_well) > 1 else ''} {', '.join(map(str, of_well))}"
            values = " to ".join(dict.fromkeys(f"{edge(of_well.values()):.2g}" for edge in (min, max)))
            warnings.warn(f"The images of {wells}: {text.format(values)}", stacklevel=3)


def check_same_patches(y: pd.DataFrame, images: pd.DataFrame) -> None:
    """Raise DataError, with a table by well, unless labels and images have the same patches.

    The challenge's first download does not fit together, and whoever keeps only the names that its images
    and labels have in common trains on false masks of well 1; so it is refused even then.
    """
    names = {"images": images.index, "labels": y.index}
    names["images without label"] = images.index.difference(y.index)
    names["labels without image"] = y.index.difference(images.index)
    remedy = "Put images and labels of one download together; never keep only the names they have in common."
    if len(images) == 9670 or len(y) == 10290:  # the corrected download has 9,674 of both
        remedy = (
            "This is the challenge's first download, or half of it: it lacks 4 images of well 11, and its "
            "rows of well 0 and rows 0-449 of well 1 are false. Never keep only the common names: download "
            "the corrected images and labels from the page of challenge 144 on challengedata.ens.fr."
        )
    elif images.index.sort_values().equals(y.index.sort_values()):
        return
    counts = {title: Counter(parse_name(name)[0] for name in some) for title, some in names.items()}
    table = pd.DataFrame(counts).fillna(0).astype(int).sort_index().rename_axis("well").reset_index()
    lists = [f"{title.capitalize()}: {listed(some)}" for title, some in names.items() if "without" in title]
    raise DataError(
        f"Images and labels do not fit together: {len(images)} images, {len(y)} rows of labels.\n"
        + "\n".join([table.to_string(index=False), *lists, remedy])
    )


def check_data(config: Config = Config()) -> None:
    """Find and read the data and print which they are; run as `python -m helpers.data`."""
    try:
        source = find_data(config)
        y, _ = load_data(source.folder, config.unpacked_dir)
    except DataError as error:
        sys.exit(str(error))
    print(f"Data: {source.description}. {len(y)} patches in {source.folder}")


if __name__ == "__main__":
    check_data()
