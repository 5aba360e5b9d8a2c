"""Objectives on codes that went through a channel."""

import numpy as np
import pytest
import torch

from infomax.information import Bilinear, Concatenated, Cosine, GaussianChannel, UniformChannel
from infomax.information.pairs import all_pairs
from infomax.representation.encoders import Representation
from infomax.representation.objectives import CrossViewInfo, GlobalInfo, LocalInfo, ThroughNoise
from tests.representation.test_cross_view import views

CHANNEL = GaussianChannel(0.4)


def test_views_are_noisy_and_their_targets_are_not() -> None:
    """InfoNCE by hand: rows are noisy codes of one view, columns the limited codes of the other view alone."""
    seen = views(2)
    critic = Bilinear(3, 3).double()
    objective = ThroughNoise(CrossViewInfo(critic, target="mean"), CHANNEL)
    value = objective.of_views(seen, torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(5)
    limited = [CHANNEL.limit(each.mean) for each, _ in seen]
    noisy = [CHANNEL.transmit(each, generator) for each in limited]
    weight, wanted = critic.form.weight.detach().numpy(), []
    for a, b in ((0, 1), (1, 0)):
        for row in range(8):
            others = [limited[view][j] for view in (0, 1) for j in range(8) if j != row]
            candidates = torch.stack([limited[b][row], *others]).numpy()
            scores = candidates @ weight @ noisy[a][row].numpy()
            wanted.append(scores[0] - np.log(np.exp(scores).mean()))
    assert value.total.item() == pytest.approx(np.mean(wanted), abs=1e-9)
    assert list(value.terms) == ["cross-view"]


def test_a_single_view_is_compared_with_what_entered_the_channel() -> None:
    (representation, code), *_ = views(1)
    critic = Bilinear(3, 3).double()
    objective = ThroughNoise(GlobalInfo(critic, pairs=all_pairs, target="mean"), UniformChannel(0.1))
    value = objective(representation, code, torch.Generator().manual_seed(5)).total
    limited = representation.mean.sigmoid()
    noisy = UniformChannel(0.1).transmit(limited, torch.Generator().manual_seed(5))
    clean = Representation(representation.local, limited, None, representation.grid)
    assert torch.equal(value, GlobalInfo(critic, pairs=all_pairs, target="mean")(clean, noisy).total)
    positives = objective.scores(representation, code, torch.Generator().manual_seed(5))["global"].positives
    torch.testing.assert_close(positives, critic(noisy, limited).float())


def test_the_generator_decides_and_the_posterior_does_not_matter() -> None:
    (representation, code), *_ = views(1)
    objective = ThroughNoise(LocalInfo(Concatenated(3, 4, 8).double()), CHANNEL)
    one, same, other = (
        objective(representation, each, torch.Generator().manual_seed(seed)).total
        for each, seed in ((code, 1), (code + 1, 1), (code, 2))
    )
    assert one == same
    assert one != other


def test_gradients_reach_the_codes_through_the_noise() -> None:
    seen = views(2)
    means = [each.mean.clone().requires_grad_() for each, _ in seen]
    made = [
        (Representation(each.local, mean, None, each.grid), mean) for (each, _), mean in zip(seen, means, strict=True)
    ]
    objective = ThroughNoise(CrossViewInfo(Cosine(3, 3, 8, shared=True).double(), target="mean"), CHANNEL)
    value = (0.5 * objective).of_views(made, torch.Generator().manual_seed(0)).total
    assert all(gradient.abs().min() > 0 for gradient in torch.autograd.grad(value, means))
