from itertools import count
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import f1_score
from torch import nn

from helpers.config import Config
from helpers.dataset import SegmentationDataset
from helpers.models import build_model
from helpers.studies.learning_curves import (
    at_epoch,
    at_time,
    count_work,
    learning_curve,
    predict_masks,
    score,
    summary,
    trace_shapes,
)
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


def curve(parts, **budget) -> pd.DataFrame:
    train, unseen = parts
    return pd.DataFrame(learning_curve("unet", "bce", train, {"test": unseen}, **budget))


def test_a_curve_has_a_row_for_each_epoch_with_every_score(parts):
    rows = curve(parts, epochs=2, seconds=0)
    assert list(rows["epoch"]) == [1, 2]
    assert {"test_dice", "test_mean_iou", "test_precision", "test_recall", "test_boundary_f1"} <= {*rows}
    assert rows["train_loss"].is_monotonic_decreasing


def test_a_curve_goes_on_until_epochs_and_seconds_are_both_used_up(parts):
    with patch(
        "helpers.studies.learning_curves.time.perf_counter", side_effect=count(0, 10)
    ):  # each epoch takes 10 s
        assert list(curve(parts, epochs=1, seconds=25)["train_seconds"]) == [10, 20, 30]
    with patch("helpers.studies.learning_curves.time.perf_counter", side_effect=count(0, 10)):
        assert list(curve(parts, epochs=2, seconds=5)["train_seconds"]) == [10, 20]


def test_seconds_of_scoring_are_not_counted(parts):
    # start and end of training, start and end of scoring, twice
    clock = [0, 3, 3, 100, 100, 104, 104, 900]
    with patch("helpers.studies.learning_curves.time.perf_counter", side_effect=clock):
        assert list(curve(parts, epochs=2, seconds=0)["train_seconds"]) == [3, 7]


def test_the_same_seed_gives_the_same_curve(parts):
    columns = ["train_loss", "test_dice"]
    first, second, other = (curve(parts, epochs=2, seconds=0, seed=seed)[columns] for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(other)


def test_masks_are_predicted_in_the_datasets_order(parts):
    _, unseen = parts
    threshold = nn.Conv2d(1, 1, 1)  # a model that finds what lies under -0.02
    with torch.no_grad():
        threshold.weight.fill_(-1.0)
        threshold.bias.fill_(-0.02)
    masks = predict_masks(threshold, unseen, Config(threshold=0.5))
    expected = torch.cat([unseen[i][0] for i in range(len(unseen))]).unsqueeze(1) <= -0.02
    assert masks.dtype == torch.bool
    assert torch.equal(masks, expected)


def test_score_has_the_dice_of_all_pixels():
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randint(0, 2, (2, 5, 1, 9, 9), generator=generator, dtype=torch.uint8)
    assert score(prediction, target)["dice"] == pytest.approx(
        f1_score(target.flatten(), prediction.flatten()), abs=1e-6
    )


def runs() -> pd.DataFrame:
    """A quick run of three epochs, and a slow one whose first epoch takes 50 seconds."""
    return pd.DataFrame(
        {
            "model": ["quick"] * 3 + ["slow"] * 2,
            "seed": 0,
            "epoch": [1, 2, 3, 1, 2],
            "train_seconds": [10.0, 20.0, 30.0, 50.0, 100.0],
            "test_dice": [0.1, 0.2, 0.3, 0.6, 0.7],
        }
    )


def test_rows_after_an_epoch():
    assert list(at_epoch(runs(), 2)["test_dice"]) == [0.2, 0.7]


def test_rows_after_some_seconds_are_the_last_in_time():
    rows = at_time(runs(), 60, ["model", "seed"]).set_index("model")
    assert rows["test_dice"].to_dict() == {"quick": 0.3, "slow": 0.6}


def test_a_run_that_was_too_slow_is_listed_without_a_score():
    rows = at_time(runs(), 20, ["model", "seed"]).set_index("model")
    assert rows.loc["quick", "epoch"] == 2
    assert np.isnan(rows.loc["slow", "test_dice"])


def test_a_summary_has_mean_and_spread_of_the_seeds_best_first():
    rows = pd.DataFrame({"model": list("aabb"), "test_dice": [0.1, 0.3, 0.5, 0.5]})
    table = summary(rows, ["model"], ["test_dice"])
    assert list(table.index) == ["b", "a"]
    assert list(table["test_dice"]) == ["0.500 ± 0.000", "0.200 ± 0.141"]
    assert list(table["seeds"]) == [2, 2]


def test_a_summary_has_a_dash_where_no_seed_has_a_score():
    rows = pd.DataFrame({"model": list("aabcc"), "test_dice": [0.1, 0.3, np.nan, 0.1, np.nan]})
    table = summary(rows, ["model"], ["test_dice"])
    assert list(table["test_dice"]) == ["0.200 ± 0.141", "0.100", "–"]
    assert list(table["seeds"]) == [2, 1, 0]


def test_the_work_of_a_convolution_by_hand():
    work = count_work(nn.Conv2d(1, 8, 3, padding=1), size=(10, 12))
    assert work["parameters, M"] == pytest.approx(8 * (9 + 1) / 1e6)
    assert work["multiply-adds, M"] == pytest.approx(10 * 12 * 8 * 9 / 1e6)


def test_the_shapes_of_the_unet():
    shapes = dict(trace_shapes(build_model("unet")))
    assert shapes["encoder1"] == (32, 36, 36)
    assert shapes["bottleneck"] == (128, 9, 9)
    assert shapes["head"] == (1, 36, 36)


def test_shapes_inside_a_transformer_are_tokens_and_channels():
    assert (82, 192) in dict(trace_shapes(build_model("vit"))).values()  # 9 x 9 and the class token
