"""Mutual information from nearest neighbors, in nats: not a bound, and nearly unbiased in a few dimensions."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from infomax.information.transformations import Columns

NEAREST, FARTHER = 3, 10  # two numbers of neighbors, to extrapolate from


def ksg(x: Columns, y: Columns, block: Int[Tensor, " b"], given: Columns | None = None) -> Float[Tensor, " 2"]:
    """Estimate mutual information from the k-th neighbor of each sample of a block, for k = NEAREST and k = FARTHER.

    psi(k) + psi(n) - mean psi(n_x + 1) - mean psi(n_y + 1)  (Kraskov, Stoegbauer & Grassberger 2004, cond-mat/0305641,
    eq. 8), where n_x and n_y count the samples nearer than that neighbor in x alone and in y alone. Given z, it is

    psi(k) + mean psi(n_z + 1) - mean psi(n_xz + 1) - mean psi(n_yz + 1)           (Frenzel & Pompe 2007, eq. 8).

    Args:
        x: All samples of x.
        y: All samples of y.
        block: Rows of the samples whose neighbors are found.
        given: All samples of z, for the information given z. None for the plain information.

    Returns:
        The two estimates in nats.

    """
    sides = [x, y] if given is None else [x, y, given]
    distance = torch.stack([torch.cdist(side[block], side, p=math.inf) for side in sides]).amax(0)
    distance[torch.arange(len(block)), block] = math.inf  # a sample is not its own neighbor
    counts = torch.tensor([NEAREST, FARTHER])
    radii = distance.topk(FARTHER, largest=False).values[:, counts - 1]
    if given is None:
        near_x, near_y = (_count_nearer(side, block, radii).digamma().mean(0) for side in (x, y))
        return counts.digamma() + math.log(len(x)) - 0.5 / len(x) - near_x - near_y
    spaces = torch.cat([x, given], 1), torch.cat([y, given], 1), given
    near_x, near_y, near = (_count_nearer(space, block, radii).digamma().mean(0) for space in spaces)
    return counts.digamma() + near - near_x - near_y


def _count_nearer(z: Columns, block: Int[Tensor, " b"], radii: Float[Tensor, "b k"]) -> Float[Tensor, "b k"]:
    """For each sample of the block the number of samples within the radii, itself included."""
    if z.shape[1] == 1:  # in one dimension, binary search in the sorted column replaces all distances
        column, inside = z.flatten().double().sort().values, radii.double() * (1 - 1e-6)  # nearer, not equally near
        above = torch.searchsorted(column, z[block] + inside)
        return (above - torch.searchsorted(column, z[block] - inside)).clamp(min=1).float()
    distance = torch.cdist(z[block], z, p=math.inf)
    return torch.stack([(distance < r.unsqueeze(1)).count_nonzero(1) for r in radii.unbind(1)], 1).clamp(min=1).float()
