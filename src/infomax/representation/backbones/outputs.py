"""Features of an image from the output of any net: class token beside mean patch token, or the mean position."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from infomax.errors import InfoMaxError
from infomax.representation.encoders.representation import Grid, flatten_positions


class Features(NamedTuple):
    """What a frozen net says of images.

    Attributes:
        summary: Of the whole: the class token beside the mean patch token, or the mean position of the last map.
        local: Of each position, row by row.
        grid: (rows, columns) of the positions.

    """

    summary: Float[Tensor, "n d"]
    local: Float[Tensor, "n positions c"]
    grid: Grid


def features_of(output: Any, prefix_tokens: int = 0) -> Features:
    """Read the output of a net.

    Args:
        output: A feature map (n, c, h, w), tokens (n, tokens, c), vectors (n, d); or what holds one of them: a mapping
            or an object with `last_hidden_state`, or a sequence whose first is meant.
        prefix_tokens: Tokens before those of the patches, the class token first. Others of them, such as registers,
            are left out.

    Returns:
        The features, in float32.

    Raises:
        InfoMaxError: The output is none of these.

    """
    tensor = _main_tensor(output)
    if tensor is None or tensor.ndim not in (2, 3, 4) or not tensor.is_floating_point():
        what = f"shape {tuple(tensor.shape)}" if isinstance(tensor, Tensor) else type(output).__name__
        raise InfoMaxError(f"the backbone gives {what}: use a net that gives a feature map, tokens or vectors")
    tensor = tensor.float()
    if tensor.ndim == 2:
        return Features(tensor, tensor.unsqueeze(1), (1, 1))
    if tensor.ndim == 4:
        local, grid = flatten_positions(tensor)
        return Features(local.mean(1), local, grid)
    patches = tensor[:, prefix_tokens:]
    if not patches.shape[1]:
        raise InfoMaxError(f"the backbone gives {tensor.shape[1]} tokens, none of them of a patch: use another net")
    mean = patches.mean(1)
    summary = torch.cat([tensor[:, 0], mean], 1) if prefix_tokens else mean
    return Features(summary, patches, _grid_of(patches.shape[1]))


def _main_tensor(output: Any) -> Tensor | None:
    """The feature map, tokens or vectors within an output."""
    if isinstance(output, Tensor):
        return output
    hidden = getattr(output, "last_hidden_state", None)
    if hidden is None and isinstance(output, Mapping):
        hidden = output.get("last_hidden_state", next(iter(output.values()), None))
    if hidden is None and isinstance(output, list | tuple) and output:
        hidden = output[0]
    return hidden if isinstance(hidden, Tensor) else None


def _grid_of(tokens: int) -> Grid:
    """Arrange tokens in the squarest grid that they fill."""
    rows = next(each for each in range(math.isqrt(tokens), 0, -1) if tokens % each == 0)
    return rows, tokens // rows
