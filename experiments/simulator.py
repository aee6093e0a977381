"""What does the simulator lack? Nothing, all, and each of `simulation.BEYOND` alone added to its wells.

    CORROSEG_DATA=<folder> OMP_NUM_THREADS=1 python experiments/simulator.py --epochs 6

A network learns from 40 wells as drawn, as `pretrain.py` trains; then each variant goes on from there with 40
other wells. Variants of a draw share all but what is added to these. All are judged by pixels and by grooves.
"""

from functools import cache
from itertools import product

from common import run_from_command_line, run_study
from pretrain import MORE_WELLS, go_on, pretrain
from torch import nn
from whole_wells import by_grooves, plainly

from helpers.whole_wells.simulation import BEYOND

ADDED = {"as drawn": (), "all": BEYOND} | {name: (name,) for name in BEYOND}
for together in (("specks", "gaps", "stretched"), ("specks", "gaps", "stretched", "faint")):
    ADDED[", ".join(together)] = together


@cache
def trained(number: int, epochs: int, added: str = "") -> nn.Module:
    if not added:
        return pretrain(MORE_WELLS, epochs, number).model
    return go_on(trained(number, epochs), number, ADDED[added]).model


VARIANTS = {
    f"{added}, {decided}": lambda draw, epochs, a=added, s=score: s(draw, trained(draw.number, epochs, a))
    for added, (decided, score) in product(ADDED, {"plainly": plainly, "by grooves": by_grooves}.items())
}

if __name__ == "__main__":
    run_from_command_line(lambda: run_study(__doc__, __file__, VARIANTS, than="as drawn, by grooves"))
