"""Every threshold, well list and path of the project, in one frozen dataclass."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

PATCH_SIZE = 36  # rows and columns of a patch, as in the challenge
PROJECT_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Config:
    """Settings shared by notebooks, helpers and tests; change one with `dataclasses.replace`.

    Thickness values are the challenge's own: the variation of the wall thickness around its
    mean, negative where metal is lost.
    """

    seed: int = 0

    # Where things are
    raw_dir: Path = PROJECT_ROOT / "data" / "raw"  # the challenge's files, if you have them
    interim_dir: Path = PROJECT_ROOT / "data" / "interim"  # y_train.csv, y_val.csv, y_test.csv
    simulated_dir: Path = PROJECT_ROOT / "data" / "simulated"  # made when there are no real files
    runs_dir: Path = PROJECT_ROOT / "runs"

    # Exploration (notebook 01)
    quantiles: tuple[float, ...] = (0.0025, 0.005, 0.25, 0.5, 0.75, 0.995)

    # Cleaning (found in notebook 01)
    outlier_threshold: float = -0.25  # a thickness below this is a telemetry error
    upper_outlier_threshold: float = 0.5  # and so is one above this: the real wells end at 0.470
    ruined_pixels: int = 200  # a patch with this many unusable pixels is dropped, not repaired
    spe_std: float = 3.0  # SPE/DmodX ellipse of the `pca` package, in standard deviations
    dbscan_eps: float = 1.5  # Euclidean distance between two patches of 1,296 pixels
    dbscan_min_samples: int = 2

    # The reviewer's split by wells
    train_wells: tuple[int, ...] = (1, 6, 7, 8, 10, 11, 12, 13, 14)
    val_wells: tuple[int, ...] = (3, 9)
    test_wells: tuple[int, ...] = (2, 4, 5, 15)

    # Transforms: the network sees (value - value_mean) / value_std. Both are fixed, not fitted: the
    # data are deviations from a mean, and their interquartile range is 0.018 in all wells together.
    value_mean: float = 0.0
    value_std: float = 0.02

    # Training
    batch_size: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 0.0  # decoupled from the gradient, as in AdamW; 0 is plain Adam
    dropout: float = 0.1
    threshold: float = 0.5  # a pixel of a patch is a groove from this probability on
    likely: float = 0.3  # so is one of a whole well, if it hangs together with a pixel ...
    sure: float = 0.9  # ... of this probability, see helpers.whole_wells.prediction.groove_mask
    schedule: str = "cosine"  # of the learning rate within a call of fit, or "constant"
    clip_norm: float = 1.0  # a longer gradient is shortened to this
    patience: int | None = None  # stop after this many epochs without a lower validation loss
    picture_every: int = 5  # epochs between pictures of validation patches in TensorBoard
    precision: str = "auto"  # of training: what the device is fastest in, see precision_on

    def __post_init__(self):
        """Keep plain values, as a checkpoint needs them; numpy's, lists and folders as text are taken."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is Path:
                value = Path(value).expanduser()
            elif isinstance(value, np.generic | np.ndarray):
                value = value.tolist()
            if isinstance(value, list | tuple):
                value = tuple(np.array(value).tolist())
            object.__setattr__(self, field.name, value)
        if self.seed < 0:
            raise ValueError(f"Config: expected a seed of 0 or more, found {self.seed}.")
        if not 0 < self.likely <= self.sure < 1:
            raise ValueError(f"Config: expected 0 < likely <= sure < 1, found {self.likely} and {self.sure}.")
        if not 0 < self.threshold < 1:
            raise ValueError(f"Config: expected a threshold between 0 and 1, found {self.threshold}.")
        if not 0 < self.value_std < np.inf:
            raise ValueError(f"Config: expected a value_std above 0, found {self.value_std}.")
