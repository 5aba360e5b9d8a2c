"""Compare views with slow loops, and with torchvision where it is installed, image by image."""

import colorsys
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from torch import Tensor

from infomax.errors import InfoMaxError
from infomax.representation.augmentation import (
    CropParameters,
    CropPolicy,
    Warp,
    apply_parameters,
    augment,
    sample_parameters,
    warp,
)

Array = NDArray[np.float64]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int, height: int = 32, width: int = 32, low: int = 0, high: int = 256) -> Tensor:
    """Draw smooth colors with noise. Values within 100..150 stay within 0..255 under every jitter of POLICIES."""
    coarse = torch.rand(n, 3, 4, 4, generator=seeded(1))
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    noisy = 0.7 * smooth + 0.3 * torch.rand(smooth.shape, generator=seeded(2))
    return (low + (high - 1 - low) * noisy).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


PLAIN = CropPolicy(size=20, flip=0.0, jitter=0.0, gray=0.0)
POLICIES = {
    "crop": PLAIN,
    "crop of few pixels": replace(PLAIN, scale=(0.01, 0.05)),
    "crop to a pixel": replace(PLAIN, size=1),
    "whole": replace(PLAIN, scale=(1.0, 1.0), ratio=(1.0, 1.0)),
    "flip": replace(PLAIN, flip=0.5),
    "brightness": replace(PLAIN, jitter=1.0, contrast=0.0, saturation=0.0, hue=0.0),
    "contrast": replace(PLAIN, jitter=1.0, brightness=0.0, saturation=0.0, hue=0.0),
    "saturation": replace(PLAIN, jitter=1.0, brightness=0.0, contrast=0.0, hue=0.0),
    "hue": replace(PLAIN, jitter=1.0, brightness=0.0, contrast=0.0, saturation=0.0),
    "jitter": replace(PLAIN, jitter=1.0),
    "gray": replace(PLAIN, jitter=1.0, gray=0.5),
    "blur": replace(PLAIN, blur=0.5),
    "solarize": replace(PLAIN, solarize=0.5, solarize_threshold=0.0),  # no value lies where rounding decides
    "all": CropPolicy(size=20, blur=0.5, solarize=0.5, solarize_threshold=0.0),
}


def sample(policy: CropPolicy, n: int, height: int = 32, width: int = 32, seed: int = 0) -> CropParameters:
    return sample_parameters(policy, n, (height, width), seeded(seed))


# --- the slow oracle: one image, one pixel and one change at a time


def resample(line: Array, start: int, length: int, size: int) -> Array:
    """Resample a part of the first axis of `line`, with a triangle of weights about the center of each new pixel."""
    step = length / size
    wide = max(step, 1.0)
    out = []
    for index in range(size):
        center = start + (index + 0.5) * step
        weights = [max(0.0, 1 - abs(pixel + 0.5 - center) / wide) for pixel in range(start, start + length)]
        out.append(sum(w * line[start + k] for k, w in enumerate(weights)) / sum(weights))
    return np.array(out)


def luma(image: Array) -> Array:
    return 0.299 * image[..., 0] + 0.587 * image[..., 1] + 0.114 * image[..., 2]


def rotate_hue(image: Array, turns: float) -> Array:
    """Rotate the hue by the definition of YUV, pixel by pixel: (B - Y, R - Y), scaled, is a complex number."""
    out = np.empty_like(image)
    for place in np.ndindex(image.shape[:2]):
        y = luma(image[place])
        color = complex(0.492 * (image[place][2] - y), 0.877 * (image[place][0] - y))
        color *= np.exp(2j * math.pi * turns)
        blue, red = y + color.real / 0.492, y + color.imag / 0.877
        out[place] = red, (y - 0.299 * red - 0.114 * blue) / 0.587, blue
    return out


def blur(line: Array, sigma: float, radius: int) -> Array:
    """Blur the first axis of `line` with a Gaussian, mirrored at its ends."""
    padded = np.pad(line, [(radius, radius)] + [(0, 0)] * (line.ndim - 1), mode="reflect")
    kernel = np.array([math.exp(-0.5 * (k / sigma) ** 2) for k in range(-radius, radius + 1)])
    return np.array([np.tensordot(kernel / kernel.sum(), padded[k : k + 2 * radius + 1], 1) for k in range(len(line))])


