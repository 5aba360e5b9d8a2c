"""Devices to compute on, and the precision that is fast there."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Shaped

from infomax.errors import InfoMaxError
from infomax.progress import progress_bar

if TYPE_CHECKING:  # torch takes seconds to load: only what computes with it pays for that
    import torch
    from torch import Tensor


def choose_device(name: str = "auto") -> "torch.device":
    """Choose the device to compute on.

    Args:
        name: "auto", "cpu" or "cuda". "auto" means the GPU if there is one.

    Returns:
        The device.

    Raises:
        InfoMaxError: The name is unknown, or the name is "cuda" and there is no GPU.

    Examples:
        >>> choose_device("cpu")
        device(type='cpu')

    """
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise InfoMaxError(f"unknown device '{name}': use auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InfoMaxError("device cuda: no usable NVIDIA GPU was found; use --device cpu, or a CUDA build of PyTorch")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def embedding_batch_size(device: "torch.device") -> int:
    """Batch size for embedding. On a CPU the feature maps fit into its caches; on a GPU the batch keeps it busy.

    Args:
        device: Device to compute on.

    Returns:
        Number of images in a batch.

    """
    return 500 if device.type == "cuda" else 100


def batches_on(
    device: "torch.device", examples: Shaped[np.ndarray, "n ..."], doing: str, *, shown: bool
) -> "Iterator[Shaped[Tensor, 'b ...']]":
    """Copy a collection to a device, one batch at a time, in order.

    Args:
        device: Device to compute on.
        examples: What an encoder takes, one row an item: pixels of images, say.
        doing: What the progress bar says, for example "embedding".
        shown: Whether to draw the progress bar.

    Yields:
        Batches of `embedding_batch_size` images. The last batch may be smaller.

    """
    import torch

    at_once = embedding_batch_size(device)
    with progress_bar(doing, len(examples), shown=shown) as advance:
        for start in range(0, len(examples), at_once):
            batch = torch.from_numpy(np.array(examples[start : start + at_once])).to(device)
            yield batch
            advance(len(batch))


def bfloat16_is_fast(device: "torch.device") -> bool:
    """Whether matrix products are faster in bfloat16 than in float32: tensor cores, AVX-512 BF16 or AMX.

    Args:
        device: Device to compute on.

    Returns:
        True if the device has instructions for bfloat16.

    """
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return cpu_has("avx512_bf16") or cpu_has("amx_bf16")


def cpu_has(instructions: str) -> bool:
    """Whether the CPU has certain instructions.

    Args:
        instructions: Instruction set as `torch.cpu.get_capabilities` names it, for example "avx512_bf16".

    Returns:
        True if the CPU has them. False on PyTorch before 2.13, which has no way to ask.

    """
    import torch

    return hasattr(torch.cpu, "get_capabilities") and bool(torch.cpu.get_capabilities().get(instructions))


def autocast(device: "torch.device", *, enabled: bool = True) -> AbstractContextManager[object]:
    """Compute matrix products in bfloat16 if that is fast. torch keeps operations that need more digits in float32.

    Args:
        device: Device to compute on.
        enabled: False to compute everything in float32.

    Returns:
        A context manager for the block to speed up.

    """
    import torch

    return torch.autocast(device.type, torch.bfloat16) if enabled and bfloat16_is_fast(device) else nullcontext()


def cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
