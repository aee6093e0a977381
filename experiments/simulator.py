"""What does the simulator lack? Nothing, all, and each of `simulation.BEYOND` alone added to its wells.

    CORROSEG_DATA=<folder> OMP_NUM_THREADS=1 python experiments/simulator.py

A network learns from 40 wells as drawn for 6 epochs, as `pretrain.py` trains; then each variant goes on from
there for 3 epochs with 40 other wells. Variants of a draw share all but what is added to these. They are
judged on the first 400 patches of each training and validation well, never of a test well: by the plain
threshold, by `groove_mask`, and by it after the mean over depth scales, which is what prediction does.
"""

import numpy as np
from common import Results, load_with_truth, run_from_command_line, study_parser
from pretrain import go_on, pretrain
from torch import nn

from experiments.draws import leave_out
from helpers.config import PROJECT_ROOT, Config
from helpers.data import find_data
from helpers.data.wells import parse_name
from helpers.training.checkpoint import load_model, write_weights
from helpers.training.runs import describe
from helpers.whole_wells.prediction import SCALES, groove_mask, predict_well
from helpers.whole_wells.simulation import BEYOND

WELLS, EPOCHS, PATCHES = 40, 6, 400
TOGETHER = ("specks", "gaps", "stretched"), ("specks", "gaps", "stretched", "faint")
VARIANTS = {"as drawn": (), "all": BEYOND} | {name: (name,) for name in BEYOND}
VARIANTS |= {", ".join(names): names for names in TOGETHER}
TRAINED = PROJECT_ROOT / "runs" / "simulator"  # a network is trained once, and judged on any data
PARTS = {"training": Config().train_wells, "validation": Config().val_wells}


def main() -> None:
    parser = study_parser(__doc__, draws=(0, 1))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="only these")
    arguments, source = parser.parse_args(), find_data()
    results = Results(arguments.output, __file__, source)
    data = load_with_truth(source)
    first = np.array([parse_name(name)[1] < PATCHES for name in data[0].index])
    parts = {part: leave_out(0, wells, *(frame[first] for frame in data)) for part, wells in PARTS.items()}
    keys = [{"draw": draw, "variant": name} for draw in arguments.draws for name in arguments.variants]
    for key in results.missing(keys):
        model, rows = trained(**key), []
        for part, judged in parts.items():
            found = {name: masks(model, well) for name, well in judged.wells_of(judged.judged_images).items()}
            for cut in ("threshold", "grooves", "scales"):
                scores = judged.score_masks({name: by_cut[cut] for name, by_cut in found.items()})
                rows.append(key | {"wells": part, "cut": cut} | scores)
        results.add_all(rows)


def trained(draw: int, variant: str) -> nn.Module:
    """The network of this draw and variant, from its file if it is there."""
    path = TRAINED / f"{variant}_{draw}.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        start = variant == "start"
        run = (
            pretrain(WELLS, EPOCHS, draw) if start else go_on(trained(draw, "start"), draw, VARIANTS[variant])
        )
        write_weights(path, describe(run))
    return load_model(path)[0]


def masks(model: nn.Module, thickness: np.ndarray) -> dict[str, np.ndarray]:
    """Masks of a well, (H, W) bool, by each way to cut its probabilities."""
    plain, mean = (predict_well(model, thickness, scales=scales) for scales in ((1.0,), SCALES))
    threshold = plain >= Config().threshold
    return {"threshold": threshold, "grooves": groove_mask(plain), "scales": groove_mask(mean)}


if __name__ == "__main__":
    run_from_command_line(main)
