"""Mutual information from nearest neighbors, in nats: not a bound, and nearly unbiased in a few dimensions."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from infomax.information.transformations import Columns

NEAREST, FARTHER = 3, 10  # two numbers of neighbors, to extrapolate from


def ksg(x: Columns, y: Columns, block: Int[Tensor, " b"]) -> Float[Tensor, " 2"]:
    """Estimate mutual information from the k-th neighbor of each sample of a block, for k = NEAREST and k = FARTHER.

    psi(k) + psi(n) - mean psi(n_x + 1) - mean psi(n_y + 1)  (Kraskov, Stoegbauer & Grassberger 2004, cond-mat/0305641,
    eq. 8), where n_x and n_y count the samples nearer than that neighbor in x alone and in y alone.

    Args:
        x: All samples of x.
        y: All samples of y.
        block: Rows of the samples whose neighbors are found.

    Returns:
        The two estimates in nats.

    """
    distance = torch.maximum(*(torch.cdist(z[block], z, p=math.inf) for z in (x, y)))
    distance[torch.arange(len(block)), block] = math.inf  # a sample is not its own neighbor
    counts = torch.tensor([NEAREST, FARTHER])
    radii = distance.topk(FARTHER, largest=False).values[:, counts - 1]
    near_x, near_y = (_count_nearer(z, block, radii).digamma().mean(0) for z in (x, y))
    return counts.digamma() + math.log(len(x)) - 0.5 / len(x) - near_x - near_y


def _count_nearer(z: Columns, block: Int[Tensor, " b"], radii: Float[Tensor, "b k"]) -> Float[Tensor, "b k"]:
    """For each sample of the block the number of samples within the radii, itself included."""
    if z.shape[1] == 1:  # in one dimension, binary search in the sorted column replaces all distances
        column, inside = z.flatten().double().sort().values, radii.double() * (1 - 1e-6)  # nearer, not equally near
        above = torch.searchsorted(column, z[block] + inside)
        return (above - torch.searchsorted(column, z[block] - inside)).clamp(min=1).float()
    distance = torch.cdist(z[block], z, p=math.inf)
    return torch.stack([(distance < r.unsqueeze(1)).count_nonzero(1) for r in radii.unbind(1)], 1).clamp(min=1).float()
