"""A small vision transformer: attention, with the tokens as positions."""

from typing import final

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from infomax.errors import InfoMaxError
from infomax.representation.encoders.representation import Code, Encoder, Representation, planar, positions


@final
class _Block(nn.Module):
    """Attention, then an MLP, each after a layer norm and beside a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Float[Tensor, "n t c"]) -> Float[Tensor, "n t c"]:
        n, tokens, width = x.shape
        split = self.queries_keys_values(self.norm(x)).view(n, tokens, 3, self.heads, width // self.heads)
        seen = scaled_dot_product_attention(*split.permute(2, 0, 3, 1, 4).unbind(0))
        x = x + self.out(seen.transpose(1, 2).reshape(n, tokens, width))
        out: Tensor = x + self.narrow(gelu(self.widen(self.norm2(x))))
        return out


@final
class VisionTransformer(Encoder):
    """A small ViT (Dosovitskiy et al. 2020, arXiv 2010.11929) whose tokens are the positions and make the code.

    Places are told by fixed sines and cosines, and the mean of the tokens stands for a class token (Beyer et al. 2022,
    arXiv 2205.01580), so that any side will do that is a multiple of `patch`.

    Args:
        patch: side of a token's square, in pixels.
        width: channels of a token, a multiple of 4 and of heads.
        depth: blocks. heads: of attention in each.
        dim: d, the dimensions of the code.
        stochastic: whether the code has a variance.

    """

    def __init__(
        self,
        patch: int = 4,
        width: int = 192,
        depth: int = 6,
        heads: int = 3,
        dim: int = 256,
        *,
        stochastic: bool = False,
    ) -> None:
        super().__init__()
        if width % heads or width % 4:
            raise InfoMaxError(f"width {width} of a transformer with {heads} heads: use a multiple of heads and of 4")
        self.patch, self.channels, self.dim = patch, width, dim
        self.embed = nn.Conv2d(3, width, patch, patch)
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.code = Code(width, dim, stochastic=stochastic)

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """Represent images of values 0..255. Raises InfoMaxError for sides that are not a multiple of the patch's."""
        if any(side % self.patch for side in images.shape[1:3]):
            raise InfoMaxError(f"images of {tuple(images.shape[1:3])} px: use a multiple of {self.patch}")
        tokens, grid = positions(self.embed(planar(images, self.norm.weight)))
        local: Tensor = self.norm(self.blocks(tokens + _places(grid, self.channels, tokens.device)))
        mean, log_var = self.code(local.mean(1))
        return Representation(local, mean, log_var, grid)


def _places(grid: tuple[int, int], width: int, device: torch.device) -> Float[Tensor, "positions c"]:
    """Sines and cosines of row and column at width / 4 frequencies each, from 1 down to 1e-4 a step."""
    frequencies = torch.logspace(0, -4, width // 4, device=device)
    angles = [torch.arange(side, device=device).unsqueeze(1) * frequencies for side in grid]
    rows, columns = (torch.cat([each.sin(), each.cos()], 1) for each in angles)
    return torch.cat([rows.repeat_interleave(grid[1], 0), columns.repeat(grid[0], 1)], 1)
