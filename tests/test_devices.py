"""The ways of a GPU and of several processes, on whatever machine runs this.

No GPU is needed: torch's float16 autocast and its gradient scaler work on a CPU too, and they go through the
same code of ours.
"""

import os
import subprocess
import sys
from unittest.mock import patch

import pytest
import torch
from stripes import loader, new_run
from torch import nn

from helpers.config import PROJECT_ROOT
from helpers.losses import bce
from helpers.models import build_model
from helpers.training import fit, train_one_epoch
from helpers.training.runs import best_device, precision_on, resume_run


@pytest.mark.parametrize(
    ("capability", "precision"), [((9, 0), torch.bfloat16), ((8, 0), torch.bfloat16), ((7, 5), torch.float16)]
)
def test_a_gpu_calculates_in_the_short_numbers_that_it_knows_and_a_cpu_in_float32(capability, precision):
    with patch("torch.cuda.get_device_capability", return_value=capability):
        assert precision_on(torch.device("cuda")) == precision
    assert precision_on(torch.device("cpu")) == torch.float32
    assert precision_on(torch.device("cpu"), "float16") == torch.float16
    with patch("torch.cuda.is_available", return_value=True), patch.dict(os.environ, LOCAL_RANK="1"):
        assert best_device() == torch.device("cuda", 1)  # the second process's


def small(shuffle: bool = True):
    return loader(6, batch_size=2, shuffle=shuffle)


def weights(run) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in run.model.parameters()]


def test_float16_is_what_the_convolutions_calculate_in(config):
    run = new_run(config, precision="float16")
    seen = set()
    for module in run.model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, _, output: seen.add((module.training, output.dtype)))
    fit(run, small(), small(False), epochs=1)
    assert seen == {(True, torch.float16), (False, torch.float32)}  # training, and evaluation


def test_a_resumed_float16_run_goes_on_with_its_scale(config):
    run = new_run(config, precision="float16")
    run.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**9)
    fit(run, small(), small(False), epochs=1)
    resumed = resume_run(run.folder)
    assert resumed.scaler.state_dict() == run.scaler.state_dict() and resumed.scaler.get_scale() == 2**9


def test_an_infinite_gradient_is_skipped_and_the_scale_recovers(config):
    run = new_run(config, precision="float16")
    run.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**80, backoff_factor=2.0**-70, growth_interval=2)
    before = weights(run)
    arguments = run.model, loader(2, 2), run.loss_fn, run.optimizer
    options = {"clip_norm": 1.0, "precision": torch.float16, "scaler": run.scaler}
    train_one_epoch(*arguments, **options)  # one batch
    assert all(map(torch.equal, before, weights(run)))
    assert run.scaler.get_scale() == 2**10
    train_one_epoch(*arguments, **options)
    assert not any(map(torch.equal, before, weights(run)))
    train_one_epoch(*arguments, **options)
    assert run.scaler.get_scale() == 2**11
    assert all(torch.isfinite(parameter).all() for parameter in weights(run))


def test_gradients_are_clipped_by_their_true_length_whatever_the_scale(config):
    steps = []
    for scale in (1.0, 2.0**10):
        torch.manual_seed(0)
        model = build_model("unet", dropout=0.0)
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        before = nn.utils.parameters_to_vector(model.parameters()).detach().clone()
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        train_one_epoch(model, loader(2, 2), bce, optimizer, clip_norm=0.01, scaler=scaler)
        steps.append(nn.utils.parameters_to_vector(model.parameters()).detach() - before)
    assert [step.norm().item() for step in steps] == pytest.approx([0.01, 0.01], rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["unet", "junior_attention_unet"])  # which has weights without a gradient
def test_two_processes_train_as_one_model(model, tmp_path):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    script = [str(PROJECT_ROOT / "experiments" / "train.py"), "--epochs", "1", "--batch-size", "64"]
    done = subprocess.run(
        [*launch, *script, "--model", model, "--runs", str(tmp_path)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "CORROSEG_DATA": "simulated"},
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.iterdir()  # only the first process makes one
    run = resume_run(folder)
    assert len(run.history) == 1 and run.model_name == model
    assert f"Saved in {folder}" in done.stdout
