"""Conformance tests of all encoders, and tests of single encoders."""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from infomax.errors import InfoMaxError
from infomax.recipes import RECIPES
from infomax.representation.encoders import (
    ConvolutionalEncoder,
    Encoder,
    Grid,
    MultiscaleEncoder,
    Representation,
    ResNet18,
    TimmEncoder,
    VisionTransformer,
    WhitenedEncoder,
)
from infomax.representation.encoders.whitened import _WhitenedPatches
from tests.conftest import colored

BLOCKS = {8: (4, 8), 16: (4, 6), 32: (4, 6, 8), 64: (3, 4, 6, 8)}
DIM = 5


def encoder(size: int, blocks: Sequence[int] | None = None) -> ConvolutionalEncoder:
    torch.manual_seed(0)
    return ConvolutionalEncoder(size, blocks or BLOCKS[size], DIM)


@dataclass(frozen=True)
class Case:
    """An encoder, the side of its test images in pixels, and the expected grids and kind of code."""

    make: Callable[[], Encoder]
    size: int
    grids: tuple[Grid, ...]
    stochastic: bool


CASES = {
    **{
        f"convolutional-{size}": Case(
            partial(ConvolutionalEncoder, size, blocks, DIM), size, ((size // 2 ** len(blocks),) * 2,), True
        )
        for size, blocks in BLOCKS.items()
    },
    "convolutional-of-a-smaller-view": Case(partial(ConvolutionalEncoder, 32, (4, 6), DIM), 20, ((5, 5),), True),
    "resnet18": Case(partial(ResNet18, DIM, width=4), 32, ((4, 4),), False),
    "resnet18-stochastic": Case(partial(ResNet18, DIM, width=4, stochastic=True), 20, ((3, 3),), True),
    "whitened": Case(partial(WhitenedEncoder, (6, 8), DIM), 32, ((4, 4),), False),
    "whitened-stochastic": Case(partial(WhitenedEncoder, (6,), DIM, stochastic=True), 17, ((4, 4),), True),
    "vit": Case(partial(VisionTransformer, 4, 12, 2, 3, DIM), 32, ((8, 8),), False),
    "vit-stochastic": Case(partial(VisionTransformer, 2, 8, 1, 2, DIM, stochastic=True), 12, ((6, 6),), True),
    "multiscale": Case(partial(MultiscaleEncoder, (4, 6, 8), 2, 7, DIM), 32, ((8, 8), (4, 4)), False),
    "multiscale-stochastic": Case(
        partial(MultiscaleEncoder, (4, 6, 8), 3, 7, DIM, stochastic=True), 32, ((16, 16), (8, 8), (4, 4)), True
    ),
    **{
        f"timm-{name}": Case(partial(TimmEncoder, name, DIM, options=options), size, (grid,), False)
        for name, options, size, grid in (
            ("resnet10t", {"zero_init_last": False}, 64, (2, 2)),
            ("convnext_atto", {"dims": (4, 6, 8, 10)}, 64, (2, 2)),
            ("vit_tiny_patch16_224", {"img_size": 32, "patch_size": 4, "embed_dim": 24, "depth": 2}, 32, (8, 8)),
            (
                "swin_tiny_patch4_window7_224",
                {"img_size": 64, "window_size": 2, "embed_dim": 6, "depths": (1, 1, 2, 1)},
                64,
                (2, 2),
            ),
        )
    },
}


def made(name: str) -> Encoder:
    if name.startswith("timm-"):
        pytest.importorskip("timm", reason="timm is not installed")
    torch.manual_seed(0)
    encoder = CASES[name].make()
    encoder.prepare(shown(name, 8))
    return encoder


def shown(name: str, n: int = 3) -> Tensor:
    return torch.from_numpy(colored(n, CASES[name].size))


def tensors(seen: Representation) -> list[Tensor]:
    return [each for each in (seen.local, seen.mean, seen.log_var) if each is not None]


@pytest.mark.parametrize("name", CASES)
class TestConformance:
    def test_shapes(self, name: str) -> None:
        encoder, case = made(name), CASES[name]
        seen = encoder(shown(name))
        assert (seen.grid, *seen.further_grids) == case.grids
        assert seen.local.shape == (3, sum(rows * columns for rows, columns in case.grids), encoder.channels)
        assert encoder.dim == DIM
        assert [each.shape for each in tensors(seen)[1:]] == [(3, DIM)] * (1 + case.stochastic)
        assert {each.dtype for each in tensors(seen)} == {torch.float32}

    def test_positions_are_ordered_row_by_row(self, name: str) -> None:
        encoder, size = made(name).eval(), CASES[name].size
        gray = torch.full((1, size, size, 3), 128.0)
        lit = gray.clone()
        lit[:, -(size // 4) :, : size // 4] = 255  # the lower left corner
        with torch.inference_mode():
            change = [(a - b).abs().sum(-1)[0] for a, b in zip(encoder(lit).maps(), encoder(gray).maps(), strict=True)]
        for each, (rows, columns) in zip(change, CASES[name].grids, strict=True):
            assert each.shape == (rows, columns)
            assert each[-1, 0] > max(each[0, 0], each[0, -1], each[-1, -1])  # the lit corner changes most

    def test_bytes_and_floats_are_the_same_images(self, name: str) -> None:
        encoder, images = made(name).eval(), shown(name)
        with torch.inference_mode():
            assert torch.equal(encoder(images).mean, encoder(images.float()).mean)
            assert torch.equal(encoder(images).local, encoder(images.double()).local)

    def test_the_same_seed_gives_the_same_encoder(self, name: str) -> None:
        images = shown(name)
        assert torch.equal(made(name).eval()(images).mean, made(name).eval()(images).mean)

    def test_in_eval_mode_an_image_does_not_depend_on_its_batch(self, name: str) -> None:
        encoder, images = made(name), shown(name, 6)
        with torch.no_grad():
            encoder(images)  # updates the running statistics
            encoder.eval()
            together = encoder(images)
            alone = [encoder(image[None]) for image in images]
            assert all(torch.equal(a, b) for a, b in zip(tensors(together), tensors(encoder(images)), strict=True))
        torch.testing.assert_close(torch.cat([each.mean for each in alone]), together.mean, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(torch.cat([each.local for each in alone]), together.local, atol=1e-5, rtol=1e-5)

    def test_every_weight_is_used(self, name: str) -> None:
        encoder = made(name)
        seen = encoder(shown(name, 4))
        loss = torch.stack([(each * torch.randn_like(each)).sum() for each in tensors(seen)[1:]]).sum()
        weights = dict(encoder.named_parameters())
        gradients = torch.autograd.grad(loss, list(weights.values()))
        assert [key for key, gradient in zip(weights, gradients, strict=True) if not gradient.any()] == []

    def test_gradients_flow_from_the_code_and_from_the_positions(self, name: str) -> None:
        encoder = made(name)
        weight = next(encoder.parameters())
        seen = encoder(shown(name, 4))
        for feature in (seen.mean, seen.local):
            (gradient,) = torch.autograd.grad((feature * torch.randn_like(feature)).sum(), weight, retain_graph=True)
            assert gradient.any()

    def test_the_state_dict_restores_the_encoder(self, name: str) -> None:
        """The state_dict has everything that was learned or prepared."""
        one, images = made(name), shown(name)
        with torch.no_grad():
            one(images)
        other = CASES[name].make()
        other.load_state_dict(one.state_dict())
        with torch.inference_mode():
            assert torch.equal(one.eval()(images).mean, other.eval()(images).mean)

    def test_autocast_changes_little(self, name: str) -> None:
        encoder, images = made(name), shown(name, 6)
        with torch.no_grad():
            encoder(images)
            exact = encoder.eval()(images)
            with torch.autocast("cpu", torch.bfloat16):
                rounded = encoder(images)
        assert rounded.mean.dtype == torch.float32
        for one, other in zip(tensors(exact), tensors(rounded), strict=True):
            assert (one - other.float()).norm() < 0.1 * one.norm()

    def test_split_separates_views_that_were_encoded_together(self, name: str) -> None:
        encoder, images = made(name).eval(), shown(name, 6)
        with torch.inference_mode():
            whole = encoder(images)
        halves = whole.split(3)
        assert [half.mean.shape for half in halves] == [(3, DIM)] * 2
        assert torch.equal(torch.cat([half.local for half in halves]), whole.local)
        assert {half.log_var is None for half in halves} == {whole.log_var is None}
        assert {(half.grid, half.further_grids) for half in halves} == {(whole.grid, whole.further_grids)}

    def test_a_deterministic_code_is_its_mean(self, name: str) -> None:
        seen = made(name)(shown(name))
        assert (seen.log_var is not None) == CASES[name].stochastic
        assert torch.equal(seen.sample(torch.Generator().manual_seed(0)), seen.mean) != CASES[name].stochastic


def test_whitened_patches_are_white() -> None:
    """Without padding, the components are uncorrelated with mean 0, and variance 1 where it is far above the floor."""
    patches = _WhitenedPatches(12)
    images = torch.randn(200, 3, 16, 16, generator=torch.Generator().manual_seed(0)).cumsum(2).cumsum(3) / 8
    patches.fit(images)
    out = torch.nn.functional.conv2d(images, patches.weight, patches.bias, stride=2).transpose(0, 1).flatten(1)
    torch.testing.assert_close(out.mean(1), torch.zeros(12), atol=1e-3, rtol=0)
    covariance = torch.cov(out)
    assert (covariance - covariance.diag().diag()).abs().max() < 1e-3
    assert covariance.diag()[0].item() == pytest.approx(1, abs=0.01)
    assert (covariance.diag() <= 1).all()
    assert (covariance.diag().diff() < 1e-6).all()  # leading components first; the floor shrinks the last ones


def test_whitened_patches_have_both_signs_and_no_parameters() -> None:
    patches = _WhitenedPatches(4)
    assert list(patches.parameters()) == []
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    out = patches(images)
    assert out.shape == (2, 8, 4, 4)
    plain = torch.nn.functional.conv2d(images, patches.weight, patches.bias, 2, padding=1)
    torch.testing.assert_close(out[:, :4] - out[:, 4:], plain)  # gelu(x) - gelu(-x) = x


def test_a_transformer_depends_on_positions() -> None:
    """Only the fixed sines and cosines distinguish two images with the same patches in another order."""
    torch.manual_seed(0)
    encoder = VisionTransformer(4, 12, 1, 3, DIM).eval()
    one = torch.zeros(1, 8, 8, 3)
    one[:, :4, :4] = 255
    with torch.inference_mode():
        assert not torch.allclose(encoder(one).mean, encoder(one.roll(4, 1)).mean, atol=1e-4)


def test_a_transformer_raises_errors_for_impossible_sizes() -> None:
    with pytest.raises(InfoMaxError, match="use a multiple of 4"):
        VisionTransformer(4, 12, 1, 3, DIM)(torch.zeros(1, 18, 16, 3))
    with pytest.raises(InfoMaxError, match="use a multiple of 3 and of 4"):
        VisionTransformer(4, 10, 1, 3, DIM)


@pytest.mark.parametrize(
    ("build", "channels"),
    [
        (lambda: ConvolutionalEncoder(16, (4, 6), DIM), ConvolutionalEncoder.channels_of((4, 6))),
        (lambda: WhitenedEncoder((6, 8), DIM), WhitenedEncoder.channels_of((6, 8))),
        (lambda: WhitenedEncoder(dim=DIM), WhitenedEncoder.channels_of()),
        (lambda: ResNet18(DIM, width=4), ResNet18.channels_of(4)),
        (lambda: MultiscaleEncoder((4, 6), 1, 7, DIM), MultiscaleEncoder.channels_of(7)),
        (lambda: MultiscaleEncoder((4, 6), 1, dim=DIM), MultiscaleEncoder.channels_of()),
        (lambda: VisionTransformer(4, 12, 1, 3, DIM), VisionTransformer.channels_of(12)),
        (lambda: VisionTransformer(depth=1, dim=DIM), VisionTransformer.channels_of()),
    ],
)
def test_channels_of_settings_equal_those_of_the_network(build: Callable[[], Encoder], channels: int) -> None:
    encoder = build()
    assert channels == encoder.channels
    assert encoder(torch.zeros(2, 16, 16, 3)).local.shape[2] == channels


@pytest.mark.parametrize("scales", [0, 3])
def test_scales_beyond_the_stages_raise_errors(scales: int) -> None:
    with pytest.raises(ValueError, match="use 1 to 2"):
        MultiscaleEncoder((4, 6), scales)


def test_resnet18_has_the_known_number_of_parameters() -> None:
    """solo-learn's and torchvision's ResNet-18 with a 3x3 stem have 11,168,832 parameters before the classifier."""
    with torch.device("meta"):
        weights = {name: weight for name, weight in ResNet18().named_parameters() if not name.startswith("code.")}
    assert sum(weight.numel() for weight in weights.values()) == 11_168_832
    assert sum(weight.ndim == 4 for weight in weights.values()) == 20  # 17 convolutions and three shortcuts


def test_the_error_for_missing_timm_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InfoMaxError, match=re.escape("pip install 'infomax[timm]'")):
        TimmEncoder("resnet18")


@pytest.mark.parametrize(("name", "options"), [("resnet1812", {}), ("resnet18", {"color": 3})])
def test_unknown_models_and_options_of_timm_raise_errors(name: str, options: dict[str, Any]) -> None:
    pytest.importorskip("timm", reason="timm is not installed")
    with pytest.raises(InfoMaxError, match=f"no model '{name}'"):
        TimmEncoder(name, options=options)


@pytest.mark.parametrize(("size", "blocks"), [(30, (4, 4)), (8, (2, 2, 2, 2)), (33, (4,))])
def test_a_size_that_cannot_be_halved_raises_an_error(size: int, blocks: Sequence[int]) -> None:
    with pytest.raises(ValueError, match=f"use a multiple of {2 ** len(blocks)}"):
        encoder(size, blocks)


def test_scale_and_shift_apply_to_values_of_0_to_255() -> None:
    torch.manual_seed(0)
    plain = ConvolutionalEncoder(8, (4,), DIM, scale=1.0, shift=0.0).eval()
    scaled = ConvolutionalEncoder(8, (4,), DIM, scale=1 / 127.5, shift=-1.0).eval()
    scaled.load_state_dict(plain.state_dict())
    images = torch.from_numpy(colored(2))
    with torch.inference_mode():
        torch.testing.assert_close(scaled(images).mean, plain(images / 127.5 - 1).mean)


def test_recipes_have_the_layouts_of_su_2018() -> None:
    with torch.device("meta"):
        cifar, tiny = RECIPES["dim-cifar10"].encoder(), RECIPES["dim-tiny-imagenet"].encoder()
    assert isinstance(cifar, ConvolutionalEncoder)
    assert isinstance(tiny, ConvolutionalEncoder)
    for made, widths in ((cifar, [64, 128, 256]), (tiny, [32, 64, 128, 256])):
        assert (made.grid, made.channels, made.dim) == ((4, 4), 256, 256)
        shapes = [tuple(weight.shape) for name, weight in made.named_parameters() if name.endswith("0.weight")]
        into = [3, *widths, 256]
        assert shapes == [(b, a, 3, 3) for a, b in zip(into, [*widths, 256, 256], strict=True)]
    assert (cifar.scale, cifar.shift, tiny.scale, tiny.shift) == (1 / 255, -0.5, 1 / 127.5, -1.0)


def test_sample_is_the_mean_plus_the_deviation_times_noise() -> None:
    n = 20_000
    deviation = torch.tensor([0.5, 2.0])
    representation = Representation(
        torch.zeros(n, 1, 1), torch.tensor([1.0, -3.0]).expand(n, 2), (2 * deviation.log()).expand(n, 2), (1, 1)
    )
    code = representation.sample(torch.Generator().manual_seed(0))
    # six standard errors: fails for one seed in 100 million
    assert ((code.mean(0) - torch.tensor([1.0, -3.0])).abs() < 6 * deviation / n**0.5).all()
    assert ((code.std(0) / deviation - 1).abs() < 6 / (2 * n) ** 0.5).all()
    assert torch.equal(code, representation.sample(torch.Generator().manual_seed(0)))
    assert not torch.equal(code, representation.sample(torch.Generator().manual_seed(1)))


def test_gradients_flow_through_samples_to_mean_and_variance() -> None:
    mean, log_var = torch.zeros(3, 2, requires_grad=True), torch.zeros(3, 2, requires_grad=True)
    code = Representation(torch.zeros(3, 1, 1), mean, log_var, (1, 1)).sample(torch.Generator().manual_seed(0))
    of_mean, of_log_var = torch.autograd.grad(code.sum(), [mean, log_var])
    assert torch.equal(of_mean, torch.ones(3, 2))
    torch.testing.assert_close(of_log_var, code.detach() / 2)


def test_running_statistics_move_a_tenth_of_the_way_to_those_of_the_batch() -> None:
    made, images = encoder(8), torch.from_numpy(colored(16)).float()
    convolution, norm = made.low[0][0], made.low[0][1]  # type: ignore[index]
    with torch.no_grad():
        made(images)
        channels = convolution(images.permute(0, 3, 1, 2) * made.scale + made.shift).transpose(0, 1).flatten(1)
    torch.testing.assert_close(norm.running_mean, 0.1 * channels.mean(1))
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * channels.var(1))
