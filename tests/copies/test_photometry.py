"""One change of light and of color explains a copy, and no other image."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from infomax.copies.photometry import explain_light, part_sums, unexplained_color, unexplained_light
from tests.search.conftest import scene

Tensor = torch.Tensor
PART = 8


def gray(seed: int) -> Tensor:
    """Flat shapes of many levels, shape (1, 64, 64)."""
    return torch.from_numpy(np.array(scene(seed, 64, 64).convert("L"))).float()[None]


def light(a: Tensor, b: Tensor) -> float:
    return float(unexplained_light(a, b, torch.ones_like(a), PART))


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "darker": lambda a: 0.7 * a,
    "brighter, clipped": lambda a: (1.4 * a).clamp(max=255),
    "more contrast, clipped at both ends": lambda a: (1.5 * (a - 128) + 128).clamp(0, 255),
    "paler": lambda a: 0.6 * a + 80,
    "noisy": lambda a: a + 5 * torch.randn(a.shape, generator=torch.Generator().manual_seed(0)),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("seed", range(4))
def test_one_gain_and_offset_explain_a_copy_in_either_order(name: str, seed: int) -> None:
    image = gray(seed)
    assert light(image, CHANGES[name](image)) < 0.5
    assert light(CHANGES[name](image), image) < 0.5


@pytest.mark.parametrize("seed", range(4))
def test_another_level_of_one_shape_is_not_explained(seed: int) -> None:
    """Its part agrees with the other by itself: their correlation is 1."""
    image = gray(seed).clamp(40, 200)
    other = image.clone()
    other[:, 16:32, 16:32] = 0.5 * other[:, 16:32, 16:32] + 60 + 60 * (other[:, 16:32, 16:32].mean() < 120)
    assert light(image, other) > 1.3
    assert light(image, 0.8 * other) > 1.3


def test_the_gain_is_that_of_most_levels() -> None:
    """A dark ground that takes nine tenths of the image does not set the line by its noise."""
    image = torch.full((1, 64, 64), 60.0) + torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(1))
    image[:, :16, :16], image[:, 48:, 48:], image[:, :16, 48:] = 110, 150, 205
    changed = 1.3 * image
    changed[:, :16, 48:] = 255
    left, gain = explain_light(image, changed, torch.ones_like(image), PART)
    assert float(gain) == pytest.approx(1.3, abs=0.02)
    assert left.abs().max() < 3


def stamped(color: tuple[int, int, int]) -> Tensor:
    """White paper with a stamp of one color, shape (1, 3, 64, 64)."""
    image = torch.full((1, 3, 64, 64), 250.0)
    image[:, :, 20:30, 30:44] = torch.tensor(color).float()[:, None, None]
    return image


def test_a_stamp_of_another_color_is_not_explained_and_one_without_color_is_known() -> None:
    everywhere = torch.ones(1, 64, 64)
    red, blue, pale = stamped((200, 40, 40)), stamped((40, 90, 200)), stamped((225, 145, 145))
    plain = (red * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True).repeat(1, 3, 1, 1)
    for other, expected, colorless in ((0.8 * red, True, False), (pale, True, False), (blue, False, False)):
        relative, without = unexplained_color(red, other, everywhere, PART)
        assert (bool(relative <= 1), bool(without)) == (expected, colorless)
    assert bool(unexplained_color(red, plain, everywhere, PART)[1])


def test_parts_overlap_by_half() -> None:
    image = torch.arange(64.0 * 64).reshape(1, 1, 64, 64)
    sums = part_sums(image, 8).reshape(15, 15)
    assert float(sums[2, 5]) == float(image[0, 0, 8:16, 20:28].sum())
