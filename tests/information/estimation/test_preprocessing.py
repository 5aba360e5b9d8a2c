"""Transformations of columns to a common scale."""

import pytest
import torch

from infomax.information.estimation.preprocessing import candidate_transforms, normal_scores, whitened


def columns(n: int = 500, d: int = 4) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_normal_scores_are_quantiles_in_the_order_of_the_values() -> None:
    z = columns()
    scores = normal_scores(z)
    assert torch.equal(scores.argsort(0), z.argsort(0))
    quantiles = torch.special.ndtri((torch.arange(500, dtype=torch.float64) + 0.5) / 500)
    torch.testing.assert_close(scores.sort(0).values, quantiles.float().unsqueeze(1).expand(-1, 4))


def test_whitened_columns_have_no_correlation_and_stay_near_themselves() -> None:
    z = columns() @ columns(4)
    white = whitened(z).double()
    torch.testing.assert_close(torch.cov(white.T), torch.eye(4).double(), atol=1e-5, rtol=0)
    independent = columns()
    assert (
        torch.corrcoef(torch.cat([whitened(independent).double(), independent], 1).T)[4:, :4].diagonal() > 0.99
    ).all()


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_whitening_ignores_scale_and_offset(scale: float) -> None:
    z = columns()
    torch.testing.assert_close(whitened(z * scale), whitened(z))
    torch.testing.assert_close(whitened(z + 1e3), whitened(z))


def test_redundant_directions_become_zero() -> None:
    z = columns()
    white = whitened(torch.cat([z, z[:, :2] - 3 * z[:, 2:]], 1))
    assert white.isfinite().all()
    assert int(torch.linalg.matrix_rank(white.double(), rtol=1e-5)) == 4


def test_columns_with_repeated_values_are_not_whitened() -> None:
    z = columns()
    assert [bool((transformed.diff(dim=0) != 0).all()) for transformed in candidate_transforms(z)] == [True, True]
    assert len(candidate_transforms(z.round())) == 1
    assert len(candidate_transforms(torch.cat([z, z[:, :1] > 0], 1))) == 1
