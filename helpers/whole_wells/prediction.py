"""Groove probabilities of whole wells, however long, in little memory."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from helpers.config import PROJECT_ROOT, Config
from helpers.data.preprocess import usable_pixels
from helpers.data.wells import assemble_well, columns_of, cut_well, well_from_frame, wells_of
from helpers.files import replace_atomically
from helpers.inference import as_patches, check_probabilities, predict_pixels
from helpers.whole_wells.geometry import check_well, patches_of_wells
from helpers.whole_wells.sections import HEIGHT
from helpers.whole_wells.well_files import open_well

# Of a network that has seen simulated wells only, see data/weights/README.md
WEIGHTS = PROJECT_ROOT / "data" / "weights" / "whole_wells.safetensors"


def predict_well(model: nn.Module, thickness: np.ndarray | Path, *arguments, **options) -> np.ndarray:
    """Return the groove probability of every pixel of a well, (H, W) float32. See `predict_rows`."""
    return np.concatenate(list(predict_rows(model, thickness, *arguments, **options)))


@torch.inference_mode()
def predict_rows(
    model: nn.Module,
    thickness: np.ndarray | Path,
    rows: int = HEIGHT,
    views: int = 1,
    config: Config = Config(),
) -> Iterator[np.ndarray]:
    """Slide a window down a well, and yield its groove probabilities piece by piece, from the top.

    Neighbouring windows overlap by a quarter, and fade into each other there, since a model knows less at its
    border. Memory does not depend on the well's length.

    A window is as tall as the sections that the network learned from, since group norm takes its mean and
    spread over all that it sees at once. On simulated wells with known grooves the shipped network has a Dice
    of 0.773 so, of 0.742 in windows of 720 rows, and of 0.727 with all 2,880 rows at once (`python
    experiments/windows.py`). On nine real wells its agreement with silver labels differs by 0.015 at most,
    the other way round.

    model : gives logits for (N, 1, H, W) of any size, and goes around the pipe.
    thickness : (H, W) as the tool gives it, W once around the pipe; unusable pixels count as the mean, 0. Or
        the file of it, see `well_files.save_well`.
    views : probabilities are the mean over so many views of the well, of `VIEWS`: rolled and mirrored.

    Yields float32 (h, W) pieces, each at most `rows` high; together they are the well. ValueError : a window
    has no row, there are no such views, or the array cannot be a well. DataError : the file is damaged.
    """
    if rows < 1:
        raise ValueError(f"Expected windows of at least 1 row, found {rows}.")
    if not 1 <= views <= len(VIEWS):
        raise ValueError(f"Expected 1 to {len(VIEWS)} views, found {views}.")
    shape = _rows(thickness, None, None).shape
    check_well(shape)
    height, overlap = shape[0], rows // 4
    model.eval()
    fade = ((np.arange(overlap, dtype=np.float32) + 1) / (overlap + 1))[:, None]
    above, start = None, 0
    while True:
        window = _predict_window(model, _rows(thickness, start, start + rows), views, config)
        if above is not None:
            window[:overlap] = (1 - fade) * above + fade * window[:overlap]
        if start + rows >= height:
            yield window
            return
        yield window[: rows - overlap]
        above, start = window[rows - overlap :], start + rows - overlap


# (roll in columns, mirrored in azimuth, mirrored in depth): a groove is a groove in each
VIEWS = (
    (0, False, False), (1, True, True), (2, True, False), (3, False, True),
    (1, False, False), (0, True, True), (3, True, False), (2, False, True),
)  # fmt: skip


def _rows(thickness: np.ndarray | Path, start: int | None, stop: int | None) -> np.ndarray:
    """Rows of a well. A file is opened each time: what was read of it before is out of memory."""
    return thickness[start:stop] if isinstance(thickness, np.ndarray) else open_well(thickness)[start:stop]


def _predict_window(model: nn.Module, window: np.ndarray, views: int, config: Config) -> np.ndarray:
    scaled = (np.where(usable_pixels(window, config), window, 0) - config.value_mean) / config.value_std
    device = next(model.parameters()).device
    image = torch.from_numpy(scaled.astype(np.float32))[None, None].to(device)
    total = torch.zeros_like(image)
    for roll, *mirrored in VIEWS[:views]:
        axes = [axis for axis, mirror in zip((3, 2), mirrored, strict=True) if mirror]
        probability = model(image.roll(roll, 3).flip(axes)).sigmoid()
        total += probability.flip(axes).roll(-roll, 3)
    return check_probabilities(total / views)[0, 0].float().cpu().numpy()


def predict_well_file(
    model: nn.Module,
    source: Path,
    target: Path,
    progress: Callable[[int], None] = lambda rows: None,
    **options,
) -> None:
    """Write the groove probabilities of the well in file `source` to file `target`, in little memory.

    progress : called after each piece with its rows. options : see `predict_rows`. DataError : a file is
    damaged or cannot be written; half a `target` is never left.
    """
    header = {"descr": "<f4", "fortran_order": False, "shape": open_well(source).shape}
    with replace_atomically(target) as temporary, open(temporary, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for piece in predict_rows(model, Path(source), **options):
            file.write(np.ascontiguousarray(piece, "<f4").tobytes())
            progress(len(piece))


def predict_patches(
    model: nn.Module, images: pd.DataFrame, config: Config = Config(), columns: int | None = None
) -> Tensor:
    """Put wells together from their patches, search them, and cut the result into the patches again.

    images : (n, 1296) thickness, indexed by patch name; patches may be missing.
    columns : around the pipe, of wells whose patches do not tell it, else a ValueError, see `columns_of`.
    Returns (n, 1, 36, 36) float32 probabilities, in the order of the images.
    """
    found = {}
    for well in sorted(set(wells_of(images).tolist())):
        thickness = well_from_frame(images, well, columns_of(images, well, columns))
        found[well] = predict_well(model, thickness, config=config)
    return torch.from_numpy(patches_of_wells(found, images.index))[:, None]


def predict_well_by_patches(model: nn.Module, thickness: np.ndarray, config: Config = Config()) -> np.ndarray:
    """The same of a well, (36 b, 36) or (36 b, 72), with a model of patches: cut as the challenge does,
    predict each patch alone, assemble."""
    check_well(thickness.shape)
    patches = cut_well(thickness)
    found = as_patches(predict_pixels(model, patches.reshape(len(patches), -1), config))
    return assemble_well(found, thickness.shape[1])
