"""Draws: wells to learn from, other wells to be judged by, and a seed. Studies compare variants on them.

A draw is of new simulated wells, made like the training wells (`simulation.draw_recipe`): those to learn from
have labels as hasty as an annotator's, of the others the truth is known. Or it is a fold of real wells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from scipy.stats import t as student
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from helpers.config import Config
from helpers.data.dataset import SegmentationDataset, Transform, as_module, make_loader
from helpers.data.preprocess import PreprocessData
from helpers.data.synthetic import simulate
from helpers.data.transforms import flip_transform, normalize
from helpers.data.wells import columns_of, frame_from_well, parse_name, well_from_frame, wells_of
from helpers.files import DataError
from helpers.inference import predict_pixels, predict_probabilities
from helpers.losses import Loss
from helpers.metrics import count_pixels, summarise
from helpers.training import train
from helpers.training.runs import unsaved_run
from helpers.whole_wells.geometry import patches_of_wells
from helpers.whole_wells.simulation import draw_recipe

STUDY_CONFIG = Config(precision="float32")  # on every device, so that rows do not depend on it
LEARN, JUDGED, ROWS = 24, 48, 720  # wells to learn from, wells to be judged by, rows of each


@dataclass(frozen=True, eq=False)
class Draw:
    """Wells to learn from and wells to be judged by; all frames are (n, 1296), indexed by patch name.

    number : of the draw; the seed of its trainings too.
    y, images : to learn from, not cleaned. clean : the truth of `y`, or `y` where it is not known.
    judge, judged_images : to be judged by: masks, and images not repaired; without ruined patches.
    columns : around the pipe, of wells whose patches do not tell it.
    """

    number: int
    y: pd.DataFrame
    images: pd.DataFrame
    clean: pd.DataFrame
    judge: pd.DataFrame
    judged_images: pd.DataFrame
    columns: dict[int, int]

    @property
    def config(self) -> Config:
        return replace(STUDY_CONFIG, seed=self.number)

    @cached_property
    def cleaned(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Labels and images to train on, cleaned as in `helpers.data.dataset.data_preparation_pipeline`."""
        return PreprocessData(STUDY_CONFIG).fit_transform(self.y, self.images)

    @cached_property
    def judged(self) -> SegmentationDataset:
        """The patches to be judged by in the network's scale, and the masks that judge."""
        return as_dataset(*PreprocessData(STUDY_CONFIG).transform(self.judge, self.judged_images))

    def score(self, found: nn.Module | Tensor) -> dict[str, float]:
        """Dice over all pixels and mean IoU over patches of a patch network, or of masks (m, 1, 36, 36) in
        the order of `judge`."""
        masks = predict_masks(found, self.judged) if isinstance(found, nn.Module) else found
        return score(masks, self.judged.masks)

    def wells_of(self, images: pd.DataFrame) -> dict[int, np.ndarray]:
        """The assembled wells, (H, 36 or 72) each, of some of the draw's patches."""
        names = sorted(set(wells_of(images).tolist()))
        columns = {well: columns_of(images, well, self.columns.get(well)) for well in names}
        return {well: well_from_frame(images, well, columns[well]) for well in names}

    def score_masks(self, found: dict[int, np.ndarray]) -> dict[str, float]:
        """The same of masks of the assembled wells, (H, W) bool each."""
        return self.score(torch.from_numpy(patches_of_wells(found, self.judge.index))[:, None])


def as_dataset(y: pd.DataFrame, images: pd.DataFrame) -> SegmentationDataset:
    return SegmentationDataset.from_frames(y, images, normalize(STUDY_CONFIG))


def score(masks: Tensor, truth: Tensor) -> dict[str, float]:
    return {name: round(value, 4) for name, value in summarise(count_pixels(masks, truth)).items()}


def simulate_draw(number: int, learn: int = LEARN, judged: int = JUDGED, rows: int = ROWS) -> Draw:
    """Simulate the wells of a draw, numbered 1000, 1001, ...; the first `learn` are learned from."""
    wells, made = range(1000, 1000 + learn + judged), {}
    for well in wells:
        rng = np.random.default_rng([number, well])
        made[well] = simulate(draw_recipe(STUDY_CONFIG.train_wells, rng), rows, rng)
    y, images, truth = (
        pd.concat(frame_from_well(getattr(one, part), well) for well, one in made.items())
        for part in ("labels", "thickness", "truth")
    )
    columns = {well: one.truth.shape[1] for well, one in made.items()}
    return leave_out(number, wells[learn:], y, images, truth, wells[:learn], columns)


def leave_out(
    number: int,
    left_out: Sequence[int],
    y: pd.DataFrame,
    images: pd.DataFrame,
    truth: pd.DataFrame | None = None,
    others: Sequence[int] = STUDY_CONFIG.train_wells + STUDY_CONFIG.val_wells,
    columns: dict[int, int] | None = None,
) -> Draw:
    """Learn from `others`, the training and validation wells, but for those left out, which judge.

    y, images : as `helpers.data.load_data` gives them. truth : what judges; by default `y`. No test well
    takes part unless it is left out.
    """
    wells, truth = wells_of(y), y if truth is None else truth
    judged = np.isin(wells, left_out)
    learn = np.isin(wells, others) & ~judged
    judge, _ = PreprocessData(STUDY_CONFIG).transform(truth[judged], images[judged])  # ruined patches go
    return Draw(number, y[learn], images[learn], truth[learn], judge, images.loc[judge.index], columns or {})


