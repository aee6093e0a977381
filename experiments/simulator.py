"""What does the simulator lack? Nothing, all, and each of `simulation.BEYOND` alone added to its wells.

    CORROSEG_DATA=<folder> OMP_NUM_THREADS=1 python experiments/simulator.py

A network learns from 40 wells as drawn for 6 epochs, as `pretrain.py` trains; then each variant goes on from
there for 3 epochs with 40 other wells. Variants of a seed share all but what is added to these. They are
judged on the first 400 patches of each training and validation well, never of a test well: by the plain
threshold, by `groove_mask`, and by it after the mean over depth scales, which is what prediction does.
"""

import numpy as np
import torch
from common import Results, every, judge_of, parse_arguments, run_from_command_line
from pretrain import go_on, pretrain
from torch import nn

from experiments.folds import leave_out
from helpers.config import PROJECT_ROOT, Config
from helpers.data import find_data, load_data
from helpers.data.wells import parse_name, well_from_frame
from helpers.metrics import count_pixels, summarise
from helpers.training.checkpoint import load_model, write_weights
from helpers.training.runs import describe
from helpers.whole_wells.geometry import patches_of_wells
from helpers.whole_wells.prediction import groove_mask, predict_well
from helpers.whole_wells.simulation import BEYOND

WELLS, EPOCHS, PATCHES, SEEDS = 40, 6, 400, (0, 1)
VARIANTS = (
    {"as drawn": (), "all": BEYOND}
    | {name: (name,) for name in BEYOND}
    | {
        "specks, gaps, stretched": ("specks", "gaps", "stretched"),
        "specks, gaps, stretched, faint": ("specks", "gaps", "stretched", "faint"),
    }
)
TRAINED = PROJECT_ROOT / "runs" / "simulator"  # a network is trained once, and judged on any data
PARTS = {"training": Config().train_wells, "validation": Config().val_wells}


def main() -> None:
    arguments = parse_arguments(__doc__, {"variants": list(VARIANTS)}, epochs=False)
    source = find_data()
    y, images = load_data(source.folder)
    first = np.array([parse_name(name)[1] < PATCHES for name in y.index])
    y, images = y[first], images[first]
    parts = {part: leave_out(0, wells, y, images).unseen for part, wells in PARTS.items()}
    results = Results(arguments.output, __file__, source)
    for key in results.missing(every(seed=SEEDS, variant=arguments.variants)):
        model, rows = trained(**key), []
        for part, unseen in parts.items():
            found = {well: masks(model, well_from_frame(images, well)) for well in PARTS[part]}
            for cut in ("threshold", "grooves", "scales"):
                of_cut = {well: by_cut[cut] for well, by_cut in found.items()}
                mask = torch.from_numpy(patches_of_wells(of_cut, unseen.names))[:, None]
                scores = summarise(count_pixels(mask, judge_of(source, unseen)))
                rows.append(key | {"wells": part, "cut": cut} | {k: round(v, 4) for k, v in scores.items()})
        results.add_all(rows)


def trained(seed: int, variant: str) -> nn.Module:
    """The network of this seed and variant, from its file if it is there."""
    path = TRAINED / f"{variant}_{seed}.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        if variant == "start":
            run = pretrain(WELLS, EPOCHS, seed)
        else:
            run = go_on(trained(seed, "start"), seed, VARIANTS[variant])
        write_weights(path, describe(run))
    return load_model(path)[0]


def masks(model: nn.Module, thickness: np.ndarray) -> dict[str, np.ndarray]:
    """Masks of a well, (H, W) bool, by each way to cut its probabilities."""
    plain = predict_well(model, thickness, scales=(1.0,))
    mean = (plain + 2 * predict_well(model, thickness, scales=(0.5, 0.75))) / 3
    threshold = plain >= Config().threshold
    return {"threshold": threshold, "grooves": groove_mask(plain), "scales": groove_mask(mean)}


if __name__ == "__main__":
    run_from_command_line(main)
