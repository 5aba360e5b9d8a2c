"""A small vision transformer."""

from typing import final

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from infomax.errors import InfoMaxError
from infomax.representation.encoders.representation import (
    CodeHead,
    Encoder,
    Grid,
    Representation,
    flatten_positions,
    standardize_pixels,
)

_WIDTH = 192


@final
class VisionTransformer(Encoder):
    """A small ViT (Dosovitskiy et al. 2020, arXiv 2010.11929) whose tokens are the positions and make the code.

    Fixed sines and cosines encode the position, and the mean of the tokens replaces the class token (Beyer et al. 2022,
    arXiv 2205.01580). Images can therefore have any side that is a multiple of `patch_size`; `forward` raises
    InfoMaxError for other sides.

    Args:
        patch_size: Side of the square patch of a token, in pixels.
        width: Channels of a token; a multiple of 4 and of `n_heads`.
        depth: Number of blocks.
        n_heads: Attention heads of each block.
        dim: d, the dimensions of the code.
        stochastic: Whether the code has a variance.

    Raises:
        InfoMaxError: If `width` is not a multiple of 4 and of `n_heads`.

    """

    def __init__(
        self,
        patch_size: int = 4,
        width: int = _WIDTH,
        depth: int = 6,
        n_heads: int = 3,
        dim: int = 256,
        *,
        stochastic: bool = False,
    ) -> None:
        super().__init__()
        if width % n_heads or width % 4:
            raise InfoMaxError(
                f"width {width} of a transformer with {n_heads} heads: use a multiple of {n_heads} and of 4"
            )
        self.patch_size, self.channels, self.dim = patch_size, self.channels_of(width), dim
        self.embed = nn.Conv2d(3, width, patch_size, patch_size)
        self.blocks = nn.Sequential(*(_Block(width, n_heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.code = CodeHead(width, dim, stochastic=stochastic)

    @staticmethod
    def channels_of(width: int = _WIDTH) -> int:
        """Return the channels of the feature map of an encoder with these settings, without building it.

        Args:
            width: As for the class.

        Returns:
            c, the channels of the feature at each position.

        """
        return width

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """Represent images with values 0..255."""
        if any(side % self.patch_size for side in images.shape[1:3]):
            raise InfoMaxError(f"images of {tuple(images.shape[1:3])} px: use a multiple of {self.patch_size}")
        tokens, grid = flatten_positions(self.embed(standardize_pixels(images, self.norm.weight)))
        local: Tensor = self.norm(self.blocks(tokens + _position_encoding(grid, self.channels, tokens.device)))
        mean, log_var = self.code(local.mean(1))
        return Representation(local, mean, log_var, grid)


@final
class _Block(nn.Module):
    """Attention and an MLP, each after a layer norm and with a shortcut."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Float[Tensor, "n t c"]) -> Float[Tensor, "n t c"]:
        n, tokens, width = x.shape
        split = self.queries_keys_values(self.norm(x)).view(n, tokens, 3, self.n_heads, width // self.n_heads)
        attended = scaled_dot_product_attention(*split.permute(2, 0, 3, 1, 4).unbind(0))
        x = x + self.out(attended.transpose(1, 2).reshape(n, tokens, width))
        out: Tensor = x + self.narrow(gelu(self.widen(self.norm2(x))))
        return out


def _position_encoding(grid: Grid, width: int, device: torch.device) -> Float[Tensor, "positions c"]:
    """Return sines and cosines of row and column at width / 4 frequencies each, from 1 down to 1e-4 a step."""
    frequencies = torch.logspace(0, -4, width // 4, device=device)
    angles = [torch.arange(side, device=device).unsqueeze(1) * frequencies for side in grid]
    rows, columns = (torch.cat([each.sin(), each.cos()], 1) for each in angles)
    return torch.cat([rows.repeat_interleave(grid[1], 0), columns.repeat(grid[0], 1)], 1)
