import sys
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from helpers.data import COLUMNS, read_labels
from helpers.files import DataError
from helpers.runs import save_best, start_run
from helpers.submission import main, predict_folder


class BelowMinusOne(nn.Module):
    """Finds what lies under -1 in the network's scale, -0.02 in the files' units."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(-1.0))

    def forward(self, images):
        return self.scale * (images + 1)


@pytest.fixture
def folder(tmp_path):
    """Patches 0 to 3 of well 4: a groove in column p of patch p, then damage in two of them."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        patch_ = np.full((36, 36), 0.01, np.float32)
        patch_[:, number] = -0.05
        if number == 1:
            patch_[0, 10] = np.nan
        if number == 2:
            patch_[10:] = -999.25
        if number == 3:
            patch_[:] = np.nan
        np.save(folder / f"well_4_patch_{number}.npy", patch_)
    return folder


def test_every_patch_gets_a_mask(folder):
    masks, _ = predict_folder(BelowMinusOne(), folder)
    assert list(masks.index) == [f"well_4_patch_{number}" for number in range(4)]
    assert list(masks.columns) == COLUMNS and masks.dtypes.eq(np.uint8).all()
    columns = masks.to_numpy().reshape(-1, 36, 36)
    assert (columns[0, :, 0] == 1).all() and columns[0].sum() == 36
    assert (columns[1, :, 1] == 1).all() and columns[1].sum() == 36
    assert (columns[2, :10, 2] == 1).all() and columns[2].sum() == 10
    assert columns[3].sum() == 0


def test_what_was_repaired_is_reported(folder):
    _, report = predict_folder(BelowMinusOne(), folder)
    assert report["done"].to_dict() == {
        "well_4_patch_1": "repaired",
        "well_4_patch_2": "judged by what is left",
        "well_4_patch_3": "empty mask: no usable pixel",
    }
    assert report["outliers"].tolist() == [0, 26 * 36, 0]


def test_the_order_is_the_examples(folder, tmp_path):
    example = tmp_path / "y_example.csv"
    names = ["well_4_patch_2", "well_4_patch_0"]
    pd.DataFrame(0, pd.Index(names), COLUMNS).to_csv(example)
    masks, _ = predict_folder(BelowMinusOne(), folder, example)
    assert list(masks.index) == names


def test_a_patch_of_the_example_that_is_not_there_is_named(folder, tmp_path):
    example = tmp_path / "y_example.csv"
    pd.DataFrame(0, pd.Index(["well_4_patch_9"]), COLUMNS).to_csv(example)
    with pytest.raises(DataError, match=r"well_4_patch_9\.npy: there is no such file"):
        predict_folder(BelowMinusOne(), folder, example)


@pytest.mark.parametrize(
    ("text", "said"), [("", "expected a CSV"), ("n\nwell_4_patch_0\nwell_4_patch_0\n", "twice")]
)
def test_an_example_that_is_none_is_named(folder, tmp_path, text, said):
    example = tmp_path / "y_example.csv"
    example.write_text(text)
    with pytest.raises(DataError, match=rf"y_example\.csv: .*{said}"):
        predict_folder(BelowMinusOne(), folder, example)


def test_the_command_writes_a_file_in_the_challenges_format(config, folder, tmp_path, capsys):
    run = start_run("unet", config)
    run.history = [{"epoch": 1, "val_loss": 1.0}]
    save_best(run)
    out = tmp_path / "y_test.csv"
    with patch.object(sys, "argv", ["submission", str(run.best_path), str(folder), str(out)]):
        main()
    assert list(read_labels(out).index) == [f"well_4_patch_{number}" for number in range(4)]
    assert out.read_text().startswith(",0,1,2,")
    assert "4 patches" in capsys.readouterr().out


def test_the_command_ends_with_one_clear_error(folder, tmp_path):
    arguments = ["submission", str(tmp_path / "no.pt"), str(folder), str(tmp_path / "y.csv")]
    with (
        patch.object(sys, "argv", arguments),
        pytest.raises(SystemExit, match=r"no\.pt: there is no such file"),
    ):
        main()
