"""Where a training runs: on which device, in which precision, in one process or in several.

Several are what torchrun starts, for example `torchrun --standalone --nproc_per_node 2
experiments/train.py`. Each has its own copy of the model, and torch.distributed averages their gradients.
"""

import os

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def best_device() -> torch.device:
    """This process's GPU, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


def precision_on(device: torch.device, wanted: str = "auto") -> torch.dtype:
    """The numbers that a training calculates in.

    Parameters
    ----------
    wanted : a name in `PRECISIONS`, or "auto": on a GPU bfloat16 where it can (compute capability 8.0 or
        more), else float16, as on a T4; on a CPU float32.

    Raises
    ------
    ValueError : no such precision.
    """
    if wanted != "auto":
        if wanted not in PRECISIONS:
            raise ValueError(
                f'Expected a precision of "auto" or one of {list(PRECISIONS)}, found {wanted!r}.'
            )
        return PRECISIONS[wanted]
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16


def join_processes() -> None:
    """Meet the other processes that torchrun started; without torchrun there are none."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or dist.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(best_device())
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")


def process_count() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def process_rank() -> int:
    """0 for the first process, which alone evaluates and writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def gather(value: object) -> list:
    """The values of all processes, in the order of their ranks."""
    if process_count() == 1:
        return [value]
    values = [None] * process_count()
    dist.all_gather_object(values, value)
    return values


def from_first(value: object) -> object:
    """What the first process has here; the others' values are ignored."""
    values = [value]
    if process_count() > 1:
        dist.broadcast_object_list(values)
    return values[0]


def share_among_processes(model: nn.Module) -> nn.Module:
    """The model as all processes train it: their gradients are averaged in each backward pass.

    In one process it is the model itself.
    """
    if process_count() == 1:
        return model
    device = next(model.parameters()).device
    return DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)
