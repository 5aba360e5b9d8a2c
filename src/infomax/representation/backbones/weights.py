"""Files of weights, read without running anything that is in them.

A pickle can hold any program. So safetensors are read as such, and every other file by torch's own unpickler of tensors
alone (`weights_only`). A hash that the user knows is compared before a byte is interpreted.
"""

import io
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from infomax.errors import InfoMaxError
from infomax.paths import expand_home, quoted_path

_WRAPPERS = ("state_dict", "model", "model_state_dict", "teacher")
"""Keys under which training scripts put the weights among other things."""


class WeightFile(NamedTuple):
    """The content of a file of weights.

    Attributes:
        tensors: The tensors by name, on the CPU.
        sha256: Digest of the file, 64 hexadecimal digits.

    """

    tensors: dict[str, Tensor]
    sha256: str


def read_content(file: str | Path, expected: str = "") -> tuple[bytes, str]:
    """Read a file whole and check its hash.

    Args:
        file: The file.
        expected: Its SHA-256 in hexadecimal digits, or the beginning of it; "" where it is not known.

    Returns:
        The content, and its SHA-256.

    Raises:
        InfoMaxError: There is no such file, or it has another hash.

    """
    path = expand_home(file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InfoMaxError(f"weights {quoted_path(path)}: {error.strerror}: give a file of weights") from None
    digest = sha256(content).hexdigest()
    if not digest.startswith(expected.lower()):
        raise InfoMaxError(
            f"weights {quoted_path(path)} have the SHA-256 {digest}, not {expected}: "
            "the file is damaged or another one; get it again"
        )
    return content, digest


def read_weights(file: str | Path, expected: str = "") -> WeightFile:
    """Read the tensors of a file: safetensors, or what torch.save wrote of tensors alone.

    Args:
        file: The file.
        expected: Its SHA-256 in hexadecimal digits, or the beginning of it; "" where it is not known.

    Returns:
        The tensors and the digest.

    Raises:
        InfoMaxError: There is no such file, it has another hash, it is damaged, or it holds more than tensors.

    """
    content, digest = read_content(file, expected)
    where = quoted_path(file)
    if Path(file).suffix == ".safetensors":
        try:
            return WeightFile(safetensors.torch.load(content), digest)
        except safetensors.SafetensorError as error:
            raise InfoMaxError(f"weights {where} are damaged ({error}): get the file again") from None
    try:
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file, none of them of its own
        if "weights_only" in str(error).lower() or "unsupported" in str(error).lower():
            raise InfoMaxError(
                f"weights {where} hold more than tensors, and nothing of it was run: save the state dict alone, "
                "best as safetensors"
            ) from None
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InfoMaxError(f"weights {where} are damaged ({reason}): get the file again") from None
    return WeightFile(_tensors(loaded, where), digest)


def _tensors(loaded: Any, where: str) -> dict[str, Tensor]:
    """The weights within what a training script has saved, without the prefix of a data-parallel wrapper."""
    for name in _WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(name), Mapping):
            loaded = loaded[name]
    if not isinstance(loaded, Mapping) or not loaded or not all(isinstance(each, Tensor) for each in loaded.values()):
        raise InfoMaxError(f"weights {where} are no tensors by name: save the state dict of the net alone")
    return {str(name).removeprefix("module."): tensor for name, tensor in loaded.items()}
