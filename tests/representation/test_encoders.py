"""What every encoder of pictures must do, whatever their size."""

from collections.abc import Sequence

import pytest
import torch

from infomax.recipes import RECIPES
from infomax.representation.encoders import ConvolutionalEncoder, Representation
from tests.conftest import coloured

SIZES = {8: (4, 8), 16: (4, 6), 32: (4, 6, 8), 64: (3, 4, 6, 8)}
DIM = 5


def encoder(size: int, blocks: Sequence[int] | None = None) -> ConvolutionalEncoder:
    torch.manual_seed(0)
    return ConvolutionalEncoder(size, blocks or SIZES[size], DIM)


@pytest.mark.parametrize("size", SIZES)
class TestConformance:
    def test_shapes(self, size: int) -> None:
        made = encoder(size)
        seen = made(torch.from_numpy(coloured(3, size)))
        side = size // 2 ** len(SIZES[size])
        assert made.grid == seen.grid == (side, side)
        assert seen.local.shape == (3, side * side, SIZES[size][-1])
        assert seen.mean.shape == seen.log_var.shape == (3, DIM)
        assert {seen.local.dtype, seen.mean.dtype, seen.log_var.dtype} == {torch.float32}

    def test_positions_follow_the_grid_row_by_row(self, size: int) -> None:
        made = encoder(size).eval()
        dark = torch.zeros(1, size, size, 3)
        lit = dark.clone()
        lit[:, -1, 0] = 255  # the lower left corner
        with torch.inference_mode():
            change = (made(lit).local - made(dark).local).abs().sum(-1)[0]
        rows, columns = made.grid
        assert change.argmax() == (rows - 1) * columns
        assert change[0] == 0

    def test_bytes_and_floats_are_the_same_pictures(self, size: int) -> None:
        made, pictures = encoder(size).eval(), torch.from_numpy(coloured(3, size))
        with torch.inference_mode():
            assert torch.equal(made(pictures).mean, made(pictures.float()).mean)
            assert torch.equal(made(pictures).local, made(pictures.double()).local)

    def test_deterministic(self, size: int) -> None:
        pictures = torch.from_numpy(coloured(3, size))
        assert torch.equal(encoder(size)(pictures).mean, encoder(size)(pictures).mean)

    def test_after_training_a_picture_does_not_see_its_batch(self, size: int) -> None:
        made, pictures = encoder(size), torch.from_numpy(coloured(6, size))
        with torch.no_grad():
            made(pictures)  # moves the running statistics
            made.eval()
            together = made(pictures)
            alone = [made(picture[None]) for picture in pictures]
        torch.testing.assert_close(torch.cat([each.mean for each in alone]), together.mean, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(torch.cat([each.local for each in alone]), together.local, atol=1e-5, rtol=1e-5)

    def test_every_weight_is_used(self, size: int) -> None:
        made = encoder(size)
        seen = made(torch.from_numpy(coloured(4, size)))
        loss = seen.mean.square().sum() + seen.log_var.square().sum()
        weights = dict(made.named_parameters())
        gradients = torch.autograd.grad(loss, list(weights.values()))
        assert [name for name, gradient in zip(weights, gradients, strict=True) if not gradient.any()] == []


@pytest.mark.parametrize(("size", "blocks"), [(30, (4, 4)), (8, (2, 2, 2, 2)), (33, (4,))])
def test_a_size_that_cannot_be_halved_is_refused(size: int, blocks: Sequence[int]) -> None:
    with pytest.raises(ValueError, match=f"use a multiple of {2 ** len(blocks)}"):
        encoder(size, blocks)


def test_scale_and_shift_are_applied_to_values_of_0_to_255() -> None:
    torch.manual_seed(0)
    plain = ConvolutionalEncoder(8, (4,), DIM, scale=1.0, shift=0.0).eval()
    scaled = ConvolutionalEncoder(8, (4,), DIM, scale=1 / 127.5, shift=-1.0).eval()
    scaled.load_state_dict(plain.state_dict())
    pictures = torch.from_numpy(coloured(2))
    with torch.inference_mode():
        torch.testing.assert_close(scaled(pictures).mean, plain(pictures / 127.5 - 1).mean)


def test_recipes_have_the_articles_layouts() -> None:
    with torch.device("meta"):
        cifar, tiny = RECIPES["seed-cifar10"].encoder(), RECIPES["seed-tiny-imagenet"].encoder()
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


def test_samples_pass_gradients_to_mean_and_variance() -> None:
    mean, log_var = torch.zeros(3, 2, requires_grad=True), torch.zeros(3, 2, requires_grad=True)
    code = Representation(torch.zeros(3, 1, 1), mean, log_var, (1, 1)).sample(torch.Generator().manual_seed(0))
    of_mean, of_log_var = torch.autograd.grad(code.sum(), [mean, log_var])
    assert torch.equal(of_mean, torch.ones(3, 2))
    torch.testing.assert_close(of_log_var, code.detach() / 2)


def test_running_statistics_move_a_tenth_of_the_way_to_those_of_a_batch() -> None:
    made, pictures = encoder(8), torch.from_numpy(coloured(16)).float()
    convolution, norm = made.low[0][0], made.low[0][1]  # type: ignore[index]
    with torch.no_grad():
        made(pictures)
        channels = convolution(pictures.permute(0, 3, 1, 2) * made.scale + made.shift).transpose(0, 1).flatten(1)
    torch.testing.assert_close(norm.running_mean, 0.1 * channels.mean(1))
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * channels.var(1))
