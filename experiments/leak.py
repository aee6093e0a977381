"""How much too high is the score of a random split (R1.17)? Notebook 05.

Of the patches to learn from a fifth is held out for validation: at random by patch, by twin pair, or by
wells. The U-Net is trained on as many of the other patches in each case. Its Dice on its own validation
patches is what it promises; its Dice on the wells to be judged by is the truth.
"""

from common import run_from_command_line, run_study

from experiments.draws import Draw, as_dataset, hold_out, predict_masks, score, train_on

TRAIN_SHARE = 0.7  # of the patches, in all three cases; the held-out share varies by 0.07 around 0.2


def split_by(draw: Draw, epochs: int, by: str) -> dict[str, float]:
    y, images = draw.cleaned
    held_out = hold_out(y, by, draw.number)
    train = y[~held_out].sample(int(TRAIN_SHARE * len(y)), random_state=draw.number)
    model = train_on(train, images, epochs, draw.number)
    own = as_dataset(draw.clean.loc[y.index[held_out]], images)
    promised = score(predict_masks(model, own), own.masks)
    return draw.score(model) | {f"promised_{name}": value for name, value in promised.items()}


VARIANTS = {
    f"split by {by}": lambda draw, epochs, by=by: split_by(draw, epochs, by)
    for by in ("wells", "pair", "patch")
}

if __name__ == "__main__":
    run_from_command_line(lambda: run_study(__doc__, __file__, VARIANTS, than="split by wells"))
