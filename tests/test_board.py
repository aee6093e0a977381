from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from stripes import loader, new_run, read_scalars, stripes
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from helpers.plots import draw_patches
from helpers.training import evaluate, fit
from helpers.training.board import Board
from helpers.training.runs import resume_run, save_last, start_run

FINAL = ("val_loss", "val_dice", "val_mean_iou")


def test_tensorboard_gets_pictures_graph_and_hyperparameters(config):
    run = new_run(config, picture_every=2)
    fit(run, loader(), loader(), epochs=3)
    events = EventAccumulator(str(run.folder)).Reload()
    assert [event.step for event in events.Images("Validation patches")] == [2, 3]
    assert events.Tags()["graph"]
    assert "_hparams_/session_start_info" in events.PluginTagToContent("hparams")
    last = {name: events.Scalars(f"Validation, final/{name}")[-1] for name in ("loss", "epoch")}
    assert last["loss"].value == pytest.approx(run.history[-1]["val_loss"])
    fit(run, loader(), loader(), epochs=1)
    events.Reload()
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert "epoch" not in HParamsPluginData.FromString(content).session_start_info.hparams  # the first call's
    assert events.Scalars("Validation, final/epoch")[-1].value == 4


def test_pictures_show_patches_with_grooves_in_the_files_units_and_what_is_found(config):
    """By a network that finds what is below -1, but for dropout, which is off."""
    config, (images, masks) = replace(config, value_mean=0.01, value_std=0.05, threshold=0.6), stripes(5)
    masks[0] = masks[3] = 0
    masks[1, 0, 0, :9] = torch.nan
    network = nn.Sequential(nn.Dropout(0.9), nn.Conv2d(1, 1, 1))
    network[1].weight.data[:], network[1].bias.data[:] = -1, -1
    run = start_run(network, config)
    run.history, run.last_epoch, run.best_val_loss = [dict.fromkeys(FINAL, 0.5) | {"epoch": 1}], 1, 0.25
    with Board(run) as board, patch("helpers.plots.draw_patches", wraps=draw_patches) as draw:
        board.log_pictures(run, DataLoader(TensorDataset(images, masks), 2))
        board.log_hyperparameters(run)
    shown, _, labels, found = (np.array(part) for part in draw.call_args.args)
    np.testing.assert_allclose(shown, 0.05 * images[[1, 2, 4], 0] + 0.01, rtol=1e-5)
    np.testing.assert_array_equal(labels, masks[[1, 2, 4], 0].nan_to_num())
    np.testing.assert_array_equal(found, (-images[[1, 2, 4], 0] - 1).sigmoid() >= 0.6)
    events = EventAccumulator(str(run.folder)).Reload()
    assert events.Scalars("Validation, final/best_loss")[-1].value == 0.25


def test_tensorboard_gets_what_the_history_has_after_each_epoch(config):
    run, logged = new_run(config), []

    def look(*arguments):
        if run.history:
            scalars = read_scalars(run.folder)
            assert scalars.notna().all(axis=None)
            logged.append(len(scalars))
        return evaluate(*arguments)

    with patch("helpers.training.loop.evaluate", side_effect=look):
        fit(run, loader(8), loader(8), epochs=2)
        history = fit(run, loader(8), loader(8), epochs=1)
    assert logged == [1, 2]
    scalars = read_scalars(run.folder)
    assert list(scalars.index) == [1, 2, 3]
    for column in scalars:
        assert scalars[column].tolist() == pytest.approx(history[column].tolist(), rel=1e-6)


def test_after_a_kill_each_curve_has_each_step_once(config):
    """The killed process had logged its third epoch, but not yet saved it."""
    run = new_run(config)

    def killed(run):
        if len(run.history) == 3:
            raise KeyboardInterrupt
        save_last(run)

    with patch("helpers.training.loop.save_last", side_effect=killed), pytest.raises(KeyboardInterrupt):
        fit(run, loader(8), loader(8), epochs=4)
    fit(resume_run(run.folder), loader(8), loader(8))
    shown = set()
    for folder in ("", "Training", "Validation"):
        events = EventAccumulator(str(run.folder / folder)).Reload()
        for tag in events.Tags()["scalars"]:
            if "final/" not in tag:
                assert [event.step for event in events.Scalars(tag)] == [1, 2, 3, 4], (folder, tag)
            shown.add(tag)
    first = ["Training vs. Validation Loss", "Validation Dice", "Validation mean IoU"]
    assert sorted(shown, key=str.lower)[:3] == first  # loss and scores come before the rest
