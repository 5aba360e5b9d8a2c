"""Where to compute, and how precisely."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from infomax.errors import InfoMaxError
from infomax.progress import progress_bar


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; `auto` takes the GPU where there is one.

    Raises InfoMaxError for a name that is none of auto, cpu, cuda, and for cuda without a GPU.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InfoMaxError(f"unknown device '{name}': use auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InfoMaxError("device cuda: no usable NVIDIA GPU was found; use --device cpu, or a CUDA build of PyTorch")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def embedding_batch_size(device: torch.device) -> int:
    """How many to embed: few enough for a CPU's caches to hold their feature maps, enough to keep a GPU busy."""
    return 500 if device.type == "cuda" else 100


def batches_on(
    device: torch.device, pixels: UInt8[np.ndarray, "n h w 3"], doing: str, *, shown: bool
) -> Iterator[UInt8[Tensor, "b h w 3"]]:
    """A collection on the device, in order, as many images at once as are embedded well; a bar says `doing`."""
    at_once = embedding_batch_size(device)
    with progress_bar(doing, len(pixels), shown=shown) as advance:
        for start in range(0, len(pixels), at_once):
            batch = torch.from_numpy(np.array(pixels[start : start + at_once])).to(device)
            yield batch
            advance(len(batch))


def bfloat16_is_fast(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are faster than in float32 there: tensor cores, AVX-512 BF16 or AMX."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return cpu_has("avx512_bf16") or cpu_has("amx_bf16")


def cpu_has(instructions: str) -> bool:
    """Whether the CPU has these instructions, by torch's name; False for a PyTorch before 2.13, which cannot say."""
    return hasattr(torch.cpu, "get_capabilities") and bool(torch.cpu.get_capabilities().get(instructions))


def autocast(device: torch.device, *, enabled: bool = True) -> AbstractContextManager[object]:
    """Matrix products in bfloat16 where that pays; everything that needs more digits stays in float32."""
    return torch.autocast(device.type, torch.bfloat16) if enabled and bfloat16_is_fast(device) else nullcontext()


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
