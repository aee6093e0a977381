"""Hugging Face's accelerate, set up once a process: CPU, GPU, or several processes."""

from functools import cache

import torch
from accelerate import Accelerator


@cache
def engine() -> Accelerator:
    """This process's place among all that train together; made on first use.

    On a GPU it calculates in bfloat16 where the GPU can, else in float16 with scaled gradients; on a CPU in
    float32.
    """
    if not torch.cuda.is_available():
        return Accelerator()
    return Accelerator(mixed_precision="bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp16")
