"""Mutual information by nearest neighbors, in nats: no bound, and nearly unbiased in a few dimensions."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from infomax.information.estimation.preprocessing import Columns

NEAREST, FARTHER = 3, 10  # neighbors, two counts of them to extrapolate from


def ksg(x: Columns, y: Columns, block: Int[Tensor, " b"]) -> Float[Tensor, " 2"]:
    """The information by the k-th neighbor of each sample of the block, for both counts k.

    psi(k) + psi(n) - mean psi(n_x + 1) - mean psi(n_y + 1)  (Kraskov, Stoegbauer & Grassberger 2004, cond-mat/0305641,
    eq. 8), with n_x and n_y the samples nearer than that neighbor in x alone and in y alone.
    """
    distance = torch.maximum(*(torch.cdist(z[block], z, p=math.inf) for z in (x, y)))
    distance[torch.arange(len(block)), block] = math.inf  # nobody is a neighbor of himself
    counts = torch.tensor([NEAREST, FARTHER])
    radii = distance.topk(FARTHER, largest=False).values[:, counts - 1]
    near_x, near_y = (_nearer(z, block, radii).digamma().mean(0) for z in (x, y))
    return counts.digamma() + math.log(len(x)) - 0.5 / len(x) - near_x - near_y


def _nearer(z: Columns, block: Int[Tensor, " b"], radii: Float[Tensor, "b k"]) -> Float[Tensor, "b k"]:
    """How many samples, itself among them, lie nearer to each sample of the block than the radii."""
    if z.shape[1] == 1:  # in one dimension a look into the sorted column replaces all distances
        column, inside = z.flatten().double().sort().values, radii.double() * (1 - 1e-6)  # nearer, not as near
        above = torch.searchsorted(column, z[block] + inside)
        return (above - torch.searchsorted(column, z[block] - inside)).clamp(min=1).float()
    distance = torch.cdist(z[block], z, p=math.inf)
    return torch.stack([(distance < r.unsqueeze(1)).count_nonzero(1) for r in radii.unbind(1)], 1).clamp(min=1).float()
