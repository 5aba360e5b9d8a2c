"""The montage: its images, their places and labels, for every kind of input."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from infomax.errors import InfoMaxError
from infomax.figures.montage import TILE_SIDE, montage_of, pick_queries
from infomax.images import load_images
from infomax.neighbors.distances import Metric
from tests.images.conftest import put

N = 12


def flat(n: int) -> NDArray[np.uint8]:
    """Images of one color each, all different; a tile shows the color exactly."""
    steps = np.linspace(10, 240, n).astype(np.uint8)
    colors = np.stack([steps, steps[::-1], np.full(n, 77, np.uint8)], 1)
    return np.broadcast_to(colors[:, None, None], (n, 8, 8, 3)).copy()


def circle(n: int) -> NDArray[np.float32]:
    """Codes around a circle: the nearest of i are i - 1 and i + 1, then i - 2 and i + 2."""
    angles = np.arange(n) * 2 * np.pi / n
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def tiles(figure: Image.Image) -> list[list[tuple[int, ...]]]:
    """Colors of the images in a figure, row by row: each upper left corner of a square of one color."""
    pixels = np.asarray(figure).astype(np.int64) @ [1 << 16, 1 << 8, 1]
    inner = pixels[1 : -TILE_SIDE + 1, 1 : -TILE_SIDE + 1]
    corner = (inner != pixels[:-TILE_SIDE, 1 : -TILE_SIDE + 1]) & (inner != pixels[1 : -TILE_SIDE + 1, :-TILE_SIDE])
    rows: dict[int, list[tuple[int, ...]]] = {}
    for y, x in np.argwhere(corner & (inner != 0xFFFFFF)) + 1:
        if (pixels[y : y + TILE_SIDE, x : x + TILE_SIDE] == pixels[y, x]).all():
            rows.setdefault(int(y), []).append(tuple(np.asarray(figure)[y, x].tolist()))
    return list(rows.values())


def drawn(labels: list[str] | None = None, *, n: int = 3, metric: Metric = "cosine") -> Image.Image:
    images = flat(n)
    return montage_of(images, replace(load_images(images, 8), labels=labels), circle(n), metric=metric)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_row_is_a_query_and_its_nearest_images(metric: Metric) -> None:
    images = flat(N)
    figure = montage_of(images, load_images(images, 8), circle(N), metric=metric, queries=3, neighbors=4, seed=1)
    colors = [tuple(image[0, 0].tolist()) for image in images]
    for query, row in zip(pick_queries(N, 3, 1), tiles(figure), strict=True):
        place = [colors.index(color) for color in row]
        assert place[0] == query
        assert {*place[1:3]} == {(query - 1) % N, (query + 1) % N}
        assert {*place[3:]} == {(query - 2) % N, (query + 2) % N}


def test_a_query_is_not_its_own_neighbor_even_among_copies() -> None:
    images, codes = flat(N), np.ones((N, 3), np.float32)
    figure = montage_of(images, load_images(images, 8), codes, queries=N, neighbors=N - 1)
    rows = tiles(figure)
    assert [row[0] for row in rows] == [tuple(image[0, 0].tolist()) for image in images]
    assert [len({*row}) for row in rows] == [N] * N


def test_a_small_collection_has_fewer_rows_and_columns() -> None:
    images = flat(3)
    figure = montage_of(images, load_images(images, 8), circle(3), queries=10, neighbors=9)
    assert [len(row) for row in tiles(figure)] == [3, 3, 3]


@pytest.mark.parametrize("n", [0, 1])
def test_one_image_has_no_neighbors(n: int) -> None:
    images = flat(2)
    with pytest.raises(InfoMaxError, match=f"{n} image has no neighbors: give a collection of 2 or more"):
        montage_of(images, load_images(images, 8), circle(2)[:n])


def test_a_seed_determines_the_queries() -> None:
    assert pick_queries(100, 5, 3) == pick_queries(100, 5, 3)
    assert len({tuple(pick_queries(100, 5, seed)) for seed in range(20)}) == 20
    for seed in range(20):
        picked = pick_queries(10, 7, seed)
        assert picked == sorted(set(picked))
        assert len(picked) == 7
        assert {*picked} <= {*range(10)}
    assert pick_queries(4, 10, 0) == [0, 1, 2, 3]


def test_images_are_read_again_and_skipped_ones_do_not_shift_them(tmp_path: Path) -> None:
    """The model sees 8 pixels, but the figure reads the files, so each image must keep its row in the source."""
    images = [np.full((90, 90, 3), color, np.uint8) for color in (20, 90, 160, 230)]
    for name, image in zip("aceg", images, strict=True):
        put(tmp_path / f"{name}.png", image)
    put(tmp_path / "b.png", b"broken")
    loaded = load_images(tmp_path, 8)
    assert loaded.rows == [0, 2, 3, 4]
    codes = np.array([[0.0], [1.0], [3.0], [7.0]], np.float32)
    figure = montage_of(tmp_path, loaded, codes, metric="euclidean", queries=4, neighbors=3)
    grays = [[color[0] for color in row] for row in tiles(figure)]
    assert grays == [[20, 90, 160, 230], [90, 20, 160, 230], [160, 90, 20, 230], [230, 160, 90, 20]]


def test_labels_are_written_under_the_images() -> None:
    plain, cats, dogs = drawn(), drawn(["cat", "cat", "cat"]), drawn(["cat", "cat", "dog"])
    assert plain.size != cats.size
    assert cats.size == dogs.size
    assert not np.array_equal(np.asarray(cats), np.asarray(dogs))
    assert tiles(plain) == tiles(cats) == tiles(dogs)


@pytest.mark.parametrize(
    "label", ["a" * 1000, "\udcff", "\x00", "東京 \u202e", "w" * 10_000_000, "W\r\n\tW\u2028W" * 50]
)
def test_labels_of_any_kind_stay_under_their_image(label: str) -> None:
    short, long = drawn(["", "", "a"]), drawn([label, label, label])
    assert short.size == long.size
    assert tiles(short) == tiles(long)
    columns = (np.asarray(short) != 255).any(-1).sum(0) >= 3 * TILE_SIDE  # columns with images in them, or the rule
    assert columns.sum() == 3 * TILE_SIDE + 1
    assert np.array_equal(np.asarray(short)[:, ~columns], np.asarray(long)[:, ~columns])


def test_a_label_of_two_lines_is_written_on_one() -> None:
    assert np.array_equal(np.asarray(drawn(["a\nb", "c", "d"])), np.asarray(drawn(["a b", "c", "d"])))


def test_the_metric_is_named() -> None:
    one, other = np.asarray(drawn(n=2)), np.asarray(drawn(n=2, metric="euclidean"))
    assert not np.array_equal(one[:20], other[:20])