def slow_view(image: Tensor, p: CropParameters, row: int, size: int) -> Array:
    x: Array = image.double().numpy()
    x = resample(x, int(p.top[row]), int(p.height[row]), size)
    x = resample(x.swapaxes(0, 1), int(p.left[row]), int(p.width[row]), size).swapaxes(0, 1)
    if p.flip[row]:
        x = x[:, ::-1]
    for change in p.order[row].tolist():
        if change == 0:
            x = x * float(p.brightness[row])
        elif change == 1:
            factor = float(p.contrast[row])
            x = factor * x + (1 - factor) * luma(x).mean()
        elif change == 2:
            factor = float(p.saturation[row])
            x = factor * x + (1 - factor) * luma(x)[..., None]
        elif p.hue[row]:
            x = rotate_hue(x, float(p.hue[row]))
    if p.gray[row]:
        x = np.repeat(luma(x)[..., None], 3, 2)
    if p.sigma is not None and p.sigma[row]:
        sigma, radius = float(p.sigma[row]), max(1, size // 20)
        x = blur(blur(x, sigma, radius).swapaxes(0, 1), sigma, radius).swapaxes(0, 1)
    x = x.clip(0, 255)
    if p.solarize_threshold is not None:
        x = np.where(x >= float(p.solarize_threshold[row]), 255 - x, x)
    return x


@pytest.mark.parametrize("shape", [(32, 32), (17, 40)])
@pytest.mark.parametrize("name", POLICIES)
def test_views_equal_those_of_the_slow_oracle(name: str, shape: tuple[int, int]) -> None:
    policy = POLICIES[name]
    source, p = images(6, *shape), sample(policy, 6, *shape)
    found = apply_parameters(source, p, policy.size)
    wanted = np.stack([slow_view(image, p, row, policy.size) for row, image in enumerate(source)])
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), wanted, atol=5e-3)


# --- torchvision, where it is installed, with the same parameters, one image at a time


