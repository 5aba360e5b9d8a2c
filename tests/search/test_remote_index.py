"""An index on an object store: several machines, a server that is killed, a process that is killed."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
from jaxtyping import Float, UInt8

from infomax import Index, InfoMax, InfoMaxError
from infomax.decoding.options import DEFAULT_OPTIONS
from infomax.object_store import list_objects, write_object
from infomax.search import mirror
from infomax.search.index_folder import IndexFolder
from infomax.search.roots import NOWHERE
from infomax.search.stores.lance import LanceStore
from infomax.search.sync import synchronize
from tests.conftest import SMALL, colored
from tests.objects import Gate
from tests.search.conftest import assert_same, content, paths


@pytest.fixture
def place(bucket: str, monkeypatch: pytest.MonkeyPatch, cache: Path) -> str:
    """Where an index may be made; what others do is seen at once."""
    monkeypatch.setattr(mirror, "SEEN_AFTER", 0.0)
    monkeypatch.setenv("INFOMAX_CACHE", str(cache))
    return f"{bucket}/photos.index"


def elsewhere(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """The index as another machine opens it, which has no files of it yet."""
    monkeypatch.setenv("INFOMAX_CACHE", str(tmp_path / "another machine"))
    return Index(place, device="cpu")


def test_it_answers_as_a_folder_does(
    place: str, model: InfoMax, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Index.create(tmp_path / "index", model, device="cpu").add(photos)
    there = Index.create(place, model, device="cpu").add(photos)
    assert content(there) == content(here)
    again = elsewhere(place, tmp_path, monkeypatch)
    assert repr(again) == f"Index({place!r}, images=31, dim=8)"
    query = photos / "cat" / "04.png"
    assert paths(again.search(query, 9)) == paths(here.search(query, 9))
    assert [each.path for each in again.select(5)] == [each.path for each in here.select(5)]
    assert again.outliers(3) == here.outliers(3)
    assert again.statistics().bytes == sum(each.size for each in list_objects(f"{place}/images.lance"))
    (photos / "cat" / "04.png").unlink()
    changes = again.synchronize(photos, prune=True)
    assert (changes.unchanged, changes.removed, len(there)) == (30, 1, 30)


def test_tags_decisions_and_roots_of_two_machines_add_up(
    place: str, model: InfoMax, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Index.create(place, model, device="cpu").add(photos / "cat")
    second = elsewhere(place, tmp_path, monkeypatch)
    first.add(photos / "dog")
    one, two, three = first.page(limit=3)
    first.tag([one.id, two.id], "beach")
    second.tag([three.id], "beach")
    second.untag([one.id], "beach")
    first.keep_both([one.path, two.path])
    second.keep_both([two.path, three.path])
    for index in (first, second, elsewhere(place, tmp_path / "third", monkeypatch)):
        assert index.tagged().ids("beach") == {two.id, three.id}
        assert [each.paths for each in index.decisions] == [(one.path, two.path), (two.path, three.path)]
    second.decisions.forget(next(iter(second.decisions)).id)
    assert [each.paths for each in first.decisions] == [(two.path, three.path)]
    IndexFolder(place).publish(IndexFolder(place).roots_file)
    assert set(json.loads(IndexFolder(place).roots_file.read_text())) == {str(photos / "cat"), str(photos / "dog")}


def test_a_creation_that_was_interrupted_is_completed_for_its_model_alone(place: str, model: InfoMax) -> None:
    LanceStore.create(place, 8, model.fingerprint)  # killed before the model was written
    with pytest.raises(InfoMaxError, match=r"^'s3://.*' holds no index \(no index.json\): make one with"):
        Index(place)
    other = InfoMax(SMALL, seed=1).fit(colored(40))
    with pytest.raises(InfoMaxError, match=rf"is for another model \({model.fingerprint}\): choose another --index$"):
        Index.create(place, other)
    assert Index.create(place, model).model.fingerprint == model.fingerprint
    with pytest.raises(InfoMaxError, match=r"was made with another model: use that one"):
        Index.create(place, other)


def test_something_else_is_not_overwritten(bucket: str, place: str, model: InfoMax) -> None:
    write_object(f"{bucket}/data/own.txt", b"own")
    with pytest.raises(InfoMaxError, match=r"data' is not empty and holds no index: choose another --index$"):
        Index.create(f"{bucket}/data", model)


def test_two_machines_index_at_once(
    place: str, model: InfoMax, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Index.create(place, model, device="cpu")
    second = elsewhere(place, tmp_path, monkeypatch)
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(index.synchronize, photos / name, batch=2) for index, name in ((first, "cat"), (second, "dog"))
        ]
        assert [job.result().added for job in jobs] == [15, 15]
    listed = [each.path for each in Index(place, device="cpu").page(limit=99)]
    assert listed == sorted(map(str, photos.glob("*/*.png")))  # nothing is lost, and nothing is there twice


def test_a_server_that_is_killed_and_restarted_is_waited_for(
    place: str, model: InfoMax, photos: Path, tmp_path: Path, s3: Gate
) -> None:
    index = Index.create(place, model, device="cpu")
    restarts: list[float] = []

    def embed(images: UInt8[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n d"]:
        if len(restarts) < 2:  # away while the next batch is committed
            s3.close()
            restarts.append(time.monotonic())
            Timer(0.3, s3.open).start()
        return model.encode(images)

    source = index._folder.open_source(photos, DEFAULT_OPTIONS, NOWHERE, index.kind, remember=False, named=False)
    changes = synchronize(index._store, source, embed, index._reader(DEFAULT_OPTIONS), model="", batch=16)
    assert (changes.added, len(restarts)) == (31, 2)
    assert_same(Index(place, device="cpu"), Index.create(tmp_path / "index", model).add(photos))


@pytest.mark.parametrize("pieces", [20, 60])
def test_a_server_that_stays_away_is_one_line_and_a_rerun_completes(
    pieces: int, place: str, model: InfoMax, photos: Path, tmp_path: Path, s3: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("infomax.object_store.REQUEST_ATTEMPTS", 1)
        s3.close_at = s3.pieces + pieces
        with pytest.raises(InfoMaxError, match=r"^cannot [^\n]* run the command again[^\n]*$"):
            Index.create(place, model, device="cpu").add(photos)
        s3.open()
    index = Index.create(place, model, device="cpu").add(photos)
    assert_same(index, Index.create(tmp_path / "index", model).add(photos))
