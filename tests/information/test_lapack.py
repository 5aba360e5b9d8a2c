"""BLAS and LAPACK by address, beside NumPy's own."""

import numpy as np
import pytest
import torch

from infomax.information.lapack import generalized_eigh, gram


@pytest.mark.parametrize(("n", "dim"), [(1, 1), (7, 3), (3, 7), (300, 130), (0, 4)])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_the_lower_triangle_of_all_products(n: int, dim: int, kind: torch.dtype) -> None:
    rows = torch.randn(n, dim, generator=torch.Generator().manual_seed(n)).to(kind)
    expected = np.einsum("ni,nj->ij", rows.double().numpy(), rows.double().numpy())
    for given in (rows, rows.T.contiguous().T):  # by rows, by columns
        found = gram(given, out=torch.full((dim, dim), torch.nan, dtype=kind))
        np.testing.assert_allclose(found.tril(), np.tril(expected), rtol=1e-5, atol=1e-3)


def test_the_largest_values_of_a_pair_of_matrices() -> None:
    generator = np.random.default_rng(0)
    a, b = (each @ each.T for each in generator.normal(size=(2, 6, 9)))
    values, vectors = generalized_eigh(a, b, 2)
    every = np.sort(np.linalg.eigvals(np.linalg.solve(b, a)).real)
    np.testing.assert_allclose(values, every[-2:], rtol=1e-9)
    np.testing.assert_allclose(a @ vectors, b @ vectors * values, atol=1e-9)
    np.testing.assert_allclose(np.diag(vectors.T @ b @ vectors), 1, rtol=1e-9)
    with pytest.raises(ValueError, match="not positive definite"):
        generalized_eigh(a, -b, 2)
