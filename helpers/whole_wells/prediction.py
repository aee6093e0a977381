"""Groove probabilities of whole wells, however long, in little memory."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.config import PROJECT_ROOT, Config
from helpers.data.preprocess import usable_pixels
from helpers.data.wells import assemble_well, columns_of, cut_well, label_grooves, well_from_frame, wells_of
from helpers.files import replace_atomically
from helpers.inference import as_patches, check_probabilities, predict_pixels
from helpers.whole_wells.geometry import HEIGHT, check_well, patches_of_wells
from helpers.whole_wells.well_files import open_well

# Of a network that has seen simulated wells only, see data/weights/README.md
WEIGHTS = PROJECT_ROOT / "data" / "weights" / "whole_wells.safetensors"
SCALES = 0.5, 1.0  # of depth, see experiments/deciding.py


def predict_well(model: nn.Module, thickness: np.ndarray | Path, *arguments, **options) -> np.ndarray:
    """Return the groove probability of every pixel of a well, (H, W) float32. See `predict_rows`."""
    return np.concatenate(list(predict_rows(model, thickness, *arguments, **options)))


@torch.inference_mode()
def predict_rows(
    model: nn.Module,
    thickness: np.ndarray | Path,
    rows: int = HEIGHT,
    scales: Sequence[float] = SCALES,
    config: Config = Config(),
) -> Iterator[np.ndarray]:
    """Yield the groove probabilities of a well piece by piece, from the top: the mean over depth scales.

    A scale of 0.5 shows the network the well at half its rows; its answer is stretched again. `groove_mask`
    makes a mask of what comes back. Memory does not depend on the well's length.

    model : gives logits for (N, 1, H, W) of any size, and goes around the pipe.
    thickness : (H, W) as the tool gives it, W once around the pipe; unusable pixels count as the mean, 0. Or
        the file of it, see `well_files.save_well`.
    rows : that the network sees at once, at every scale: as many as in the sections that it learned from.

    Yields float32 (h, W) pieces, each at most `rows` high; together they are the well. ValueError : a window
    has no row, there is no scale above 0, or the array cannot be a well. DataError : the file is damaged.
    """
    if rows < 1 or not scales or min(scales) <= 0:
        raise ValueError(f"Expected windows of at least 1 row and scales above 0, found {rows} and {scales}.")
    check_well(_rows(thickness, None, None).shape)
    model.eval()
    seen = [chain.from_iterable(_at_scale(model, thickness, rows, scale, config)) for scale in scales]
    together = zip(*seen, strict=True)  # row by row
    while piece := list(islice(together, rows)):
        yield np.mean(piece, axis=1)


def _at_scale(
    model: nn.Module, thickness: np.ndarray | Path, rows: int, scale: float, config: Config
) -> Iterator[np.ndarray]:
    """Slide a window down a well. Neighbouring windows overlap by a quarter, and fade into each other there,
    since a model knows less at its border. A window is not taller, since group norm takes its mean and spread
    over all that it sees at once."""
    height, tall = len(_rows(thickness, None, None)), max(1, round(rows / scale))
    overlap = tall // 4
    fade = ((np.arange(overlap, dtype=np.float32) + 1) / (overlap + 1))[:, None]
    above, start = None, 0
    while True:
        window = _predict_window(model, _rows(thickness, start, start + tall), scale, config)
        if above is not None:
            window[:overlap] = (1 - fade) * above + fade * window[:overlap]
        if start + tall >= height:
            yield window
            return
        yield window[: tall - overlap]
        above, start = window[tall - overlap :], start + tall - overlap


def _rows(thickness: np.ndarray | Path, start: int | None, stop: int | None) -> np.ndarray:
    """Rows of a well. A file is opened each time: what was read of it before is out of memory."""
    return thickness[start:stop] if isinstance(thickness, np.ndarray) else open_well(thickness)[start:stop]


def _predict_window(model: nn.Module, window: np.ndarray, scale: float, config: Config) -> np.ndarray:
    scaled = (np.where(usable_pixels(window, config), window, 0) - config.value_mean) / config.value_std
    device = next(model.parameters()).device
    image = torch.from_numpy(scaled.astype(np.float32))[None, None].to(device)
    size = max(1, round(scale * len(window))), window.shape[1]
    probability = model(F.interpolate(image, size, mode="bilinear")).sigmoid()
    probability = F.interpolate(probability.float(), window.shape, mode="bilinear")
    return check_probabilities(probability)[0, 0].cpu().numpy()


def groove_mask(probability: np.ndarray, config: Config = Config()) -> np.ndarray:
    """Decide by grooves, not by pixels: keep what reaches `config.sure`, down to `config.likely`.

    A groove is what hangs together, around the pipe too, at a probability of `likely` or more; it is kept if
    a pixel of it is `sure`. So a faint stretch of a clear groove stays, and a faint speck goes (hysteresis,
    Canny 1986, https://doi.org/10.1109/TPAMI.1986.4767851). Two equal numbers make a plain threshold.

    `probability` is (H, W), of a well, once around the pipe. Returns (H, W) bool.
    """
    grooves = label_grooves(probability >= config.likely)
    kept = np.zeros(grooves.max() + 1, bool)
    kept[grooves[probability >= config.sure]] = True
    return kept[grooves]


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
    return _by_wells(lambda well: predict_well(model, well, config=config), images, columns)


def mask_patches(
    model: nn.Module, images: pd.DataFrame, config: Config = Config(), columns: int | None = None
) -> Tensor:
    """The masks of patches, (n, 1, 36, 36) bool: the `groove_mask` of their wells, as `predict_patches`."""
    return _by_wells(
        lambda well: groove_mask(predict_well(model, well, config=config), config), images, columns
    )


def _by_wells(find: Callable[[np.ndarray], np.ndarray], images: pd.DataFrame, columns: int | None) -> Tensor:
    wells = sorted(set(wells_of(images).tolist()))
    found = {well: find(well_from_frame(images, well, columns_of(images, well, columns))) for well in wells}
    return torch.from_numpy(patches_of_wells(found, images.index))[:, None]


def predict_well_by_patches(model: nn.Module, thickness: np.ndarray, config: Config = Config()) -> np.ndarray:
    """The same of a well, (36 b, 36) or (36 b, 72), with a model of patches: cut as the challenge does,
    predict each patch alone, assemble."""
    check_well(thickness.shape)
    patches = cut_well(thickness)
    found = as_patches(predict_pixels(model, patches.reshape(len(patches), -1), config))
    return assemble_well(found, thickness.shape[1])
