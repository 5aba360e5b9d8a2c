"""Nearest neighbors, compared with the formula by loops."""

import torch

from infomax.information.estimation.ksg import FARTHER, NEAREST, ksg


def test_nearest_neighbors_equal_the_plain_formula() -> None:
    """Kraskov et al., eq. 8, by loops."""
    x, y = (torch.randn(60, d, generator=torch.Generator().manual_seed(d)) for d in (1, 2))
    psi = {k: -0.5772156649 + sum(1 / i for i in range(1, k)) for k in range(1, 62)}
    wanted = []
    for k in (NEAREST, FARTHER):
        sums = []
        for i in range(60):
            in_x, in_y = ((z - z[i]).abs().max(1).values for z in (x, y))
            radius = torch.maximum(in_x, in_y).sort().values[k]
            near_x, near_y = (int((d < radius).sum()) - 1 for d in (in_x, in_y))
            sums.append(psi[k] + psi[60] - psi[near_x + 1] - psi[near_y + 1])
        wanted.append(sum(sums) / 60)
    found = ksg(x, y, torch.arange(60))
    torch.testing.assert_close(found, torch.tensor(wanted), atol=1e-4, rtol=0)
