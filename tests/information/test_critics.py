"""One test suite for all critics."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_t, norm
from scipy.stats import t as student_t
from torch import Tensor, nn

from infomax.information.critics import Concatenated, Cosine, Critic
from infomax.information.estimation.closed_forms import GaussianCritic, StudentCritic
from infomax.information.estimation.critics import OnColumns, ResidualCritic
from tests.information.laws import CRITICS


def features(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def build(name: str) -> Critic:
    torch.manual_seed(0)
    if name in CRITICS:
        return CRITICS[name](3, 2).double()
    x, y = features(50, 3, seed=2), features(50, 2, seed=3)
    return CLOSED_FORMS[name](x, y + x[:, :2]).double()


CLOSED_FORMS: dict[str, Callable[[Tensor, Tensor], Critic]] = {
    "gaussian": GaussianCritic,
    "one canonical pair": lambda x, y: GaussianCritic(x, y, rank=1),
    "radial": lambda x, y: GaussianCritic(x, y, radii=3),
    "student": lambda x, y: StudentCritic(x, y, 3.0, copula=False),
    "t copula": lambda x, y: StudentCritic(x, y, 3.0),
    "residual": lambda x, y: ResidualCritic(x, y, StudentCritic(x, y, 3.0)),
    "residual of radial": lambda x, y: ResidualCritic(x, y, GaussianCritic(x, y, radii=3)),
    "on columns": lambda x, y: OnColumns(GaussianCritic(x, y[:, 1:]), 1),
}


@pytest.fixture(params=[*CRITICS, *CLOSED_FORMS])
def critic(request: pytest.FixtureRequest) -> Critic:
    return build(request.param)


def test_forward_is_the_score_of_the_embeddings(critic: Critic) -> None:
    x, y = features(5, 3), features(5, 2, seed=1)
    assert critic(x, y).shape == (5,)
    assert torch.equal(critic(x, y), critic.score(critic.embed_x(x), critic.embed_y(y)))


def test_elementwise_over_broadcast_axes(critic: Critic) -> None:
    x, y = features(5, 3), features(4, 5, 2, seed=1)
    wanted = torch.stack([torch.stack([critic(x[i], y[p, i]) for i in range(5)]) for p in range(4)])
    torch.testing.assert_close(critic(x, y), wanted, atol=1e-12, rtol=0)


def test_all_scores_are_the_pairwise_loop(critic: Critic) -> None:
    x, y = features(2, 5, 3), features(4, 2, seed=1)
    found = critic.score_all(critic.embed_x(x), critic.embed_y(y))
    wanted = torch.stack([torch.stack([torch.stack([critic(a, b) for b in y]) for a in rows]) for rows in x])
    torch.testing.assert_close(found, wanted, atol=1e-12, rtol=0)


def test_gradients_reach_both_sides_and_all_weights(critic: Critic) -> None:
    x, y = features(5, 3).requires_grad_(), features(5, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: critic(a, b), (x, y))
    if weights := list(critic.parameters()):
        assert None not in torch.autograd.grad(critic(x, y).sum(), weights, allow_unused=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_scores_keep_the_number_type(critic: Critic, dtype: torch.dtype) -> None:
    assert critic.to(dtype)(features(5, 3).to(dtype), features(5, 2).to(dtype)).dtype == dtype


@pytest.mark.parametrize("name", [*CRITICS, *CLOSED_FORMS])
def test_the_same_seed_gives_the_same_critic(name: str) -> None:
    x, y = features(5, 3), features(5, 2, seed=1)
    assert torch.equal(build(name)(x, y), build(name)(x, y))


@pytest.mark.parametrize("layers", [1, 3])
def test_concatenated_is_one_linear_layer_on_the_concatenation(layers: int) -> None:
    """The plain form: nn.Linear on [x, y], then the same MLP."""
    critic = Concatenated(3, 2, hidden=7, layers=layers).double()
    joint = nn.Linear(5, 7).double()
    with torch.no_grad():
        joint.weight.copy_(torch.cat([critic.x_half.weight, critic.y_half.weight], 1))
        joint.bias.copy_(critic.y_half.bias)
    x, y = features(6, 3), features(6, 2, seed=1)
    wanted = critic.rest(joint(torch.cat([x, y], 1))).squeeze(1)
    torch.testing.assert_close(critic(x, y), wanted, atol=1e-12, rtol=0)


@pytest.mark.parametrize("shared", [True, False])
def test_cosine_is_the_cosine_of_the_projections_over_the_temperature(shared: bool) -> None:
    critic = Cosine(3, 3, hidden=7, rank=4, temperature=0.25, shared=shared).double()
    x, y = features(6, 3), features(6, 3, seed=1)
    other = critic.f if critic.g is None else critic.g
    wanted = torch.cosine_similarity(critic.f(x), other(y)) / 0.25
    torch.testing.assert_close(critic(x, y), wanted, atol=1e-12, rtol=0)
    assert torch.allclose(critic(x, y), critic(y, x)) == shared
    assert sum(weight.numel() for weight in critic.parameters()) == (1 if shared else 2) * (4 * 7 + 8 * 4)


def test_sharing_a_network_between_two_sizes_raises_an_error() -> None:
    with pytest.raises(ValueError, match="use shared=False"):
        Cosine(3, 2, shared=True)


def test_batch_norm_is_over_all_leading_axes_and_ends_with_training() -> None:
    critic = Cosine(3, 2, hidden=7, batch_norm=True).double()
    x, y = features(4, 5, 3), features(4, 5, 2, seed=1)
    flat = critic(x.flatten(0, 1), y.flatten(0, 1))
    torch.testing.assert_close(critic(x, y).flatten(), flat)
    hidden = critic.f[:2](x)
    torch.testing.assert_close(hidden.mean((0, 1)), torch.zeros(7).double(), atol=1e-9, rtol=0)
    critic.eval()
    torch.testing.assert_close(critic(x, y)[0], critic(x[0], y[0]))


def test_the_gaussian_critic_is_the_log_density_ratio() -> None:
    """Up to a constant, it equals the log density ratio of multivariate normals in torch."""
    z = features(200, 5)
    z = z @ features(5, 5, seed=1)
    z = (z - z.mean(0)) / z.std(0)
    critic = GaussianCritic(z[:, :3], z[:, 3:]).double()
    normal = torch.distributions.MultivariateNormal
    joint, x, y = (normal(torch.zeros(len(c), dtype=c.dtype), c) for c in _blocks(torch.corrcoef(z.T)))
    wanted = joint.log_prob(z) - x.log_prob(z[:, :3]) - y.log_prob(z[:, 3:])  # type: ignore[no-untyped-call]
    difference = critic(z[:, :3], z[:, 3:]) - wanted
    assert difference.std() < 1e-3  # the ridge of 1e-6, and buffers kept in float32


def test_the_student_critic_is_the_log_density_ratio() -> None:
    """Up to a constant, it equals the log density ratio of SciPy's multivariate t with the dispersion it has found."""
    scale = torch.from_numpy((3.0 / np.random.default_rng(0).chisquare(3.0, (4000, 1))) ** 0.5)
    z = features(4000, 5) @ features(5, 5, seed=1) * scale
    critic = StudentCritic(z[:, :3], z[:, 3:], 3.0, copula=False).double()
    dispersion = torch.linalg.inv(_joined(critic)).numpy()
    wanted = (features(5, 5, seed=1).T @ features(5, 5, seed=1)).numpy()
    assert abs(dispersion - wanted).max() < 0.1 * wanted.max()
    joint, x, y = (
        multivariate_t(np.zeros(len(part)), part, df=3.0).logpdf(z[:50, columns].numpy())
        for part, columns in zip(
            (dispersion, dispersion[:3, :3], dispersion[3:, 3:]), (slice(5), slice(3), slice(3, 5)), strict=True
        )
    )
    difference = critic(z[:50, :3], z[:50, 3:]).numpy() - (joint - x - y)
    assert difference.std() < 1e-3


