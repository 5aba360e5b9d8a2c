"""infomax search, as a user runs it: files and stdin, filters, figures, and indexes that cannot be searched."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from infomax import Index
from infomax.search.originals import combine
from tests.cli.conftest import document
from tests.conftest import Infomax, environment, labeled


def test_several_images_and_stdin(tmp_path: Path, index: Path, photos: Path, cache: Path) -> None:
    file = photos / "dog" / "01.png"
    command = ["search", str(file), "-", "--index", str(index), "-k", "2", "--metric", "euclidean", "--json", "-"]
    ended = subprocess.run(
        [sys.executable, "-m", "infomax", *command],
        input=(photos / "cat" / "02.png").read_bytes(),
        capture_output=True,
        env=environment(cache),
        check=True,
    )
    one, two = document(ended.stdout.decode())
    assert (one["query"], two["query"], two["metric"]) == (str(file), "-", "euclidean")
    assert str(file) not in [each["path"] for each in one["matches"]]  # the query itself is left out
    assert [each["rank"] for each in one["matches"]] == [1, 2]
    assert two["matches"][0]["path"] == str(photos / "cat" / "02.png")
    assert len(two["matches"]) == 2


def test_a_table_a_figure_and_a_file(infomax: Infomax, tmp_path: Path, index: Path, photos: Path) -> None:
    file, figure, out = photos / "dog" / "01.png", tmp_path / "grid.png", tmp_path / "found.json"
    (photos / "cat" / "00.png").unlink()
    found = infomax(*("search", file, "--index", index, "-k", 99, "--approximate", "--figure", figure, "--json", out))
    lines = found.stdout.splitlines()
    assert lines[0] == f"{file}: 10 matches, by approximate search, cosine distance"
    assert found.stderr.startswith("infomax: 1 image was left out: its file is gone (--include-gone shows them")
    assert len(lines) == 12
    assert lines[-1] == f"the figure is {figure}"
    with Image.open(figure) as image:
        assert image.width > 10 * 80
    matches = document(out.read_text())["matches"]
    assert [each["rank"] for each in matches] == list(range(1, 11))
    assert str(file) not in [each["path"] for each in matches]


def test_filters(infomax: Infomax, index: Path, photos: Path) -> None:
    file = photos / "dog" / "01.png"
    found = document(infomax("search", file, "--index", index, "--folder", photos / "cat", "--json", "-").stdout)
    assert [Path(each["path"]).parent.name for each in found["matches"]] == ["cat"] * 6
    assert {each["label"] for each in found["matches"]} == {None}
    Index(index).add(labeled(photos))
    found = document(infomax("search", file, "--index", index, "--label", "cat", "--json", "-").stdout)
    assert [each["label"] for each in found["matches"]] == ["cat"] * 6
    none = infomax("search", file, "--index", index, "--label", "x' OR '1'='1", "--json", "-")
    assert document(none.stdout)["matches"] == []
    assert none.stderr == f"infomax: {index} holds no images of that folder, label or tag\n"
    opened = Index(index)
    tagged = [image.id for image in opened.page(0, 3)]
    assert opened.tag(tagged, "sea") == 3
    found = document(infomax("search", file, "--index", index, "--tag", "sea", "--json", "-").stdout)
    assert {each["path"] for each in found["matches"]} == {image.path for image in opened.images(tagged)}


def test_queries_of_several_images_and_of_a_part(infomax: Infomax, index: Path, photos: Path) -> None:
    cat, dog, other = photos / "cat" / "00.png", photos / "dog" / "01.png", photos / "cat" / "02.png"
    words = ("--index", index, "-k", 3, "--json", "-")
    opened = Index(index)
    vectors = [opened.embed(file) for file in (cat, dog, other)]

    def paths(vector: NDArray[np.float32], *own: Path) -> list[str]:
        left_out = {str(file) for file in own}
        return [match.image.path for match in opened.search(vector, 12) if match.image.path not in left_out][:3]

    both = document(infomax("search", cat, dog, "--together", *words).stdout)
    assert both["query"] == f"{cat} + {dog}"
    assert [each["path"] for each in both["matches"]] == paths(combine(vectors[:2]), cat, dog)
    less = document(infomax("search", cat, "--unlike", other, *words).stdout)
    assert [each["path"] for each in less["matches"]] == paths(combine(vectors[:1], vectors[2:]), cat, other)
    part = document(infomax("search", cat, "--crop", "0,0,0.5,0.5", *words).stdout)
    with Image.open(cat) as image:
        vector = opened.embed(image.crop((0, 0, image.width // 2, image.height // 2)))
    assert [each["path"] for each in part["matches"]] == paths(vector, cat)
    for crop in ("0,0,2,1", "a,b", "0.5,0.5,0,0.2"):
        assert "is no part of an image" in infomax("search", cat, "--crop", crop, *words).failure


def test_images_are_found_by_the_time_they_were_taken(infomax: Infomax, index: Path, photos: Path) -> None:
    for month, name in enumerate(("cat/00.png", "dog/01.png", "cat/02.png"), 4):
        exif = Image.Exif()
        exif.update({0x9003: f"2024:{month:02d}:15 12:00:00", 0x0110: "Model"})
        with Image.open(photos / name) as image:
            image.save(photos / name, exif=exif)
    assert infomax("index", photos, "--index", index).stdout.startswith("added 0, updated 3")
    words = ("search", photos / "cat" / "00.png", "--index", index, "--json", "-")
    found = document(infomax(*words, "--after", "2024-05", "--before", "2024-06-15").stdout)["matches"]
    assert [(each["taken"], each["camera"], each["format"]) for each in found] == [
        ("2024-05-15T12:00:00", "Model", "PNG")
    ]
    assert len(document(infomax(*words, "--after", "2024").stdout)["matches"]) == 2  # without the query itself
    assert "taken at that time" in infomax(*words, "--after", "2025").stderr
    assert "give a year, month, day" in infomax(*words, "--after", "May 2024").failure


def test_a_missing_folder_is_told_in_one_line(infomax: Infomax, index: Path, photos: Path) -> None:
    """An unplugged disk, or an index on another machine: images are shown, and marked."""
    away = photos.rename(photos.with_name("away"))
    found = infomax("search", away / "cat" / "00.png", "--index", index, "-k", 2)
    assert found.stderr.startswith(f"infomax: '{photos}' is missing")
    assert found.stderr.count("\n") == 1
    assert found.stdout.count("  (gone)\n") == 2


def test_input_that_cannot_be_searched(infomax: Infomax, tmp_path: Path, index: Path, photos: Path) -> None:
    file = photos / "cat" / "00.png"
    assert "does not exist: make one" in infomax("search", file, "--index", tmp_path / "nowhere").failure
    assert "holds no index" in infomax("search", file, "--index", photos).failure
    assert "no such file" in infomax("search", "nobody.png", "--index", index).failure
    assert "not an image" in infomax("search", index / "index.json", "--index", index).failure
    nothing = infomax("search", file, "--index", index, "--label", "none", "--figure", tmp_path / "f.png")
    assert (nothing.code, nothing.stdout) == (1, "")
    for words in (("search", file, "--index", index, "-k", 0), ("search", "--index", index)):
        assert infomax(*words).code == 2


def rewritten(index: Path, **entries: object) -> None:
    card = index / "index.json"
    card.write_text(json.dumps(document(card.read_text()) | entries))


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda index: (index / "index.json").unlink(), "holds no index"),
        (lambda index: os.truncate(index / "index.json", 20), "index.json' is damaged"),
        (lambda index: rmtree(index / "images.lance"), "lacks its table images.lance"),
        (lambda index: rmtree(index / "images.lance" / "data"), "cannot read the index"),
        (lambda index: os.truncate(index / "model" / "model.safetensors", 2000), "model.safetensors is damaged"),
        (lambda index: rewritten(index, dim=9), "has vectors of 8 numbers, and its model gives 9"),
        (lambda index: rewritten(index, model="0"), "is not the model this index was made with"),
    ],
)
def test_a_damaged_or_foreign_index(
    infomax: Infomax, index: Path, photos: Path, break_it: Callable[[Path], object], why: str
) -> None:
    break_it(index)
    assert why in infomax("search", photos / "cat" / "00.png", "--index", index).failure


def test_an_image_deleted_after_indexing_is_found_and_drawn(
    infomax: Infomax, tmp_path: Path, index: Path, photos: Path
) -> None:
    gone, query = photos / "cat" / "00.png", tmp_path / "query.png"
    with Image.open(gone) as image:
        image.save(query)
    gone.unlink()
    words = ("search", query, "--index", index, "-k", 1, "--include-gone")
    found = infomax(*words, "--json", "-", "--figure", tmp_path / "grid.png")
    assert [(each["path"], each["gone"]) for each in document(found.stdout)["matches"]] == [(str(gone), True)]
    assert infomax(*words).stdout.splitlines()[1].endswith("/cat/00.png  (gone)")
    assert "no such file" in infomax("search", gone, "--index", index).failure
    with Image.open(tmp_path / "grid.png") as image:
        assert image.width > 2 * 80
