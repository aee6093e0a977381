import matplotlib.pyplot as plt
import pandas as pd
import pytest
from torch import nn

from helpers.dataset import BatchLoader, SegmentationDataset
from helpers.models import ARCHITECTURES
from helpers.studies.architectures import DRAWINGS, show_architectures
from helpers.studies.learning_curves import count_work, learning_curve
from helpers.transforms import eval_transform


@pytest.fixture(scope="module")
def parts(simulated) -> tuple[SegmentationDataset, SegmentationDataset]:
    """48 patches of well 13 to train on, 20 of well 15 that are unseen."""
    _, y, images = simulated
    chosen = [[name for name in y.index if name.startswith(f"well_{well}_")] for well in (13, 15)]
    return tuple(
        SegmentationDataset.from_frames(y.loc[names], images.loc[names], eval_transform())
        for names in (chosen[0][:48], chosen[1][:20])
    )


def curve(parts, epochs: int, seed: int = 0) -> pd.DataFrame:
    train, unseen = parts
    loader = BatchLoader(train, 16, shuffle=True)
    return pd.DataFrame(learning_curve("unet", "bce", loader, unseen, unseen.masks, epochs, seed))


def test_a_curve_has_a_row_for_each_epoch_with_every_score(parts):
    rows = curve(parts, epochs=4)
    assert list(rows["epoch"]) == [1, 2, 3, 4]
    assert {"dice", "mean_iou", "precision", "recall", "boundary_f1"} <= {*rows}
    assert rows["train_loss"].iloc[-1] < rows["train_loss"].iloc[0]
    assert rows["train_seconds"].is_monotonic_increasing


def test_the_same_seed_gives_the_same_curve(parts):
    columns = ["train_loss", "dice"]
    first, second, other = (curve(parts, 2, seed)[columns] for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(other)


def test_the_work_of_a_convolution_by_hand():
    work = count_work(nn.Conv2d(1, 8, 3, padding=1), size=(10, 12))
    assert work["parameters, M"] == pytest.approx(8 * (9 + 1) / 1e6)
    assert work["multiply-adds, M"] == pytest.approx(10 * 12 * 8 * 9 / 1e6)


def test_each_drawing_is_of_an_architecture_and_others_are_passed_over(monkeypatch):
    shown = []
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: shown.append(plt.gcf()))
    show_architectures({name: name for name in ARCHITECTURES} | {"fcn": "fcn"})
    titles = [axis.get_title() for axis in shown[0].axes]
    assert titles == list(DRAWINGS) and set(DRAWINGS) <= set(ARCHITECTURES)