def _joined(critic: StudentCritic) -> Tensor:
    """The inverse dispersion of both sides."""
    upper = torch.cat([critic.x_form, critic.cross / 2], 1)
    return torch.cat([upper, torch.cat([critic.cross.T / 2, critic.y_form], 1)])


def test_the_t_copula_reads_normal_scores_as_student_quantiles() -> None:
    """Quantiles of normal scores are the variables themselves; so both forms score alike."""
    z = torch.from_numpy(student_t(3.0).ppf(norm.cdf(features(500, 3).clamp(-3, 3).numpy())))
    scores = torch.from_numpy(norm.ppf(student_t(3.0).cdf(z.numpy())))
    copula = StudentCritic(scores[:, :1], scores[:, 1:], 3.0).double()
    plain = StudentCritic(z[:, :1], z[:, 1:], 3.0, copula=False).double()
    torch.testing.assert_close(copula(scores[:, :1], scores[:, 1:]), plain(z[:, :1], z[:, 1:]), atol=2e-3, rtol=1e-3)


def test_few_canonical_pairs_are_the_largest() -> None:
    x = features(2000, 3)
    y = torch.stack([0.9 * x[:, 1] + 0.4 * features(2000, 1, seed=5)[:, 0], features(2000, 1, seed=6)[:, 0]], 1)
    one, all_pairs = GaussianCritic(x, y, rank=1), GaussianCritic(x, y)
    assert torch.equal(all_pairs.of_rank(1).cross, one.cross)
    assert len(one.cross) == 1
    assert abs(np.corrcoef(one.canonical_x(x.float())[:, 0], x[:, 1])[0, 1]) > 0.99
    assert float(GaussianCritic(x, y, rank=0)(x.float(), y.float()).abs().max()) == 0


def _blocks(correlation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return correlation, correlation[:3, :3], correlation[3:, 3:]


def test_the_residual_starts_at_zero() -> None:
    critic, x, y = build("residual"), features(5, 3), features(5, 2, seed=1)
    assert isinstance(critic, ResidualCritic)
    torch.testing.assert_close(critic(x, y), critic.closed_form(x, y))