def torchvision_view(functional: Any, image: Tensor, p: CropParameters, row: int, size: int) -> Tensor:
    x = image.permute(2, 0, 1).float() / 255
    box = [int(each[row]) for each in (p.top, p.left, p.height, p.width)]
    x = functional.resized_crop(x, *box, [size, size], antialias=True)
    if p.flip[row]:
        x = functional.hflip(x)
    change = [functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation]
    factors = [float(each[row]) for each in (p.brightness, p.contrast, p.saturation)]
    for which in p.order[row].tolist():
        if which < 3:
            x = change[which](x, factors[which])
        elif p.hue[row]:
            x = functional.adjust_hue(x, float(p.hue[row]))
    if p.gray[row]:
        x = functional.rgb_to_grayscale(x, 3)
    if p.sigma is not None and p.sigma[row]:
        x = functional.gaussian_blur(x, 2 * max(1, size // 20) + 1, float(p.sigma[row]))
    if p.solarize_threshold is not None and p.solarize_threshold[row] <= 255:
        x = functional.solarize(x, float(p.solarize_threshold[row]) / 255)
    out: Tensor = 255 * x.permute(1, 2, 0)
    return out


@pytest.mark.parametrize("shape", [(32, 32), (40, 64)])
@pytest.mark.parametrize("name", POLICIES)
def test_views_equal_those_of_torchvision_except_for_hue(name: str, shape: tuple[int, int]) -> None:
    """All steps but hue agree to 0.05 of 255 levels, for images that no change takes out of 0..255."""
    functional = pytest.importorskip("torchvision.transforms.functional", reason="torchvision is not installed")
    policy = replace(POLICIES[name], hue=0.0)
    source, p = images(16, *shape, low=100, high=150), sample(policy, 16, *shape)
    found = apply_parameters(source, p, policy.size)
    wanted = torch.stack([torchvision_view(functional, image, p, row, policy.size) for row, image in enumerate(source)])
    torch.testing.assert_close(found, wanted, atol=0.05, rtol=0)  # the luma weights of torchvision sum to 0.9999


def test_hue_keeps_the_luma_and_rotates_like_the_hue_of_hsv() -> None:
    """The hue of HSV changes as asked, to within 1/14 turn; red becomes yellow, not violet."""
    policy = replace(POLICIES["hue"], hue=0.25)
    hues = np.linspace(0, 1, 48, endpoint=False)
    colors = np.array([[200 * channel for channel in colorsys.hsv_to_rgb(hue, 0.3, 1)] for hue in hues])
    source, p = torch.from_numpy(colors)[:, None, None].expand(48, 32, 32, 3), sample(policy, 48)
    found = apply_parameters(source, p, 1)[:, 0, 0].double().numpy()
    np.testing.assert_allclose(luma(found), luma(colors), atol=1e-3)
    result = np.array([colorsys.rgb_to_hsv(*color)[0] for color in found])
    error = (result - hues - p.hue.numpy() + 0.5) % 1 - 0.5
    assert np.abs(error).max() < 1 / 14
    assert p.hue.abs().max() > 0.2


@pytest.mark.parametrize(
    "limits", [Warp(), Warp(degrees=40.0, shear=0.0, stretch=0.0), Warp(0.0, 0.5, 0.0), Warp(0.0, 0.0, 0.4)]
)
def test_a_warped_image_equals_that_of_the_slow_oracle(limits: Warp) -> None:
    """The oracle computes the source of each pixel and lets SciPy interpolate there."""
    source = images(5).float()
    found = warp(source, limits, seeded(7))
    middle = 15.5
    for row, (turn, shear, stretch) in enumerate((2 * torch.rand(3, 5, generator=seeded(7)) - 1).T.tolist()):
        angle, wide = math.radians(limits.degrees * turn), math.exp(limits.stretch * stretch)
        y, x = np.mgrid[:32, :32] - middle
        x, y = wide * x + limits.shear * shear * y, y / wide
        x, y = math.cos(angle) * x - math.sin(angle) * y, math.sin(angle) * x + math.cos(angle) * y
        for plane in range(3):
            levels = source[row, :, :, plane].double().numpy()
            wanted = map_coordinates(levels, [y + middle, x + middle], order=1, mode="nearest")
            np.testing.assert_allclose(found[row, :, :, plane].numpy(), wanted, atol=0.01)


def test_a_warp_of_zeros_changes_nothing() -> None:
    torch.testing.assert_close(warp(images(3).float(), Warp(0.0, 0.0, 0.0)), images(3).float(), atol=1e-3, rtol=0)


# --- random parameters


def test_boxes_lie_within_the_image_and_have_the_required_area_and_ratio() -> None:
    policy = CropPolicy(size=8, scale=(0.2, 0.45), ratio=(0.5, 2.0))  # even the largest area fits at the largest ratio
    p = sample(policy, 20_000, 60, 60)
    assert (p.top >= 0).all()
    assert (p.left >= 0).all()
    assert (p.top + p.height <= 60).all()
    assert (p.left + p.width <= 60).all()
    area, ratio = p.height * p.width / 3600, p.width / p.height
    assert 0.19 < area.min() < 0.205
    assert 0.445 < area.max() < 0.46
    assert 0.47 < ratio.min() < 0.51
    assert 1.95 < ratio.max() < 2.1
    assert area.mean().item() == pytest.approx(0.325, abs=0.003)  # six standard errors
    for start, length in ((p.top, p.height), (p.left, p.width)):
        place = start / (60 - length)
        assert [place.min().item(), place.max().item()] == [0, 1]
        assert place.mean().item() == pytest.approx(0.5, abs=0.015)


def test_the_middle_of_the_image_is_the_fallback_box() -> None:
    p = sample(CropPolicy(size=4, scale=(1.0, 1.0), ratio=(3.0, 3.0)), 5, 30, 30)
    assert p.height.tolist() == [10] * 5
    assert p.width.tolist() == [30] * 5
    assert p.top.tolist() == [10] * 5
    p = sample(CropPolicy(size=4, scale=(1.0, 1.0)), 5, 20, 60)
    assert p.width.tolist() == [27] * 5
    assert p.left.tolist() == [16] * 5


def test_probabilities_and_factors_follow_the_policy() -> None:
    n = 40_000
    policy = CropPolicy(flip=0.3, jitter=0.6, brightness=0.5, hue=0.2, gray=0.1, blur=0.4, solarize=0.7)
    p = sample(policy, n)
    assert p.sigma is not None
    assert p.solarize_threshold is not None
    events = {
        0.3: p.flip,
        0.6: p.brightness != 1,
        0.1: p.gray,
        0.4: p.sigma > 0,
        0.7: p.solarize_threshold == policy.solarize_threshold,
    }
    for wanted, happened in events.items():  # five standard errors
        assert happened.float().mean().item() == pytest.approx(wanted, abs=5 * (wanted * (1 - wanted) / n) ** 0.5)
    changed = p.brightness[p.brightness != 1]
    assert 0.5 <= changed.min() < 0.51 < 1.49 < changed.max() <= 1.5
    assert -0.2 <= p.hue.min() < -0.19 < 0.19 < p.hue.max() <= 0.2
    assert len({tuple(each) for each in p.order.tolist()}) == 24
    assert (p.order.sort(1).values == torch.arange(4)).all()


def test_factors_are_not_negative() -> None:
    p = sample(CropPolicy(jitter=1.0, brightness=3.0, contrast=3.0, saturation=3.0), 1000)
    assert min(each.min().item() for each in (p.brightness, p.contrast, p.saturation)) >= 0


def test_only_the_generator_draws_views() -> None:
    source, policies = images(4), (CropPolicy(size=16), CropPolicy(size=8, count=3, blur=0.5, solarize=0.5))
    before = torch.get_rng_state()
    one, two, other = (augment(policies, source, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_views_of_one_image_differ_and_keep_the_order_of_the_images() -> None:
    level = torch.arange(8, dtype=torch.uint8).view(8, 1, 1, 1) * 30 + 10
    source = level.expand(8, 32, 32, 3).contiguous()  # crop, flip and contrast do not change these images
    policy = CropPolicy(size=12, count=3, brightness=0.0, saturation=0.0, hue=0.0)
    (views,) = augment((policy,), source, seeded())
    assert views.shape == (24, 12, 12, 3)
    torch.testing.assert_close(views, level.repeat(3, 1, 1, 1).float().expand_as(views), atol=1e-3, rtol=0)
    (views,) = augment((replace(policy, brightness=0.4),), source, seeded())
    assert not torch.equal(views[:8], views[8:16])


def test_solarize_inverts_values_above_its_threshold() -> None:
    whole = replace(PLAIN, size=32, scale=(1.0, 1.0), ratio=(1.0, 1.0), solarize=1.0, solarize_threshold=124.5)
    source = images(4)
    expected = torch.where(source >= 125, 255 - source, source).float()
    torch.testing.assert_close(apply_parameters(source, sample(whole, 4), 32), expected, atol=1e-3, rtol=0)
    assert (source == 125).any()
    assert (source == 124).any()


def test_shrinking_does_not_alias() -> None:
    """A checkerboard of single pixels becomes gray; taking every second pixel would give black or white."""
    board = (torch.arange(32).view(32, 1) + torch.arange(32)) % 2
    source = (board * 255).to(torch.uint8)[None, ..., None].expand(1, 32, 32, 3)
    (view,) = augment((replace(PLAIN, size=8, count=1, scale=(1.0, 1.0), ratio=(1.0, 1.0)),), source, seeded())
    torch.testing.assert_close(view[:, 1:-1, 1:-1], torch.full((1, 6, 6, 3), 127.5), atol=1e-3, rtol=0)


def test_bytes_and_floats_are_the_same_images() -> None:
    source = images(3)
    for one, other in zip(
        augment((CropPolicy(),), source, seeded()), augment((CropPolicy(),), source.double(), seeded()), strict=True
    ):
        assert torch.equal(one, other)


def test_autocast_does_not_round_views() -> None:
    source = images(3)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = augment((CropPolicy(),), source, seeded())
    assert torch.equal(rounded[0], augment((CropPolicy(),), source, seeded())[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "size 0"),
        ({"count": 0}, "0 times"),
        ({"scale": (0.0, 1.0)}, "scale of a view is"),
        ({"scale": (0.5, 0.2)}, "in order"),
        ({"scale": (0.5, 1.2)}, "fractions"),
        ({"ratio": (0.0, 1.0)}, "ratio of a view"),
        ({"blur_sigma": (2.0, 0.1)}, "blur_sigma"),
        ({"flip": 1.5}, "probability"),
        ({"gray": math.nan}, "gray of a view is nan"),
        ({"brightness": -0.1}, "brightness"),
        ({"contrast": math.inf}, "contrast"),
        ({"hue": 0.6}, "0 to 0.5"),
    ],
)
def test_impossible_settings_raise_errors(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InfoMaxError, match=message):
        CropPolicy(**settings)


def test_a_view_larger_than_the_images_raises_an_error() -> None:
    with pytest.raises(InfoMaxError, match="33 px is larger than the images of 32 px: make it 32 or less"):
        augment((CropPolicy(), CropPolicy(size=33)), images(2, 32, 48))


def test_a_shard_gets_the_views_of_the_whole_batch() -> None:
    """The views are equal bit for bit, and the generator advances equally in all processes."""
    policies = (CropPolicy(8, 2, blur=0.5, solarize=0.5), CropPolicy(5, 1, scale=(0.1, 0.3)))
    images = torch.randint(0, 256, (12, 9, 9, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whole_generator = torch.Generator().manual_seed(1)
    whole = [each.reshape(-1, 12, *each.shape[1:]) for each in augment(policies, images, whole_generator)]
    for shard in range(3):
        generator, rows = torch.Generator().manual_seed(1), slice(4 * shard, 4 * shard + 4)
        own = [
            each.reshape(-1, 4, *each.shape[1:])
            for each in augment(policies, images[rows], generator, shard=(shard, 3))
        ]
        assert all(torch.equal(one, other[:, rows]) for one, other in zip(own, whole, strict=True))
        assert torch.equal(generator.get_state(), whole_generator.get_state())
