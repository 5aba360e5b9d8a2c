"""MS-SSIM compared with a slow version in NumPy and with torchmetrics, and a decoder on informative codes."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from infomax.errors import InfoMaxError
from infomax.evaluation.proxies import decoder
from infomax.evaluation.proxies.decoder import _scale_weights, ms_ssim, reconstruct

Images = NDArray[np.uint8]


def pair(side: int, n: int = 2, noise: float = 25.0) -> tuple[Images, Images]:
    """Smooth images, and the same under noise."""
    random = np.random.default_rng(side)
    y, x = np.mgrid[:side, :side] / side
    waves = [np.sin(2 * np.pi * (a * x + b * y + c)) for a, b, c in random.uniform(0.5, 4, (n * 3, 3))]
    clean = 127.5 + 90 * np.stack(waves).reshape(n, 3, side, side).transpose(0, 2, 3, 1)
    worse = clean + noise * random.normal(size=clean.shape)
    return np.clip(clean, 0, 255).astype(np.uint8), np.clip(worse, 0, 255).astype(np.uint8)


def measured(a: Images, b: Images) -> NDArray[np.float64]:
    return ms_ssim(torch.from_numpy(a), torch.from_numpy(b)).numpy()


def slow_ssim(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """One window at a time: the similarity and its contrast-structure part of one channel."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    similarities, contrasts = [], []
    for i in range(len(a) - 10):
        for j in range(len(a) - 10):
            p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
            m_p, m_q = (window * p).sum(), (window * q).sum()
            v_p, v_q = (window * (p - m_p) ** 2).sum(), (window * (q - m_q) ** 2).sum()
            joint = (window * (p - m_p) * (q - m_q)).sum()
            contrasts.append((2 * joint + 58.5225) / (v_p + v_q + 58.5225))
            similarities.append((2 * m_p * m_q + 6.5025) / (m_p**2 + m_q**2 + 6.5025) * contrasts[-1])
    return float(np.mean(similarities)), float(np.mean(contrasts))


@pytest.mark.parametrize(("side", "weights"), [(16, [1.0]), (24, [0.0448 / 0.3304, 0.2856 / 0.3304])])
def test_ms_ssim_equals_the_slow_version(side: int, weights: list[float]) -> None:
    a, b = pair(side)
    expected = []
    for p, q in zip(a.astype(np.float64), b.astype(np.float64), strict=True):
        value = 1.0
        for scale, weight in enumerate(weights):
            parts = [slow_ssim(p[..., channel], q[..., channel]) for channel in range(3)]
            last = scale == len(weights) - 1
            value *= float(np.mean([part[0 if last else 1] for part in parts])) ** weight
            p, q = ((x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4 for x in (p, q))
        expected.append(value)
    np.testing.assert_allclose(measured(a, b), expected, rtol=1e-9)


def test_an_image_has_as_many_scales_as_the_window_fits_into() -> None:
    assert [len(_scale_weights(side)) for side in (11, 16, 32, 64, 128, 176, 500)] == [1, 1, 2, 3, 4, 5, 5]
    assert _scale_weights(176) == pytest.approx((0.0448, 0.2856, 0.3001, 0.2363, 0.1333), abs=1e-4)
    assert sum(_scale_weights(32)) == pytest.approx(1)
    with pytest.raises(InfoMaxError, match="needs 11 or more"):
        _scale_weights(10)


def test_ms_ssim_is_one_for_equal_images_and_falls_with_noise() -> None:
    a, _ = pair(32)
    np.testing.assert_allclose(measured(a, a), 1)
    values = [measured(a, pair(32, noise=noise)[1]).mean() for noise in (5, 25, 100)]
    assert 1 > values[0] > values[1] > values[2] > 0
    assert (measured(a, 255 - a) == 0).all()  # inverted structure counts as 0


@pytest.mark.parametrize("side", [32, 176])
def test_ms_ssim_equals_torchmetrics_within_the_image(side: int) -> None:
    """torchmetrics mirrors images at their border, the window of the paper stays inside: the border is cut off."""
    image = pytest.importorskip("torchmetrics.functional.image", reason="torchmetrics is not installed to compare with")
    a, b = pair(side)
    p, q = (torch.from_numpy(each).permute(0, 3, 1, 2).double() for each in (a, b))
    expected = torch.ones(len(a), dtype=torch.float64)
    weights = _scale_weights(side)
    for scale, weight in enumerate(weights):
        ask = {"reduction": "none", "data_range": 255.0}
        if scale == len(weights) - 1:
            _, full = image.structural_similarity_index_measure(p, q, return_full_image=True, **ask)
            value = full[..., 5:-5, 5:-5].mean((1, 2, 3))
        else:
            _, value = image.structural_similarity_index_measure(p, q, return_contrast_sensitivity=True, **ask)
        expected *= value**weight
        p, q = (torch.nn.functional.avg_pool2d(each, 2) for each in (p, q))
    np.testing.assert_allclose(measured(a, b), expected, rtol=1e-6)
    if side == 176:  # torchmetrics unchanged, with the mirrored border
        whole = image.multiscale_structural_similarity_index_measure(
            *(torch.from_numpy(each).permute(0, 3, 1, 2).double() for each in (a, b)), data_range=255.0
        )
        assert measured(a, b).mean() == pytest.approx(float(whole), abs=0.01)


def discs(n: int, seed: int) -> tuple[NDArray[np.float32], Images]:
    """Images of a disc, and codes of its place and brightness."""
    codes = np.random.default_rng(seed).uniform(-1, 1, (n, 3)).astype(np.float32)
    y, x = np.mgrid[:16, :16]
    across, down, light = (8 + 4 * codes[:, 0], 8 + 4 * codes[:, 1], 128 + 100 * codes[:, 2])
    inside = (x - across[:, None, None]) ** 2 + (y - down[:, None, None]) ** 2 < 16
    images = np.where(inside, light[:, None, None], 20)
    return codes, np.repeat(images[..., None], 3, -1).astype(np.uint8)


def test_a_decoder_reconstructs_from_informative_codes_and_not_from_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "_CHANNELS", 32)
    (codes, train), (test_codes, test) = discs(300, 0), discs(32, 1)
    informed = reconstruct(codes, train, test_codes, test, steps=100)
    noise = np.random.default_rng(2).normal(size=(332, 3)).astype(np.float32)
    uninformed = reconstruct(noise[:300], train, noise[300:], test, steps=40)
    assert informed.pixels.shape == test.shape
    assert informed.scales == 1
    assert informed.ms_ssim > informed.mean_image + 0.2
    assert uninformed.ms_ssim < uninformed.mean_image + 0.05
    assert informed.mean_image == uninformed.mean_image
    assert informed.squared_error < uninformed.squared_error / 2


def test_the_same_seed_gives_the_same_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "_CHANNELS", 16)
    (codes, train), (test_codes, test) = discs(20, 0), discs(5, 1)
    one, two = (reconstruct(codes, train, test_codes, test, steps=2).pixels for _ in range(2))
    assert np.array_equal(one, two)


def test_codes_that_are_not_finite_raise_an_error() -> None:
    codes, train = discs(4, 0)
    broken = codes.copy()
    broken[0, 0] = np.nan
    with pytest.raises(InfoMaxError, match="NaN or infinity"):
        reconstruct(codes, train, broken, train, steps=1)
