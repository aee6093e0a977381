from unittest.mock import patch

import pytest
from stripes import loader, new_run, read_scalars
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from helpers.training import evaluate, fit
from helpers.training.runs import resume_run, save_last


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
