import pytest
import torch

from infomax.information.priors import AdversarialPrior, GaussianPrior, _reverse_gradient
from tests.information import laws


@pytest.fixture(params=["uniform", "gaussian"])
def adversary(request: pytest.FixtureRequest) -> AdversarialPrior:
    torch.manual_seed(0)
    return AdversarialPrior(3, request.param)


def test_the_gaussian_prior_is_the_closed_form() -> None:
    laws.is_the_gaussian_kl(GaussianPrior())


def test_the_code_minimizes_what_the_discriminator_maximizes(adversary: AdversarialPrior) -> None:
    laws.pulls_both_ways(adversary, adversary.discriminator)


def test_one_optimizer_moves_the_codes_to_the_target(adversary: AdversarialPrior) -> None:
    """Free codes that start around 3 move at least half of the way to 0, the center of either target."""
    generator = torch.Generator().manual_seed(0)
    code = (0.3 * torch.randn(64, 3, generator=generator) + 3).requires_grad_()
    optimizer = torch.optim.Adam([{"params": [code], "lr": 3e-2}, {"params": adversary.parameters(), "lr": 3e-3}])
    for _ in range(150):
        optimizer.zero_grad()
        adversary(code, code, code, generator).backward()
        optimizer.step()
    assert code.mean(0).abs().max() < 1.5


def test_only_the_codes_matter_and_the_generator_decides(adversary: AdversarialPrior) -> None:
    code, other = torch.randn(2, 8, 3)
    first, second = (adversary(a, a, code, torch.Generator().manual_seed(1)) for a in (code, other))
    assert torch.equal(first, second)


def test_gradient_reversal() -> None:
    value = torch.tensor([1.0, 2.0], requires_grad=True)
    out = _reverse_gradient(value)
    assert torch.equal(out, value)
    (gradient,) = torch.autograd.grad((out * 3).sum(), value)
    assert gradient.tolist() == [-3, -3]
