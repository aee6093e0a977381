"""Draws: what is learned from, what judges, how differences are told, and each study on a few patches."""

from dataclasses import replace
from importlib import import_module
from itertools import product

import common
import numpy as np
import pandas as pd
import pretrain
import pytest
import torch
from scipy.stats import ttest_rel
from small_wells import small_wells
from torch import nn

from experiments import draws
from experiments.draws import Draw, differences, hold_out, leave_out, simulate_draw, train_on, well_folds
from helpers.config import Config
from helpers.data import COLUMNS, DataSource
from helpers.data.dataset import SegmentationDataset
from helpers.data.transforms import normalize
from helpers.data.wells import parse_name, patch_name, wells_of
from helpers.files import DataError
from helpers.training import fit
from helpers.training.runs import start_run


@pytest.fixture(scope="module")
def wells() -> tuple[pd.DataFrame, pd.DataFrame]:
    return small_wells()


@pytest.fixture(scope="module")
def tiny() -> Draw:
    return simulate_draw(3, learn=6, judged=2, rows=144)


def test_a_draw_has_its_own_wells_to_learn_from_and_other_wells_whose_truth_judges(tiny):
    assert set(wells_of(tiny.y)) == set(range(1000, 1006)) and set(wells_of(tiny.judge)) == {1006, 1007}
    assert not tiny.y.equals(tiny.clean) and tiny.images.index.equals(tiny.clean.index)
    again, other = (simulate_draw(number, learn=6, judged=2, rows=144) for number in (3, 4))
    pd.testing.assert_frame_equal(again.images, tiny.images)
    pd.testing.assert_frame_equal(again.judge, tiny.judge)
    assert not other.images.equals(tiny.images) and tiny.config.seed == 3
    perfect = torch.from_numpy(tiny.judge.to_numpy(bool)).view(-1, 1, 36, 36)
    assert tiny.score(perfect) == {"dice": 1.0, "mean_iou": 1.0}


def test_a_fold_is_judged_by_its_wells_but_the_ruined_patches_and_learns_from_no_test_well(wells):
    y, images = wells[0], wells[1].copy()
    images.loc[patch_name(7, 0), : COLUMNS[Config().ruined_pixels]] = np.nan
    draw = leave_out(2, (7, 9), y, images, truth=1 - y)
    assert patch_name(7, 0) not in draw.judge.index and patch_name(7, 1) in draw.judge.index
    assert set(wells_of(draw.judge)) == {7, 9}
    assert set(wells_of(draw.y)) == set(Config().train_wells + Config().val_wells) - {7, 9}
    pd.testing.assert_frame_equal(draw.judge, 1 - y.loc[draw.judge.index])
    assert list(draw.judged.names) == list(draw.judge.index)


def test_wells_to_learn_from_are_cleaned_by_themselves(wells):
    """A patch that judges is changed beyond recognition: what is trained on stays the same."""
    y, images = wells
    strange = images.copy()
    strange.loc[patch_name(7, 0)] = 0.3
    cleaned = (leave_out(0, (7,), y, frame).cleaned for frame in (images, strange))
    for first, second in zip(*cleaned, strict=True):
        pd.testing.assert_frame_equal(first, second)


def test_folds_share_out_the_wells_that_are_named_in_equal_sizes(wells):
    sizes = {1: 166, 2: 616, 3: 1774, 6: 964, 7: 1654, 8: 78, 9: 166, 10: 80, 11: 1512, 12: 44, 13: 1905}
    y = pd.DataFrame({0: 1}, [patch_name(well, n) for well, count in sizes.items() for n in range(count)])
    y.loc[[name for name in y.index if name.startswith(("well_9_", "well_10_"))]] = 0
    folds = well_folds(y)
    assert sorted(sum(folds, ())) == sorted(set(sizes) - {2})
    counts = [sum(sizes[well] for well in fold) for fold in folds]
    assert max(counts) < 1.6 * min(counts)
    assert all(9 not in fold or 10 not in fold for fold in folds)
    assert well_folds(wells[0], 2, wells=(1, 3)) == [(1,), (3,)]
    with pytest.raises(DataError, match="10 folds need as many wells with a groove"):
        well_folds(wells[0], 10)


