"""Columns of parquet files: found by name or named by the user; bytes, paths, and labels of every layout."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infomax.errors import InfoMaxError
from infomax.images import load_images, open_source
from tests.images.conftest import noise, put, stored

FOUR = [noise(8, 8, seed=seed) for seed in range(4)]
BYTES = [stored(pixels) for pixels in FOUR]
BOTH = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def put_table(path: Path, columns: dict[str, Any], features: dict[str, Any] | None = None) -> Path:
    table = pa.table(columns)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, row_group_size=3)
    return path


LAYOUTS: dict[str, Any] = {
    "struct": pa.array([{"bytes": each, "path": "gone.png"} for each in BYTES], BOTH),
    "struct of bytes alone": pa.array([{"bytes": each} for each in BYTES]),
    "binary": pa.array(BYTES, pa.binary()),
    "large binary": pa.array(BYTES, pa.large_binary()),
    "binary view": pa.array(BYTES, pa.binary_view()),
    "struct of large binary": pa.array([{"bytes": each} for each in BYTES], pa.struct([("bytes", pa.large_binary())])),
    "list of one struct": pa.array([[{"bytes": each, "path": None}] for each in BYTES], pa.list_(BOTH)),
    "list of one binary": pa.array([[each] for each in BYTES], pa.large_list(pa.binary())),
    "a dictionary of binary": pa.array(BYTES, pa.binary()).dictionary_encode(),
    "paths": pa.array([f"files/{row}.png" for row in range(4)]),
    "paths in a struct": pa.array([{"bytes": None, "path": f"files/{row}.png"} for row in range(4)], BOTH),
    "struct of a path alone": pa.array([{"path": f"files/{row}.png"} for row in range(4)]),
    "large strings": pa.array([f"files/{row}.png" for row in range(4)], pa.large_string()),
    "a dictionary of paths": pa.array([f"files/{row}.png" for row in range(4)]).dictionary_encode(),
    "some bytes, some paths": pa.array(
        [{"bytes": BYTES[row] if row % 2 else None, "path": f"files/{row}.png"} for row in range(4)], BOTH
    ),
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for row, pixels in enumerate(FOUR):
        put(tmp_path / f"files/{row}.png", pixels)
    return tmp_path


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_images_is_read(
    layout: str, files: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    file = put_table(files / "a.parquet", {"image": LAYOUTS[layout], "label": list("abcd")})
    images = load_images(file, 8)
    assert np.array_equal(images.pixels, FOUR)
    assert images.labels == list("abcd")
    assert [content.label for content in open_source(file).read([1, 3])] == ["b", "d"]


def test_absolute_paths_and_what_is_no_file(files: Path) -> None:
    names = [str(files / "files/0.png"), "files/9.png", "https://a.org/b.png", None, "a\0b.png", "x" * 999, "files"]
    file = put_table(files / "a.parquet", {"image": names})
    images = load_images(file, 8)
    assert images.keys == ["a.parquet#0"]
    reasons = [each.reason for each in images.skipped]
    assert reasons[:3] == [
        "only a path ('files/9.png'), no bytes, and there is no such file",
        "only an address ('https://a.org/b.png'), no bytes: fetch the image first",
        "the row holds no image (null)",
    ]
    assert all(reason.startswith("only a path (") for reason in reasons[3:])
    put(files / "files/9.png", FOUR[1])  # a missing file is looked for again
    assert load_images(file, 8).keys == ["a.parquet#0", "a.parquet#1"]


@pytest.mark.parametrize("layout", ["paths", "paths in a struct", "some bytes, some paths", "struct of a path alone"])
def test_a_changed_file_beside_a_table_is_noticed(layout: str, files: Path) -> None:
    file = put_table(files / "a.parquet", {"image": LAYOUTS[layout]})
    load_images(file, 8)
    put(files / "files/2.png", FOUR[0])
    os.utime(files / "files/2.png", (5, 5))
    assert np.array_equal(load_images(file, 8).pixels[2], FOUR[0])


def test_lists_of_none_and_of_two(tmp_path: Path) -> None:
    file = put_table(tmp_path / "a.parquet", {"images": pa.array([[BYTES[0]], [], BYTES[:2], None])})
    assert [(each.where, each.reason) for each in load_images(file, 8).skipped] == [
        ("a.parquet#1", "the row holds no image (null)"),
        ("a.parquet#2", "the row holds 2 images, and one is expected"),
        ("a.parquet#3", "the row holds no image (null)"),
    ]


def test_columns_are_found_by_name_or_named(tmp_path: Path) -> None:
    columns = {
        "before": pa.array(BYTES, pa.binary()),
        "after": pa.array(BYTES[::-1], pa.binary()),
        "coarse_label": [0, 0, 1, 1],
        "fine_label": ["a", "b", "c", "d"],
        "species": [7, 8, 9, 9],
        "weight": [0.5, 1.5, 2.5, 3.5],
        "boxes": [[[1, 2]], [[2, 3]], [[3, 4]], []],
    }
    file = put_table(tmp_path / "a.parquet", columns)
    with pytest.raises(InfoMaxError, match=r"has 2 columns of images, before, after: name one, --image-column NAME"):
        load_images(file, 8)
    images = load_images(open_source(file, image_column="before"), 8)
    assert np.array_equal(images.pixels, FOUR)
    assert images.labels == ["a", "b", "c", "d"]
    images = load_images(open_source(file, image_column="after", label_column="species"), 8)  # another cache
    assert np.array_equal(images.pixels, FOUR[::-1])
    assert images.labels == ["7", "8", "9", "9"]
    for chosen, message in (
        ({"image_column": "during"}, "has no column 'during' of images or of their paths, only before: binary, "),
        ({"image_column": "weight"}, "has no column 'weight' of images"),
        ({"image_column": "before", "label_column": "spezies"}, "has no column 'spezies' for labels, only 'before', "),
        ({"image_column": "before", "label_column": "boxes"}, "column 'boxes' is list<.*>: labels are numbers or text"),
    ):
        with pytest.raises(InfoMaxError, match=message):
            open_source(file, image_column=chosen["image_column"], label_column=chosen.get("label_column"))
    put(tmp_path / "photos/a.png", FOUR[0])
    with pytest.raises(InfoMaxError, match="holds no parquet files: only they have columns to name"):
        open_source(tmp_path / "photos", label_column="species")
    both = open_source([tmp_path / "photos", file], image_column="before", label_column="species")
    assert load_images(both, 8).labels == ["photos", "7", "8", "9", "9"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"labels": [1, 2, 3, 4], "class": list("abcd")}, ["1", "2", "3", "4"]),
        ({"Label": list("abcd")}, list("abcd")),
        ({"category": pa.array(list("abab")).dictionary_encode()}, list("abab")),
        ({"target": [True, False, True, None]}, ["True", "False", "True", ""]),
        ({"target": [0.5, 0.25, 1.0, 2.0]}, None),
        ({"label": [1.0, float("nan"), None, 2.5]}, ["1", "", "", "2.5"]),
        ({"labels": [[1], [], [2, 3], None]}, ["1", "", "", ""]),
        ({"label": pa.array([["a"], ["b"], ["a"], ["b"]], pa.list_(pa.string(), 1))}, list("abab")),
        ({"label": pa.array([["a"], ["b"], ["a"], ["b"]]), "class": list("abcd")}, list("abab")),
        ({"labels": [[[1]], [[2]], [[3]], [[4]]]}, None),
        ({"label": pa.array(BYTES).dictionary_encode(), "class": list("abcd")}, list("abcd")),
        ({"label": ["a", "", None, "b"]}, ["a", "", "", "b"]),
        ({"text": list("abcd")}, None),
        ({"label": pa.nulls(4), "class": list("abcd")}, None),
    ],
)
def test_labels_are_found_by_name(columns: dict[str, Any], expected: list[str] | None, tmp_path: Path) -> None:
    file = put_table(tmp_path / "a.parquet", {"image": pa.array(BYTES), **columns})
    assert load_images(file, 8).labels == expected


NAMED = ["dog", "", "cat", "cat"]
CLASS = {"names": ["cat", "dog", "hen"], "_type": "ClassLabel"}


@pytest.mark.parametrize(
    ("column", "feature", "numbers", "expected"),
    [
        ("label", CLASS, [0, -1, 2, -1], ["cat", "", "hen", ""]),
        ("fine_label", CLASS, [-1, -1, 1, 9], ["", "", "dog", "9"]),
        ("label", {"num_classes": 3, "_type": "ClassLabel"}, [0, -1, 2, -1], ["0", "", "2", ""]),
        (
            "label",
            {"dtype": {"class_label": {"names": {"0": "cat", "1": "dog"}}}},
            [1, -1, 0, 0],
            ["dog", "", *["cat"] * 2],
        ),
        ("label", CLASS, [-1, -1, -1, -1], None),
        ("label", CLASS, [-2, -1, None, 0], ["", "", "", "cat"]),
        ("label", CLASS, [1.0, -1.0, float("nan"), 0.0], ["dog", "", "", "cat"]),
        ("label", {"dtype": "int64", "_type": "Value"}, [1, -1, 1, -1], ["1", "-1", "1", "-1"]),
        ("label", None, [1, -1, 1, -1], ["1", "-1", "1", "-1"]),
        ("label", {"feature": CLASS, "_type": "List"}, [[0], [-1], [2], []], ["cat", "", "hen", ""]),
        ("labels", [CLASS], [[1], [1], [0], [9]], ["dog", "dog", "cat", "9"]),
    ],
)
def test_a_negative_class_is_no_label(
    column: str,
    feature: dict[str, Any] | list[Any] | None,
    numbers: list[Any],
    expected: list[str] | None,
    tmp_path: Path,
) -> None:
    features = {column: feature} if feature else None
    file = put_table(tmp_path / "a.parquet", {"image": pa.array(BYTES), column: numbers}, features)
    assert load_images(file, 8).labels == expected


def test_odd_metadata_names_no_classes(tmp_path: Path) -> None:
    for number, text in enumerate(
        ["[]", "null", "{", '{"info": null}', '{"features": {"label": 3}}', '{"info": {"features": []}}']
    ):
        table = pa.table({"image": pa.array(BYTES), "label": [0, 1, -1, 0]})
        file = tmp_path / f"{number}.parquet"
        pq.write_table(table.replace_schema_metadata({"huggingface": text}), file)
        assert load_images(file, 8).labels == ["0", "1", "-1", "0"]
    table = table.replace_schema_metadata({"huggingface": json.dumps({"features": {"label": CLASS}})})
    pq.write_table(table, file)
    assert load_images(file, 8).labels == ["cat", "dog", "", "cat"]
