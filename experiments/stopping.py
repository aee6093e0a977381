"""How long to train, in which steps, and which epoch's model to go on with (R3.7, R3.9)? Notebook 04.

Of the wells to learn from a fifth, whole wells, validates; the baseline U-Net is trained on the others with
each number of epochs, batch size and learning rate. Four rules choose a model without a look at the wells
that judge: the last epoch, the lowest validation loss (R3.9), the best validation Dice, and the mean of the
weights over the last quarter of the epochs.
"""

from copy import deepcopy
from dataclasses import replace
from functools import cache

from common import run_from_command_line, run_study
from torch.optim.swa_utils import AveragedModel

from experiments.draws import Draw, as_dataset, hold_out, training_loader
from helpers.data.dataset import make_loader
from helpers.metrics import summarise
from helpers.training import evaluate, train
from helpers.training.runs import unsaved_run

# Times the study's epochs, and settings
BUDGETS = {
    "10 epochs": (1.0, {}),
    "5 epochs": (0.5, {}),
    "20 epochs": (2.0, {}),
    "batch 16": (1.0, {"batch_size": 16}),
    "batch 32, rate 0.004": (1.0, {"batch_size": 32, "learning_rate": 4e-3}),
    "rate 0.001": (1.0, {"learning_rate": 1e-3}),
}
RULES = ("last epoch", "lowest validation loss", "best validation Dice", "mean of the last quarter")


@cache
def by_rule(draw: Draw, epochs: int, budget: str) -> dict[str, dict[str, float]]:
    """Train once; the scores of the model that each rule chooses."""
    share, settings = BUDGETS[budget]
    epochs, config = max(1, round(epochs * share)), replace(draw.config, **settings)
    y, images = draw.cleaned
    validates = hold_out(y, "wells", draw.number)
    val_loader = make_loader(as_dataset(y[validates], images), 64)
    run = unsaved_run("unet", config)
    average, chosen, losses, dices = AveragedModel(run.model), {}, [], []
    for row in train(run, training_loader(y[~validates], images, config), epochs):
        loss, counts = evaluate(run.model, val_loader, run.loss_fn)
        losses.append(loss)
        dices.append(summarise(counts)["dice"])
        if loss == min(losses):
            chosen["lowest validation loss"] = deepcopy(run.model)
        if dices[-1] == max(dices):
            chosen["best validation Dice"] = deepcopy(run.model)
        if row["epoch"] > epochs - max(1, epochs // 4):
            average.update_parameters(run.model)
    chosen |= {"last epoch": run.model, "mean of the last quarter": average}
    return {rule: draw.score(chosen[rule]) for rule in RULES}


VARIANTS = {
    f"{budget}, {rule}": lambda draw, epochs, b=budget, r=rule: by_rule(draw, epochs, b)[r]
    for budget in BUDGETS
    for rule in RULES
}

if __name__ == "__main__":
    run_from_command_line(lambda: run_study(__doc__, __file__, VARIANTS, than="10 epochs, last epoch"))
