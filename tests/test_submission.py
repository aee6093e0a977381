import sys
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from common import run_from_command_line
from predict import main
from torch import nn

from helpers.config import Config
from helpers.data import COLUMNS, read_labels
from helpers.data.wells import well_from_frame, wells_of
from helpers.files import DataError
from helpers.training.checkpoint import load_model
from helpers.training.runs import save_best, start_run
from helpers.whole_wells.prediction import WEIGHTS, groove_mask, predict_well
from helpers.whole_wells.submission import predict_folder


class BelowMinusOne(nn.Module):
    """Finds what lies under -1 in the network's scale, -0.02 in the files' units."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(-1.0))

    def forward(self, images):
        return self.scale * (images + 1)


@pytest.fixture
def folder(tmp_path):
    """Patches 0 to 3 of well 4: a groove in column p of patch p, then damage in three of them."""
    patches = np.random.default_rng(0).uniform(0, 0.02, (4, 36, 36))
    for number in range(4):
        patches[number, :, number] = -0.05
    patches[1, 0, 10] = patches[3] = np.nan
    patches[2, 10:30], patches[2, 30:] = -999.25, 999.25
    return save_patches(tmp_path / "images", 4, patches)


def save_patches(folder, well: int, patches):
    folder.mkdir(exist_ok=True)
    for number, pixels in enumerate(patches):
        np.save(folder / f"well_{well}_patch_{number}.npy", pixels.astype(np.float32))
    return folder


def test_every_patch_gets_a_mask_and_what_was_repaired_is_reported(folder):
    masks, report = predict_folder(BelowMinusOne(), Config(), folder)
    assert list(masks.index) == [f"well_4_patch_{number}" for number in range(4)]
    assert list(masks.columns) == COLUMNS and masks.dtypes.eq(np.uint8).all()
    columns = masks.to_numpy().reshape(-1, 36, 36)
    assert (columns[0, :, 0] == 1).all() and columns[0].sum() == 36
    assert (columns[1, :, 1] == 1).all() and columns[1].sum() == 36
    assert (columns[2, :10, 2] == 1).all() and columns[2].sum() == 10
    assert columns[3].sum() == 0
    assert report["done"].to_dict() == {
        "well_4_patch_1": "repaired",
        "well_4_patch_2": "judged by what is left",
        "well_4_patch_3": "empty mask: no usable pixel",
    }
    assert report["missing"].tolist() == [1, 0, 1296]
    assert report["below"].tolist() == [0, 20 * 36, 0]
    assert report["above"].tolist() == [0, 6 * 36, 0]
    everywhere = BelowMinusOne()
    everywhere.scale.data[()] = 0  # a probability of 0.5
    masks, report = predict_folder(everywhere, Config(ruined_pixels=26 * 36), folder)
    assert masks.sum(axis=1).tolist() == [1296] * 3 + [0]
    assert report.loc["well_4_patch_2", "done"] == "judged by what is left"


HEADERS = ["", ",0,1\n", "ID,a,b\n", '"","0","1"\n', "\ufeff,0,1\n", "\n"]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("row", ["{},0,1\n", '"{}","0","1"\r\n', "{}\n"])
def test_an_example_gives_the_order_and_loses_no_patch_with_or_without_a_header(folder, header, row):
    example = folder / "y_example.csv"
    names = ["well_4_patch_2", "well_4_patch_0", "well_4_patch_1"]
    example.write_text(header + "".join(row.format(name) for name in names), "utf-8", newline="")
    masks, _ = predict_folder(BelowMinusOne(), Config(), folder, example)
    assert list(masks.index) == names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"y_example\.csv: expected a CSV"),
        (",0,1\n", r"y_example\.csv: .*at least one patch, found none"),
        ("n\nwell_4_patch_0\nwell_4_patch_0\n", r"y_example\.csv: .*twice"),
        ("n\nwell_4_patch_0\ntotal\n", r"y_example\.csv: 'total' is not a patch name"),
        ("well_4_patch_x\nwell_4_patch_0\n", r"y_example\.csv: 'well_4_patch_x' is not a patch name"),
        (",0,1\nwell_4_patch_9,0,1\n", r"(?i)well_4_patch_9\.npy: .*no such file"),
    ],
)
def test_an_example_that_is_none_is_named(folder, text, said):
    example = folder / "y_example.csv"
    example.write_text(text)
    with pytest.raises(DataError, match=said):
        predict_folder(BelowMinusOne(), Config(), folder, example)


def run_command(*arguments) -> None:
    with patch.object(sys, "argv", ["predict.py", *map(str, arguments)]):
        run_from_command_line(main)


def refusal_of(capsys, *arguments) -> str:
    """What the command says, in one line, before it ends."""
    with pytest.raises(SystemExit) as end:
        run_command(*arguments)
    said = capsys.readouterr().err
    assert end.value.code == 1 and said.count("\n") == 1
    return said


@pytest.fixture
def saved(config):
    """A model file of a network that was trained with another scale and threshold than the defaults."""
    torch.manual_seed(0)
    run = start_run(
        "unet", replace(config, value_mean=0.002, value_std=0.005, threshold=0.498, outlier_threshold=-0.04)
    )
    run.history = [{"epoch": 1, "val_loss": 1.0}]
    save_best(run)
    return run.best_path


def by_hand(model, folder, threshold):
    """The masks with the scale that the model was trained with."""
    masks = []
    for number in range(4):
        pixels = np.load(folder / f"well_4_patch_{number}.npy")
        usable = (pixels >= -0.04) & (pixels <= 0.5)
        pixels = np.where(usable, pixels, np.median(pixels[usable]) if usable.any() else 0)
        image = torch.from_numpy((pixels - 0.002) / 0.005).float()[None, None]
        with torch.inference_mode():
            masks.append((model(image).sigmoid() >= threshold).flatten().numpy() & usable.any())
    return np.array(masks, np.uint8)


def test_a_models_own_scale_and_thresholds_are_used_in_the_challenges_format(saved, folder, tmp_path, capsys):
    model, config = load_model(saved)
    expected = by_hand(model, folder, 0.498)
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(predict_folder(model, config, folder)[0], expected)
    assert (predict_folder(model, Config(), folder)[0].to_numpy() != expected).any()  # by the defaults
    out = tmp_path / "y_test.csv"
    run_command(folder, out, "--model", saved)
    np.testing.assert_array_equal(read_labels(out), expected)
    assert list(read_labels(out).index) == [f"well_4_patch_{number}" for number in range(4)]
    assert out.read_text().startswith(",0,1,2,")
    assert "4 patches" in capsys.readouterr().out
    run_command(folder, out, "--model", saved, "--threshold", 0.503)  # one may be given
    np.testing.assert_array_equal(read_labels(out), by_hand(model, folder, 0.503))
    assert (by_hand(model, folder, 0.503) != expected).any()


def test_an_impossible_threshold_is_refused(saved, folder, tmp_path, capsys):
    for threshold in ("1.5", "-0.1", "nan"):
        with pytest.raises(SystemExit):
            run_command(folder, tmp_path / "y.csv", "--model", saved, f"--threshold={threshold}")
        assert "--threshold: expected a number between 0 and 1" in capsys.readouterr().err


def test_the_output_path_is_tried_before_anything_is_predicted(saved, folder, tmp_path, capsys):
    with patch("predict.predict_folder", side_effect=AssertionError("predicted")):
        assert f"{tmp_path.name}: " in refusal_of(capsys, folder, tmp_path, "--model", saved)


def test_a_trial_leaves_an_old_result_alone(saved, tmp_path, capsys):
    out = tmp_path / "y.csv"
    out.write_text("old")
    assert "nowhere: expected a folder" in refusal_of(capsys, tmp_path / "nowhere", out, "--model", saved)
    assert "no.pt: there is no such file" in refusal_of(capsys, tmp_path, out, "--model", tmp_path / "no.pt")
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_images_in_other_units_are_told(folder):
    with pytest.warns(UserWarning, match="found well 4 "):
        for path in folder.glob("*.npy"):
            np.save(path, np.load(path) * 0)
        predict_folder(BelowMinusOne(), Config(), folder)


def test_a_whole_well_is_searched_as_in_a_report(tmp_path, simulated):
    """Pixels without a measurement are masked, not repaired patch by patch. The challenge numbers its test
    wells anew: this one of 36 columns goes under the number of a training well of 72."""
    images = simulated[0][wells_of(simulated[0]) == 13].iloc[:20].copy()
    images.iloc[4:12, 400:1000] = -999.25
    save_patches(tmp_path / "images", 5, images.to_numpy().reshape(-1, 36, 36))
    run_command(tmp_path / "images", tmp_path / "y.csv")
    model, config = load_model(WEIGHTS)
    expected = groove_mask(predict_well(model, well_from_frame(images, 13), config=config), config)
    found = read_labels(tmp_path / "y.csv").to_numpy()
    np.testing.assert_array_equal(found.reshape(-1, 36), expected)


def test_the_width_of_a_well_of_one_pair_is_asked_for(tmp_path, simulated, capsys):
    images = simulated[0].loc[["well_1_patch_0", "well_1_patch_1"]].to_numpy().reshape(-1, 36, 36)
    save_patches(tmp_path / "images", 1, images)
    said = refusal_of(capsys, tmp_path / "images", tmp_path / "y.csv")
    assert "Well 1: its 2 patches do not tell" in said and not (tmp_path / "y.csv").exists()
    run_command(tmp_path / "images", tmp_path / "y.csv", "--columns", 72)
    assert len(read_labels(tmp_path / "y.csv")) == 2
