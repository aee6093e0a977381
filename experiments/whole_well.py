"""Does it help to see more of the pipe? Notebook 07, section 3.

Each run trains one network for about the same seconds of processor time: one epoch to see how long it takes,
then as many as the budget holds. All are judged on the same unseen patches, those of the validation and the
test wells.

patches : the baseline U-Net of notebook 04 on patches of 36 x 36.
36 rows ... 360 rows : the whole-well network on sections of so many rows, 36 or 72 columns as the well has.
360 rows, 36 columns : 72-column wells taken apart into two of 36, as in the challenge's patches.
360 rows, 72 columns : each column of the 36-column wells taken twice.
360 rows, filled : unusable pixels repaired as in cleaning, instead of masked.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from common import Results, judge_of, parse_arguments, run_from_command_line
from torch import nn

from helpers.config import Config
from helpers.data import find_data, load_data
from helpers.dataset import PreparedData, data_preparation_pipeline
from helpers.metrics import count_pixels, scores_per_well, summarise
from helpers.preprocess import repair_pixels
from helpers.runs import start_run
from helpers.training import fit
from helpers.transforms import eval_transform, well_transform
from helpers.wells import patches_of_wells, well_from_frame
from helpers.whole_wells.prediction import predict_well, predict_well_by_patches
from helpers.whole_wells.sections import SectionDataset, SectionLoader, Wells, assemble_wells

VARIANTS = ["patches", "36 rows", "72 rows", "144 rows", "360 rows"]
VARIANTS += ["360 rows, 36 columns", "360 rows, 72 columns", "360 rows, filled"]


def main() -> None:
    arguments = parse_arguments(__doc__, {"variants": VARIANTS}, seeds=3, seconds=240)
    source = find_data()
    y, images = load_data(source.folder, Config().unpacked_dir)
    data = data_preparation_pipeline(source.folder)
    results = Results(arguments.output, __file__, source)
    for seed in range(arguments.seeds):
        for variant in arguments.variants:
            key = {"variant": variant, "seed": seed, "seconds": arguments.seconds}
            if results.has(**key):
                continue
            with tempfile.TemporaryDirectory() as folder:
                config = Config(seed=seed, runs_dir=Path(folder))
                model, training = train(variant, y, images, data, arguments.seconds, config)
            for views in (1,) if variant == "patches" else (1, 8):
                scores = score(variant, model, y, images, data, source, views)
                results.add(**key, views=views, **training, **scores)


def train(
    variant: str, y: pd.DataFrame, images: pd.DataFrame, data: PreparedData, seconds: int, config: Config
) -> tuple[nn.Module, dict[str, float]]:
    if variant == "patches":
        prepared = data_preparation_pipeline(find_data().folder, config)
        run, loaders = start_run("unet", config), (prepared.train, prepared.val)
    else:
        if "filled" in variant:
            images = filled(images)
        height = int(variant.split()[0])
        wells = {
            part: at_columns(variant, assemble_wells(y, images, wells))
            for part, wells in (("train", config.train_wells), ("val", config.val_wells))
        }
        train_set = SectionDataset(wells["train"], height, well_transform(config), True, config.seed)
        val_set = SectionDataset(wells["val"], height, eval_transform(config))
        run = start_run("well_resunet", config)
        loaders = (
            SectionLoader(train_set, config.batch_size, shuffle=True, seed=config.seed),
            SectionLoader(val_set, config.batch_size, shuffle=False),
        )
    start = time.process_time()  # not the clock on the wall: other work on the machine must not count
    fit(run, *loaders, epochs=1)
    more = round(seconds / (time.process_time() - start)) - 1
    if more > 0:
        fit(run, *loaders, epochs=more)
    parameters = sum(p.numel() for p in run.model.parameters())
    training = {"parameters": parameters, "epochs": len(run.history)}
    return run.model, training | {"cpu_seconds": round(time.process_time() - start, 1)}


def filled(images: pd.DataFrame) -> pd.DataFrame:
    repaired, _ = repair_pixels(images.to_numpy())
    return pd.DataFrame(repaired, images.index, images.columns)


def at_columns(variant: str, wells: Wells) -> Wells:
    """The wells at the columns that the variant's name asks for; keys of halves are (well, half)."""
    result = {}
    for well, parts in wells.items():
        columns = parts[0].shape[1]
        if "36 columns" in variant and columns == 72:
            for half in (0, 1):
                result[well, half] = tuple(part[:, half::2].contiguous() for part in parts)
        elif "72 columns" in variant and columns == 36:
            result[well] = tuple(part.repeat_interleave(2, dim=1) for part in parts)
        else:
            result[well] = parts
    return result


def probability_of(
    variant: str, model: nn.Module, thickness: np.ndarray, well: int, views: int
) -> np.ndarray:
    """Groove probability of a well, (H, W), by a model of this variant."""
    columns = thickness.shape[1]
    if variant == "patches":
        return predict_well_by_patches(model, thickness, well)
    if "36 columns" in variant and columns == 72:
        halves = [predict_well(model, thickness[:, half::2], views=views) for half in (0, 1)]
        return np.stack(halves, axis=-1).reshape(thickness.shape)
    if "72 columns" in variant and columns == 36:
        doubled = predict_well(model, np.repeat(thickness, 2, axis=1), views=views)
        return doubled.reshape(len(thickness), 36, 2).mean(axis=2)
    return predict_well(model, thickness, views=views)


def score(variant, model, y, images, data, source, views) -> dict[str, float]:
    """Scores on the unseen patches that cleaning keeps, as in notebook 04."""
    if "filled" in variant:
        images = filled(images)
    scores, all_counts = {}, []
    for part, wells in (("val", Config().val_wells), ("test", Config().test_wells)):
        dataset = getattr(data, part).dataset
        found = {
            well: probability_of(variant, model, well_from_frame(images, well), well, views) for well in wells
        }
        probability = patches_of_wells(found, dataset.names)
        masks = torch.from_numpy(probability)[:, None] >= Config().threshold
        counts = count_pixels(masks, judge_of(source, dataset))
        all_counts.append(counts)
        scores |= {f"{part}_{name}": round(value, 4) for name, value in summarise(counts).items()}
        per_well = scores_per_well(counts, dataset.names)
        scores |= {f"well_{well}_dice": round(value, 4) for well, value in per_well["dice"].items()}
    unseen = summarise(torch.cat(all_counts))
    return scores | {f"unseen_{name}": round(value, 4) for name, value in unseen.items()}


if __name__ == "__main__":
    run_from_command_line(main)
