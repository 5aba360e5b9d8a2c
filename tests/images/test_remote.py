"""Images on an object store: the same as in a folder."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infomax import InfoMaxError
from infomax.decoding.broken import UnreadableImage
from infomax.decoding.options import ReadingOptions
from infomax.images.loading import load_images
from infomax.images.opening import open_source
from tests.conftest import colored
from tests.images.conftest import stored as png
from tests.objects import put_object

PIXELS = colored(6, 12)


@pytest.fixture
def photos(bucket: str) -> str:
    for number, pixels in enumerate(PIXELS):
        put_object(f"{bucket}/photos/{('cat', 'dog')[number % 2]}/{number} #é.png", png(pixels))
    put_object(f"{bucket}/photos/.thumbnails/0.png", png(PIXELS[0]))
    put_object(f"{bucket}/photos/notes.txt", b"notes")
    return f"{bucket}/photos"


def test_a_folder_of_objects(photos: str) -> None:
    source = open_source(photos)
    assert [entry.key for entry in source.entries] == [f"{kind}/{n} #é.png" for kind, n in CAT_AND_DOG]
    assert source.paths()[0] == f"{photos}/cat/0 #é.png"
    assert (source.roots(), source.labels()) == ([f"{photos}/"], [None] * 6)
    assert source.census().counts() == {"unread": {}, "others": {".txt": 1}, "excluded": {".*": 1}}
    contents = list(source.read([1, 3]))
    assert [each.folder for each in contents] == ["cat", "dog"]
    assert [each.data for each in contents] == [png(PIXELS[2]), png(PIXELS[1])]
    assert open_source(Path(photos)).paths() == source.paths()


CAT_AND_DOG = [("cat", 0), ("cat", 2), ("cat", 4), ("dog", 1), ("dog", 3), ("dog", 5)]


def test_globs_single_objects_and_lists(photos: str, tmp_path: Path) -> None:
    (tmp_path / "own.png").write_bytes(png(PIXELS[5]))
    assert len(open_source(f"{photos}/cat/*.png").entries) == 3
    assert len(open_source(f"{photos}/**/[0-2] *.png").entries) == 3
    assert open_source(f"{photos}/cat/0 #é.png").paths() == [f"{photos}/cat/0 #é.png"]
    both = open_source([f"{photos}/dog", str(tmp_path / "own.png")])
    assert both.paths() == [f"{photos}/dog/{n} #é.png" for n in (1, 3, 5)] + [str(tmp_path / "own.png")]
    assert len(open_source(photos, ReadingOptions(exclude=("cat",))).entries) == 3


def test_pixels_are_those_of_files(photos: str, tmp_path: Path) -> None:
    for number, pixels in enumerate(PIXELS):
        file = tmp_path / "photos" / ("cat", "dog")[number % 2] / f"{number} #é.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(pixels))
    there, here = (load_images(each, size=8, cache=tmp_path / "cache") for each in (photos, tmp_path / "photos"))
    np.testing.assert_array_equal(there.pixels, here.pixels)


def test_parquet_files(bucket: str) -> None:
    for shard in range(2):
        cells = [{"bytes": png(each), "path": None} for each in PIXELS[3 * shard : 3 * shard + 3]]
        table = pa.table({"image": cells, "label": [f"kind {shard}"] * 3})
        with pa.BufferOutputStream() as out:
            pq.write_table(table, out, row_group_size=2)
            put_object(f"{bucket}/data/train-{shard}.parquet", out.getvalue().to_pybytes())
    put_object(f"{bucket}/broken/a.parquet", b"PAR1 no parquet file")
    source = open_source(f"{bucket}/data")
    assert source.roots() == [f"{bucket}/data/train-{shard}.parquet#" for shard in range(2)]
    assert source.paths()[4] == f"{bucket}/data/train-1.parquet#1"
    contents = list(source.read([2, 3, 5]))
    assert [each.data for each in contents] == [png(PIXELS[row]) for row in (2, 3, 5)]
    assert [each.label for each in contents] == ["kind 0", "kind 1", "kind 1"]
    assert open_source(f"{bucket}/data/*-1.parquet").paths() == source.paths()[3:]
    with pytest.raises(InfoMaxError, match=r"^'s3://.*/broken/a.parquet' is not a parquet file \("):
        open_source(f"{bucket}/broken")


def test_nothing_there_and_an_object_that_vanishes(photos: str, bucket: str) -> None:
    with pytest.raises(InfoMaxError, match=r"^no images at 's3://.*/none', which holds nothing: check the URL$"):
        open_source(f"{bucket}/none")
    with pytest.raises(InfoMaxError, match=r"no images at 's3://.*/photos/notes.txt'"):
        open_source(f"{photos}/notes.txt")
    source = open_source(photos)
    delete(source.paths()[0])
    gone, other = (each.data for each in source.read([0, 1]))
    assert isinstance(gone, UnreadableImage)
    assert other == png(PIXELS[2])


def delete(url: str) -> None:
    from infomax.object_store import _filesystem

    files, path = _filesystem(url)
    files.delete_file(path)
