"""Which loss (R3.2)? Notebook 03.

The baseline U-Net with each loss; and the grid of the junior's report: his three networks, with dropout as he
had it, by three losses. With BCE they are in networks.py.
"""

from itertools import product

from common import run_from_command_line, run_study

from experiments.draws import learns_with

LOSSES = ["bce", "dice_bce", "focal", "tversky", "lovasz", "soft_iou"]
NETWORKS = ["junior_unet", "junior_attention_unet", "junior_resunet"]
VARIANTS = {loss: learns_with(loss=loss) for loss in LOSSES} | {
    f"{network}, {loss}": learns_with(model=network, loss=loss)
    for network, loss in product(NETWORKS, LOSSES[1:3])
}

if __name__ == "__main__":
    run_from_command_line(lambda: run_study(__doc__, __file__, VARIANTS, than="bce"))
