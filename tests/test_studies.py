"""Parts of the studies under experiments/ that are more than a list of variants."""

import compare
import final_test
import numpy as np
import pandas as pd
import pytest
import torch
from common import score
from remedies import FadeGrooves
from sklearn.metrics import f1_score
from small_wells import small_wells
from torchvision import tv_tensors

from experiments.folds import leave_out
from helpers.data import DataSource
from helpers.files import DataError


def test_score_has_the_dice_of_all_pixels():
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randint(0, 2, (2, 5, 1, 9, 9), generator=generator, dtype=torch.uint8)
    assert score(prediction, target)["dice"] == pytest.approx(
        f1_score(target.flatten(), prediction.flatten()), abs=1e-6
    )


# --- compare.py --------------------------------------------------------------------------------------------


def curve(seed: int) -> pd.DataFrame:
    y, images = small_wells()
    key = {"model": "unet", "loss": "bce", "padding": "zeros", "epochs": 3}
    source = DataSource(None, simulated=False, labels="silver labels")
    return pd.DataFrame(compare.learning_curve(key, leave_out(seed, (3, 7), y, images), source))


def test_a_curve_has_a_row_for_each_epoch_with_every_score():
    rows = curve(0)
    assert list(rows["epoch"]) == [1, 2, 3]
    assert {"dice", "mean_iou", "precision", "recall", "boundary_f1"} <= {*rows}
    assert rows["train_loss"].iloc[-1] < rows["train_loss"].iloc[0]
    assert rows["train_seconds"].is_monotonic_increasing


def test_the_same_seed_gives_the_same_curve():
    first, second, other = (curve(seed)[["train_loss", "dice"]] for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(other)


# --- remedies.py -------------------------------------------------------------------------------------------


def test_faded_grooves_are_shallower_and_the_wall_stays():
    torch.manual_seed(0)
    mask = torch.zeros(1, 36, 36)
    mask[:, :, 10:15] = 1
    image, shares = -0.05 * mask, []
    for _ in range(200):
        faded, same = FadeGrooves()(tv_tensors.Image(image), tv_tensors.Mask(mask))
        assert torch.equal(same, mask) and (faded[:, :, :9] == 0).all()
        shares.append(1 - (faded[0, 18, 12] / image[0, 18, 12]).item())
    assert np.mean(np.isclose(shares, 0)) == pytest.approx(0.5, abs=0.1)
    assert -1e-6 <= min(shares) and 0.6 < max(shares) <= 0.7


# --- the record of final_test.py ---------------------------------------------------------------------------

QUESTION = {"candidates": {"defaults": {"dropout": 0.1}, "tuned": {"dropout": 0.3}}, "seeds": [0, 1]}
OTHER = QUESTION | {"seeds": [0, 1, 2]}


@pytest.fixture
def record(tmp_path):
    return tmp_path / "test_wells.csv"


def test_a_question_is_written_down(record, capsys):
    final_test.ask(record, QUESTION, "")
    (row,) = final_test.read_record(record).to_dict("records")
    assert (row["evaluation"], row["times_opened"], row["scores"]) == (1, 1, "")
    assert '"dropout": 0.3' in row["question"]
    assert capsys.readouterr().out == "Test wells 2, 4, 5, 15 opened; questions so far: 1.\n"


def test_a_second_question_is_refused_without_a_reason(record):
    final_test.ask(record, QUESTION, "")
    final_test.answer(record, QUESTION, "Dice 0.7")
    before = record.read_bytes()
    with pytest.raises(DataError, match=r"answered 1 other question.*Dice 0\.7.*give a reason"):
        final_test.ask(record, OTHER, "")
    assert record.read_bytes() == before


def test_a_second_question_with_a_reason_is_counted_and_each_has_its_answer(record):
    final_test.ask(record, QUESTION, "")
    final_test.ask(record, OTHER, "a reviewer asked for three seeds")
    final_test.answer(record, QUESTION, "Dice 0.7")
    table = final_test.read_record(record)
    assert list(table["evaluation"]) == [1, 2] and list(table["scores"]) == ["Dice 0.7", ""]
    assert list(table["reason"]) == ["", "a reviewer asked for three seeds"]


def test_the_same_question_again_is_the_same_evaluation(record):
    final_test.ask(record, QUESTION, "")
    final_test.ask(record, dict(reversed(QUESTION.items())), "")
    assert final_test.read_record(record)["times_opened"].tolist() == [2]


@pytest.mark.parametrize("text", ["", "seed,dice\n0,0.5\n"])
def test_a_file_that_is_no_record_is_named_and_kept(record, text):
    record.write_text(text)
    with pytest.raises(DataError, match=r"test_wells\.csv: expected a record"):
        final_test.ask(record, QUESTION, "")
    assert record.read_text() == text