@pytest.mark.parametrize(("by", "most"), [("patch", 2), ("pair", 1), ("wells", 1)])
def test_about_a_fifth_is_held_out_in_patches_pairs_or_whole_wells_with_a_groove(simulated, by, most):
    """A random split of patches tears pairs apart."""
    y = simulated[1] * (wells_of(simulated[1]) == 12)[:, None]  # the one well with a groove, a small one
    pairs = [(well, patch // 2) for well, patch in map(parse_name, y.index)]
    groups = wells_of(y) if by == "wells" else pairs
    for seed in range(5):
        chosen = hold_out(y, by, seed)
        assert 0.13 <= chosen.mean() <= 0.27 and y[chosen].to_numpy().any()
        assert pd.Series(chosen).groupby(pd.factorize(pd.Index(groups))[0]).nunique().max() == most
    with pytest.raises(ValueError, match=r"\[3\].*20%"):
        hold_out(y[wells_of(y) == 3], "wells", 0)


def test_a_study_trains_as_fit_does_by_its_seed(wells, tmp_path):
    """One recipe: the network of a study has the weights of a run of notebook 04 with the same settings."""
    striped = [frame[:32] for frame in wells]
    config = replace(Config(), runs_dir=tmp_path, seed=3)
    loader = draws.training_loader(*striped, config)
    run = start_run("unet", config, dropout=config.dropout)
    fit(run, loader, loader, epochs=2)
    same, other = (train_on(*striped, epochs=2, seed=seed) for seed in (3, 4))
    for mine, theirs in zip(same.parameters(), run.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert not torch.equal(same.head.weight, other.head.weight)


def test_masks_and_probabilities_are_predicted_in_the_order_of_the_patches(wells):
    model = nn.Conv2d(1, 1, 1)  # finds what lies under -0.02
    with torch.no_grad():
        model.weight.fill_(-1.0)
        model.bias.fill_(-1.0)  # in units of 0.02
    unseen = SegmentationDataset.from_frames(*wells, normalize())
    assert torch.equal(draws.predict_masks(model, unseen), unseen.images <= -0.02)
    forwards, backwards = (draws.probabilities_on(model, frame) for frame in (wells[1], wells[1][::-1]))
    pd.testing.assert_frame_equal(forwards, backwards.loc[forwards.index])


def test_a_difference_is_that_of_the_paired_t_test_over_draws_that_have_both():
    rng = np.random.default_rng(0)
    rows = pd.concat(
        pd.DataFrame({"draw": range(5), "variant": name, "dice": rng.normal(np.arange(5) / 10, 0.01) + gain})
        for name, gain in (("plain", 0.0), ("better", 0.05))
    ).iloc[:-1]
    (found,) = differences(rows, "plain").to_dict("records")
    pairs = rows.pivot(index="draw", columns="variant", values="dice").dropna()
    low, high = ttest_rel(pairs["better"], pairs["plain"]).confidence_interval()
    expected = {"difference": (low + high) / 2, "half-width": (high - low) / 2, "draws": 4}
    assert found == pytest.approx(expected)


# --- a study ------------------------------------------------------------------------------------------------


def run(monkeypatch, source, variants, *arguments) -> None:
    monkeypatch.setattr("sys.argv", ["study.py", *arguments])
    monkeypatch.setattr("torch.set_num_threads", lambda count: None)  # of the process, so of other tests
    monkeypatch.setattr(common, "find_data", lambda: source)
    common.run_study("text", "study.py", variants, than="a")


def test_a_study_has_twelve_draws_of_what_six_do_not_tell(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(common, "make_draw", lambda number, source: number)
    means, path = {"a": (0.5, 0.5), "b": (0.7, 0.7), "c": (0.5, 0.6)}, tmp_path / "mine.csv"
    variants = {name: lambda draw, epochs, d=dice: {"dice": d[draw % 2]} for name, dice in means.items()}
    source, output = DataSource(tmp_path, True, "labels"), ("--output", str(path))
    run(monkeypatch, source, variants, "--variants", "c", *output)  # nothing to compare with
    assert "no row of a" in capsys.readouterr().out and len(pd.read_csv(path)) == 6
    run(monkeypatch, source, variants, *output)
    run(monkeypatch, source, variants, "--draws", "8", "--variants", "b", *output)  # asked for by number
    assert pd.read_csv(path)["variant"].value_counts().to_dict() == {"a": 12, "c": 12, "b": 7}


@pytest.mark.parametrize("simulated", [True, False])
def test_a_study_has_a_row_for_each_draw_and_variant_and_makes_none_twice(
    simulated, wells, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(common, "simulate_draw", lambda number: simulate_draw(number, 3, 2, 72))
    monkeypatch.setattr(common, "load_data", lambda folder: wells)
    made = []

    def variant(gain):
        def scores(draw, epochs):
            made.append((draw.number, gain, epochs, set(wells_of(draw.judge))))
            return {"dice": draw.number / 10 + gain, "mean_iou": 0.5}

        return scores

    variants = {"a": variant(0.0), "b": variant(0.2)}
    source, path = DataSource(tmp_path, simulated, "the labels"), str(tmp_path / "study.csv")
    run(monkeypatch, source, variants, "--draws", "0", "1", "--variants", "a", "--output", path)
    run(monkeypatch, source, variants, "--draws", "0", "1", "--output", path)
    assert [one[:2] for one in made] == [(0, 0.0), (1, 0.0), (0, 0.2), (1, 0.2)]
    assert {one[2] for one in made} == {10 if simulated else 2}
    rows = pd.read_csv(path)
    assert len(rows) == 4 and set(rows["judge"]) == {"clean truth" if simulated else "the labels"}
    assert "b               0.2         0.0      2" in capsys.readouterr().out
    if not simulated:  # folds of the wells at hand, which share no well
        assert not made[0][3] & made[1][3] and max(made[0][3]) < 16


@pytest.mark.parametrize(
    ("study", "variant"),
    [
        ("augmentation", "all of R2.5"),
        ("labels", "suspects redrawn by the network"),
        ("leak", "split by patch"),
        ("losses", "junior_attention_unet, focal"),
        ("networks", "deit"),
        ("outliers", "isolation forest"),
        ("simulator", "specks, by grooves"),
        ("stopping", "5 epochs, mean of the last quarter"),
        ("whole_wells", "batch norm"),
        ("whole_wells", "shipped, averaged, by grooves"),
    ],
)
def test_every_study_scores_its_variants(study, variant, tiny, monkeypatch):
    for module, name in product((pretrain, import_module("simulator")), ("MORE_WELLS", "MORE_EPOCHS")):
        monkeypatch.setattr(module, name, 1, raising=False)
    monkeypatch.setattr("torch.set_num_threads", lambda count: None)
    scores = import_module(study).VARIANTS[variant](tiny, 1)
    assert {"dice", "mean_iou"} <= {*scores} and all(0 <= value <= 1 for value in scores.values())
