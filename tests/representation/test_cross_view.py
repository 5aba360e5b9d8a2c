"""Objectives on several views of the same inputs."""

import math
from itertools import permutations
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from infomax.information.critics import Bilinear, Cosine, Critic
from infomax.information.priors import GaussianPrior
from infomax.representation.encoders import Representation
from infomax.representation.objectives import CrossViewInfo, EncodedView, PriorMatching

N, POSITIONS, CHANNELS, DIM = 8, 5, 4, 3


def views(count: int, seed: int = 0, n: int = N, grids: tuple[int, ...] = (POSITIONS,)) -> list[EncodedView]:
    """Draw random representations in float64, with codes drawn from them. The views take the grids in turn."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    made = []
    for view in range(count):
        positions = grids[view % len(grids)]
        seen = Representation(normal(n, positions, CHANNELS), normal(n, DIM), 0.1 * normal(n, DIM), (1, positions))
        made.append((seen, seen.sample(generator)))
    return made


def infonce_by_hand(
    critic: Critic, seen: list[EncodedView], target: Literal["code", "positions"], n_targets: int
) -> float:
    """Compute the objective pair by pair: each code, each other target view, each position and each input."""

    def target_of(view: int, row: int, position: int) -> Tensor:
        representation, code = seen[view]
        return code[row] if target == "code" else representation.local[row, position]

    def length(view: int) -> int:
        return 1 if target == "code" else seen[view][0].local.shape[1]

    bounds = []
    for view, (_, codes) in enumerate(seen):
        for other in range(n_targets):
            if other == view:
                continue
            for position in range(length(other)):
                gains = []
                for row in range(len(codes)):
                    positive = critic(codes[row], target_of(other, row, position)).item()
                    negatives = [
                        critic(codes[row], target_of(target_view, other_row, place)).item()
                        for target_view in range(n_targets)
                        for other_row in range(len(codes))
                        for place in range(length(target_view))
                        if other_row != row
                    ]
                    candidates = np.exp([positive, *negatives])
                    gains.append(positive - np.log(candidates.mean()))
                bounds.append(np.mean(gains))
    return float(np.mean(bounds))


@pytest.mark.parametrize("n_targets", [None, 1, 2])
@pytest.mark.parametrize("target", ["code", "positions"])
def test_cross_view_info_is_the_mean_over_ordered_pairs_of_views(
    target: Literal["code", "positions"], n_targets: int | None
) -> None:
    critic = Cosine(DIM, DIM if target == "code" else CHANNELS, 8).double()
    seen = views(3, n=4, grids=(3, 3, 2))
    result = CrossViewInfo(critic, target=target, n_targets=n_targets).of_views(seen)
    with torch.no_grad():
        wanted = infonce_by_hand(critic, seen, target, n_targets or 3)
    assert result.total.item() == pytest.approx(wanted, abs=1e-9)
    assert list(result.terms) == ["cross-view" if target == "code" else "cross-view-positions"]


def test_two_views_with_a_shared_critic_give_the_simclr_loss() -> None:
    """NT-Xent (arXiv 2002.05709, eq. 1): each of 2n codes must find its partner among 2n - 1; minus ln(2n - 1)."""
    critic = Cosine(DIM, DIM, 8, temperature=0.5, shared=True).double()
    seen = views(2)
    with torch.no_grad():
        both = torch.cat([torch.nn.functional.normalize(critic.f(code), dim=1) for _, code in seen])
        logits = (both @ both.T / 0.5).masked_fill(torch.eye(2 * N, dtype=torch.bool), -math.inf)
        loss = torch.nn.functional.cross_entropy(logits, torch.arange(2 * N).roll(N)).item()
        bound = CrossViewInfo(critic).of_views(seen).total.item()
    assert bound == pytest.approx(math.log(2 * N - 1) - loss, abs=1e-9)


@pytest.mark.parametrize("target", ["code", "positions"])
def test_gradients_of_cross_view_info(target: Literal["code", "positions"]) -> None:
    objective = CrossViewInfo(Cosine(DIM, DIM if target == "code" else CHANNELS, 5, rank=4).double(), target=target)
    seen = views(2, n=3, grids=(2,))

    def total(*parts: Tensor) -> Tensor:
        pairs = [
            (Representation(local, code, None, (1, 2)), code)
            for local, code in zip(parts[::2], parts[1::2], strict=True)
        ]
        return objective.of_views(pairs).total

    inputs = [part.requires_grad_() for representation, code in seen for part in (representation.local, code)]
    assert torch.autograd.gradcheck(total, inputs)


@pytest.mark.parametrize("target", ["code", "positions"])
def test_the_order_of_views_and_of_the_batch_does_not_matter(target: Literal["code", "positions"]) -> None:
    objective = CrossViewInfo(Cosine(DIM, DIM if target == "code" else CHANNELS, 8).double(), target=target)
    seen = views(3)
    values = [objective.of_views(list(each)).total for each in permutations(seen)]
    order = torch.randperm(N, generator=torch.Generator().manual_seed(5))
    shuffled = [
        (Representation(each.local[order], each.mean[order], None, each.grid), code[order]) for each, code in seen
    ]
    values.append(objective.of_views(shuffled).total)
    torch.testing.assert_close(torch.stack(values), values[0].expand(len(values)), atol=1e-12, rtol=0)


@pytest.mark.parametrize(("target", "negatives"), [("code", 2 * (N - 1)), ("positions", 2 * (N - 1) * POSITIONS)])
def test_cross_view_info_is_at_most_the_log_of_the_candidates(
    target: Literal["code", "positions"], negatives: int
) -> None:
    """With ideal scores, where the own targets score far above all others, the bound is just below ln(m + 1)."""
    own = torch.eye(N).double()
    seen = [(Representation(own.unsqueeze(1).repeat(1, POSITIONS, 1), own, None, (1, POSITIONS)), own)] * 2
    critic = Bilinear(N, N).double()
    for sharpness in (0.0, 1.0, 50.0):
        with torch.no_grad():
            critic.form.weight.copy_(sharpness * own)
        value = CrossViewInfo(critic, target=target).of_views(seen).total.item()
        assert value <= math.log(negatives + 1) + 1e-12
    assert value == pytest.approx(math.log(negatives + 1))


def test_a_view_is_not_its_own_target() -> None:
    """The value is 0 for codes that agree with their own view only."""
    one, other = torch.eye(2 * N).double()[:N], torch.eye(2 * N).double()[N:]
    critic = Bilinear(2 * N, 2 * N).double()
    torch.nn.init.eye_(critic.form.weight)
    seen = [(Representation(code.unsqueeze(1), code, None, (1, 1)), code) for code in (one, other)]
    for target in ("code", "positions"):
        assert CrossViewInfo(critic, target=target).of_views(seen).total.item() == pytest.approx(0)


@pytest.mark.parametrize("scores_held", [1, 100, 2**22])
def test_the_memory_limit_does_not_change_the_value(scores_held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = CrossViewInfo(Cosine(DIM, CHANNELS, 8).double(), target="positions")
    whole = objective.of_views(views(2)).total
    monkeypatch.setattr("infomax.information.pairs.MOST_SCORES_HELD", scores_held)
    torch.testing.assert_close(objective.of_views(views(2)).total, whole, atol=1e-12, rtol=0)


def test_objectives_of_a_single_view_are_averaged_over_views() -> None:
    seen = views(3)
    objective = PriorMatching(GaussianPrior())
    alone = [objective(representation, code).total for representation, code in seen]
    both = (2.0 * objective + objective).of_views(seen)
    assert both.total.item() == pytest.approx(3 * torch.stack(alone).mean().item())
    assert both.terms["prior"].item() == pytest.approx(torch.stack(alone).mean().item())
    assert list(both.terms) == ["prior", "prior#2"]


def test_a_single_view_or_zero_targets_raise_errors() -> None:
    objective = CrossViewInfo(Cosine(DIM, DIM, 8).double())
    ((seen, code),) = views(1)
    with pytest.raises(ValueError, match="two or more views"):
        objective(seen, code)
    with pytest.raises(ValueError, match="two or more views"):
        (objective + PriorMatching(GaussianPrior())).of_views([(seen, code)])
    with pytest.raises(ValueError, match="at least one view"):
        CrossViewInfo(Cosine(DIM, DIM, 8), n_targets=0)
