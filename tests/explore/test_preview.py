"""The preview says of the files what the index will say, as far as that needs no features."""

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import ExifTags, Image

from infomax import Index, InfoMax, InfoMaxError
from infomax.explore import preview as module
from infomax.explore.preview import Preview, PreviewStore
from infomax.images import ReadingOptions, open_source
from infomax.images.thumbnails import Thumbnail, thumbnail
from infomax.search.stores.store import Store
from tests.conftest import SMALL, colored


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """12 photos in two folders, one turned by EXIF with a date, and a hard link to one of them."""
    folder = tmp_path / "photos"
    for number, pixels in enumerate(colored(12, 40)):
        place = folder / ("a" if number % 2 else "b")
        place.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        if number == 3:
            exif[ExifTags.Base.Orientation] = 6
            exif[ExifTags.Base.DateTime] = "2024:05:01 12:30:05"
            exif[ExifTags.Base.Model] = "Camera"
        Image.fromarray(pixels[:24]).save(place / f"{number:02d}.jpg", exif=exif)
    os.link(folder / "a" / "01.jpg", folder / "b" / "also 01.jpg")
    return folder


def test_it_agrees_with_the_index(photos: Path, tmp_path: Path) -> None:
    preview = Preview(open_source(photos), tmp_path / "index")
    index = Index.create(tmp_path / "index", InfoMax(SMALL, device="cpu").fit(photos), device="cpu").add(photos)
    images = preview.page()
    assert images == index.page()
    assert (images[1].width, images[1].height) == (24, 40)
    assert (images[1].taken, images[1].camera) == ("2024-05-01T12:30:05", "Camera")
    assert len(preview) == len(index) == 12
    assert preview.page(4, 3) == index.page(4, 3)
    assert preview.page(folder=photos / "b") == index.page(folder=photos / "b")
    assert preview.count(folder=photos / "a") == 6
    assert preview.image(images[2].id) == images[2]
    assert preview.image("0" * 32) is None
    ids = [image.id for image in images]
    assert preview.thumbnails([*ids, "0" * 32]) == index.thumbnails(ids)
    here, there = preview.statistics(), index.statistics()
    assert (here.images, here.labels, here.folders, here.gone) == (there.images, there.labels, there.folders, 0)
    assert preview.distance_scale().pairs == 0


def test_each_thumbnail_is_made_once_and_memory_is_bounded(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []

    def make(data: Path, options: ReadingOptions) -> Thumbnail:
        made.append(data)
        return thumbnail(data, options)

    monkeypatch.setattr(module, "thumbnail", make)
    preview = Preview(open_source(photos), tmp_path / "index")
    ids = [image.id for image in preview.page()]
    assert made == []  # headers are enough for a page
    first = preview.thumbnails(ids)
    assert preview.thumbnails(ids[::-1]) == first
    assert len(made) == 12
    held = sum(map(len, first.values()))
    monkeypatch.setattr(module, "THUMBNAIL_BYTES", held // 2)
    store = PreviewStore(open_source(photos))
    for each in ids:
        store.fetch([each], ["id", "thumbnail"])
        assert store._held == sum(map(len, store._thumbnails.values())) <= held // 2
    assert list(store._thumbnails)[-1] == ids[-1]


def test_broken_images_and_other_sources(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "broken.png").write_bytes(b"no image")
    Image.fromarray(colored(1, 20)[0]).save(folder / "sound.png")
    preview = Preview(open_source(folder), tmp_path / "index")
    broken, sound = preview.page()
    assert (broken.width, broken.format, sound.width, sound.format) == (1, None, 20, "PNG")
    assert preview.thumbnail(broken.id) is None
    assert preview.thumbnail(sound.id) is not None

    digits = Preview(open_source("digits:test"), tmp_path / "index")
    assert digits.page(0, 1)[0].path == "digits#1347"
    assert (digits.page(0, 1)[0].width, digits.count(label="3")) == (8, 47)
    file = BytesIO()
    Image.fromarray(colored(1, 30)[0]).save(file, "png")
    cells = [{"bytes": file.getvalue(), "path": f"{row}.png"} for row in range(3)]
    pq.write_table(pa.table({"image": cells, "label": ["x", "y", "y"]}), tmp_path / "t.parquet")
    table = Preview(open_source(tmp_path / "t.parquet"), tmp_path / "index")
    assert [(each.width, each.size) for each in table.page()] == [(30, len(file.getvalue()))] * 3
    assert len(table.thumbnails([each.id for each in table.page()])) == 3


def test_it_is_a_store_that_refuses_what_needs_features(photos: Path) -> None:
    store = PreviewStore(open_source(photos))
    assert isinstance(store, Store)
    with pytest.raises(InfoMaxError, match="wait until the index is ready"):
        store.nearest(np.zeros(1, np.float32), 1, "cosine", ["id"])
    with pytest.raises(InfoMaxError, match="is never changed"):
        store.remove([])
    with pytest.raises(InfoMaxError, match="is never changed"):
        store.upsert(pa.table({}))
    store.compact()
    assert (store.version(), store.bytes()) == (0, 0)
    assert store.fetch(["0" * 32], ["id", "hash", "thumbnail"]).num_rows == 0
    assert {row for part in store.scan(["hash"]) for row in part.column("hash").to_pylist()} == {""}