def well_folds(
    y: pd.DataFrame, count: int = 3, wells: Sequence[int] = STUDY_CONFIG.train_wells + STUDY_CONFIG.val_wells
) -> list[tuple[int, ...]]:
    """Share wells out among `count` folds of about equal size. `y` : (n, 1296) masks, of other wells too.

    Wells without a groove are dealt out first, so that no fold has more than its share of them; then each
    well, the largest first, goes to the fold with the fewest patches. DataError : there are fewer wells with
    a groove than folds.
    """
    table = pd.DataFrame({"well": wells_of(y), "corroded": y.to_numpy().any(axis=1)})
    table = table[table["well"].isin(wells)].groupby("well")["corroded"].agg(["size", "any"])
    if table["any"].sum() < count:
        grooved = table.index[table["any"]].tolist()
        raise DataError(f"{count} folds need as many wells with a groove to judge by, found {grooved}.")
    folds, sizes = [[] for _ in range(count)], np.zeros(count, int)
    for well, row in table.sort_values(["any", "size"], ascending=[True, False]).iterrows():
        smallest = sizes.argmin()
        folds[smallest].append(well)
        sizes[smallest] += row["size"]
    return [tuple(sorted(fold)) for fold in folds]


def hold_out(y: pd.DataFrame, by: str, seed: int, share: float = 0.2) -> np.ndarray:
    """Choose about `share` of the patches for validation: (n,) True for each that is chosen. By "patch": at
    random, as in the notebook under review; by "pair": likewise, but twins, patches 2k and 2k+1, stay
    together; by "wells": whole wells, with a groove among them; ValueError if no wells have that share."""
    pairs = [(well, patch // 2) for well, patch in map(parse_name, y.index)]
    groups = {"patch": np.arange(len(y)), "pair": pd.factorize(pd.Index(pairs))[0], "wells": wells_of(y)}
    names, group = np.unique(groups[by], return_inverse=True)
    rng, corroded = np.random.default_rng(seed), y.to_numpy().any(axis=1)
    for _ in range(1000):  # wells differ in size, so some draws of wells are far from the share
        chosen = (rng.random(len(names)) < share)[group]
        if abs(chosen.mean() - share) <= 0.07 and corroded[chosen].any():
            return chosen
    wells = sorted(set(wells_of(y).tolist()))
    raise ValueError(f"No choice of wells {wells} has {share:.0%} of the patches.")


def training_loader(
    y: pd.DataFrame, images: pd.DataFrame, config: Config = STUDY_CONFIG, transform: Transform | None = None
) -> DataLoader:
    """Shuffled batches of cleaned patches, by default flipped at random, in the network's scale."""
    changes = v2.Compose([as_module(transform or flip_transform()), normalize(config)])
    return make_loader(SegmentationDataset.from_frames(y, images, changes), config.batch_size, shuffle=True)


def train_on(
    y: pd.DataFrame, images: pd.DataFrame, epochs: int, seed: int = 0, model: str = "unet",
    loss: str | Loss = "bce", transform: Transform | None = None, config: Config = STUDY_CONFIG, **options,
) -> nn.Module:  # fmt: skip
    """Train a network, by default the baseline, on these cleaned patches; `options` : see `start_run`."""
    config = replace(config, seed=seed)
    run = unsaved_run(model, config, loss, **options)
    for _ in train(run, training_loader(y, images, config, transform), epochs):
        pass
    return run.model


def learns_with(**options) -> Callable[[Draw, int], dict[str, float]]:
    """A variant of a study: the scores of a network that learned from a draw with these options."""
    return lambda draw, epochs: draw.score(train_on(*draw.cleaned, epochs, draw.number, **options))


def predict_masks(model: nn.Module, dataset: SegmentationDataset) -> Tensor:
    """Masks (N, 1, H, W) bool on the CPU, in the dataset's order."""
    return predict_probabilities(model, make_loader(dataset, 64)) >= STUDY_CONFIG.threshold


def probabilities_on(model: nn.Module, images: pd.DataFrame) -> pd.DataFrame:
    """`predict_pixels` as a frame like `images`: (n, 1296) float32, indexed by patch name."""
    found = predict_pixels(model, images, STUDY_CONFIG)
    return pd.DataFrame(found.flatten(1).numpy(), images.index, images.columns)


def differences(rows: pd.DataFrame, than: str, score: str = "dice") -> pd.DataFrame:
    """How much better each variant is than the variant `than`, from one row a draw and variant.

    Returns a row a variant: the mean difference, its half-width (Student's 95 % interval over the draws), and
    the number of draws; only draws that have both count.
    """
    table = rows.pivot(index="draw", columns="variant", values=score)
    paired = table.drop(columns=than).sub(table[than], axis=0)
    count = paired.count()
    half = paired.sem() * student.ppf(0.975, (count - 1).clip(lower=1))
    return pd.DataFrame({"difference": paired.mean(), "half-width": half, "draws": count}).loc[
        [variant for variant in rows["variant"].unique() if variant != than]
    ]
