"""Arrays and tensors: taken where they can mean one thing, refused with what to type where not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from infomax.errors import InfoMaxError
from infomax.images import load_images
from infomax.images.pixels import batch_problem
from tests.images.conftest import noise

BATCH = np.stack([noise(24, 24, seed=seed) for seed in range(6)])
RGBA = np.concatenate([BATCH, np.full((6, 24, 24, 1), 255, np.uint8)], axis=3)
FIRST = np.ascontiguousarray(BATCH.transpose(0, 3, 1, 2))

SAME: dict[str, Any] = {
    "float32 in 0..1": (BATCH / 255).astype(np.float32),
    "float64": BATCH / 255,
    "channels first": FIRST,
    "floats with the channels first": FIRST / 255,
    "RGBA": RGBA,
    "RGBA first": RGBA.transpose(0, 3, 1, 2),
    "tensor": torch.from_numpy(BATCH),
    "tensor with the channels first": torch.from_numpy(FIRST),
    "tensor of floats that wants a gradient": torch.from_numpy(FIRST / 255).requires_grad_(),
    "rounding": np.where(BATCH == 255, 1 + 1e-6, BATCH / 255 - 1e-7),
    "Fortran order": np.asfortranarray(BATCH),
    "every second row": np.repeat(BATCH, 2, axis=0)[::2],
    "a mask that masks nothing": np.ma.masked_array(BATCH),
}


@pytest.mark.parametrize("name", SAME)
def test_a_batch_of_any_kind_gives_the_same_pixels(name: str) -> None:
    assert np.array_equal(load_images(SAME[name], 24).pixels, BATCH)
    assert np.array_equal(load_images(list(SAME[name]), 24).pixels, BATCH)


@pytest.mark.parametrize("name", ["float32 in 0..1", "channels first", "floats with the channels first", "RGBA first"])
def test_files_of_arrays_are_taken_alike(name: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", SAME[name])
    np.savez_compressed(tmp_path / "a.npz", images=np.ascontiguousarray(SAME[name]), y=np.arange(6))
    for file in ("a.npy", "a.npz"):
        assert np.array_equal(load_images(tmp_path / file, 24).pixels, BATCH)


def test_masks_and_half_precision() -> None:
    masks = BATCH[..., 0] > 128
    expected = np.repeat(masks[..., None], 3, axis=3) * 255
    assert np.array_equal(load_images(masks, 24).pixels, expected)
    assert np.array_equal(load_images(torch.from_numpy(masks), 24).pixels, expected)
    for kind in (torch.float16, torch.bfloat16):
        pixels = load_images(torch.from_numpy(FIRST / 255).to(kind), 24).pixels
        assert abs(pixels.astype(int) - BATCH).max() <= 1


ONE = r"\[None\]"
REFUSED: dict[str, tuple[Any, str]] = {
    "one image": (BATCH[0], ONE),
    "one tall image": (noise(120, 160), ONE),
    "one icon": (noise(16, 16), ONE),
    "one image with transparency": (RGBA[0], ONE),
    "one image of one channel": (BATCH[0, ..., :1], ONE),
    "one image of floats": (BATCH[0] / 255, ONE),
    "one image, channels first": (FIRST[0], ONE),
    "one tensor": (torch.from_numpy(FIRST[0]), ONE),
    "one gray image": (BATCH[0, ..., 0], ONE),
    "the rows of one image": (list(BATCH[0]), "item 0 is .* this looks like a row of an image in color"),
    "the rows of one tensor": (list(torch.from_numpy(RGBA[0])), "give .image. for one image"),
    "flattened images": (BATCH.reshape(6, -1), r"reshape\(n, h, w\)"),
    "two channels": (BATCH[..., :2], "expected uint8"),
    "five channels first": (np.zeros((6, 5, 24, 24)), "expected uint8"),
    "16 bits": (BATCH.astype(np.uint16) * 257, "// 257"),
    "whole numbers": (BATCH.astype(np.int64), r"astype\('uint8'\)"),
    "floats to 255": (BATCH.astype(np.float32), r"from 0 to 255, .* images / 255"),
    "floats around 0": (BATCH / 127.5 - 1, "from -1 to 1, .* undo a normalization"),
    "NaN": (np.full((6, 24, 24, 3), np.nan), "holds NaN"),
    "infinity": (np.full((6, 24, 24, 3), np.inf), "from inf to inf"),
    "complex numbers": (BATCH.astype(complex), "expected uint8"),
    "masked values": (np.ma.masked_equal(BATCH, BATCH[0, 0, 0, 0]), "masked values"),
    "a sparse tensor": (torch.from_numpy(BATCH).to_sparse(), "Tensor cannot be read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_images_is_one_line_that_says_what_to_give(name: str) -> None:
    source, message = REFUSED[name]
    with pytest.raises(InfoMaxError, match=message) as raised:
        load_images(source, 24)
    assert "\n" not in str(raised.value)


def test_the_hints_are_right() -> None:
    assert np.array_equal(load_images(BATCH[0][None], 24).pixels, BATCH[:1])
    assert np.array_equal(load_images(FIRST[0][None], 24).pixels, BATCH[:1])
    assert np.array_equal(load_images(BATCH[0, ..., 0][None], 24).pixels[0, ..., 1], BATCH[0, ..., 0])
    assert np.array_equal(load_images(FIRST[0][..., None], 24).pixels[:, ..., 2], FIRST[0])
    assert load_images(BATCH[0][..., None], 24).pixels.shape == (24, 24, 24, 3)


@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (2, 6, 9), (3, 8, 8), (4, 28, 28), (5, 28, 28), (100, 28, 28), (5, 4, 4), (40, 28, 5)]
)
def test_gray_batches_stay_gray_batches(shape: tuple[int, ...]) -> None:
    assert batch_problem(np.dtype(np.uint8), shape) is None
    assert len(load_images(np.zeros(shape, np.uint8), 8).pixels) == shape[0]


def test_channels_last_win_where_both_ends_may_be_channels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)
    assert np.array_equal(load_images(pixels, 4).pixels, pixels)
