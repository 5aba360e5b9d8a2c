"""The folder of an index: made once, moved, damaged, read-only, or on a full disk; and what loads when it is opened."""

import os
import pickle
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from shutil import copytree

import pytest

from infomax import Index, InfoMax, InfoMaxError
from infomax.search.index_folder import FORMAT
from tests.conftest import SMALL, colored, environment, no_room
from tests.search.conftest import content, paths
from tests.search.memory import MemoryStore

joblib = import_module("joblib")  # has no types


def test_the_folder_is_all_that_a_search_needs(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model).add(photos)
    copytree(tmp_path / "index", tmp_path / "elsewhere")
    (tmp_path / "index").rename(tmp_path / "gone")
    moved = Index(tmp_path / "elsewhere")
    assert paths(moved.search(photos / "cat" / "00.png", 3)) == paths(
        Index(tmp_path / "gone").search(photos / "cat" / "00.png", 3)
    )
    assert content(moved) == content(Index(tmp_path / "gone"))
    assert index.fingerprint == moved.model.fingerprint


def test_an_index_opens_by_its_path(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    Index.create(tmp_path / "photos.index", model).add(photos)
    index = Index(str(tmp_path / "photos.index"), device="cpu")
    assert len(index) == len(Index.open(index.path)) == 31
    assert repr(index) == f"Index({str(tmp_path / 'photos.index')!r}, images=31, dim=8)"
    assert index.fingerprint == model.fingerprint


def test_a_pickled_index_opens_its_folder_again(
    model: InfoMax, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    index = Index.create("index", model, device="cpu", progress=False).add(photos)
    found = index.search(photos / "cat" / "04.png", 5)
    content = pickle.dumps(index)
    assert len(content) < 2000  # the path, and not the model that the search has loaded
    joblib.dump(index, tmp_path / "index.joblib")
    monkeypatch.chdir(photos)  # a relative path is made absolute
    for again in (pickle.loads(content), joblib.load(tmp_path / "index.joblib")):
        assert again.path == tmp_path / "index"
        assert (again.device, again.progress) == ("cpu", False)
        assert again.search(photos / "cat" / "04.png", 5) == found
    own = Index(tmp_path / "index", store=MemoryStore(8))
    assert len(pickle.loads(pickle.dumps(own))) == 0


def test_threads_of_joblib_can_search_one_index(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model, device="cpu").add(photos)
    files = sorted((photos / "cat").iterdir())[:4]
    found = joblib.Parallel(n_jobs=2, prefer="threads")(joblib.delayed(index.search)(file, 1) for file in files)
    assert [paths(each) for each in found] == [[str(file)] for file in files]


def test_another_model_is_refused(model: InfoMax, tmp_path: Path) -> None:
    Index.create(tmp_path / "index", model)
    again = Index.create(tmp_path / "index", model)
    assert len(again) == 0
    other = InfoMax(SMALL, seed=1).fit(colored(40))
    with pytest.raises(InfoMaxError, match=r"was made with another model: use that one, which is in '.*model'"):
        Index.create(tmp_path / "index", other)
    other.save(tmp_path / "index" / "model")
    with pytest.raises(InfoMaxError, match="is not the model this index was made with"):
        _ = Index(tmp_path / "index").model


def test_a_fingerprint_survives_saving_and_differs_between_models(model: InfoMax, tmp_path: Path) -> None:
    model.save(tmp_path / "run")
    assert InfoMax.load(tmp_path / "run").fingerprint == model.fingerprint
    others = [InfoMax(SMALL, seed=1), InfoMax(SMALL.with_settings(shift=-0.4))]
    prints = {model.fingerprint, *(each.fit(colored(40)).fingerprint for each in others)}
    assert len(prints) == 3


def test_folders_without_an_index_are_refused(model: InfoMax, tmp_path: Path) -> None:
    with pytest.raises(InfoMaxError, match="does not exist: make one with infomax index"):
        Index(tmp_path / "nowhere")
    with pytest.raises(InfoMaxError, match="holds no index"):
        Index(tmp_path)
    (tmp_path / "file").touch()
    for use in (Index, Index.open, lambda path: Index.create(path, model)):
        with pytest.raises(InfoMaxError, match="is a file, and an index is a folder"):
            use(tmp_path / "file")
    with pytest.raises(InfoMaxError, match="is not empty and holds no index"):
        Index.create(tmp_path, model)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda index: (index / "index.json").write_text("{"), "damaged"),
        (lambda index: (index / "index.json").write_text('{"format": 2}'), "damaged"),
        (lambda index: (index / "index.json").write_text('{"format": 9, "model": "", "dim": 8}'), "has format 9"),
        (
            lambda index: (index / "index.json").write_text(f'{{"format": {FORMAT}, "model": "", "dim": 9}}'),
            "vectors of 8 numbers",
        ),
        (lambda index: (index / "index.json").unlink(), "holds no index"),
        (lambda index: (index / "images.lance").rename(index / "x"), "lacks its table"),
        (lambda index: [file.unlink() for file in (index / "images.lance" / "_versions").iterdir()], "cannot open"),
        (lambda index: (index / "model" / "model.safetensors").unlink(), "has no model yet"),
        (lambda index: (index / "model" / "model.safetensors").write_bytes(b"x"), "is damaged"),
        (lambda index: [file.unlink() for file in (index / "images.lance" / "data").iterdir()], "cannot read"),
    ],
)
def test_a_damaged_index_is_reported_in_one_line(
    model: InfoMax, photos: Path, tmp_path: Path, break_it: object, why: str
) -> None:
    Index.create(tmp_path / "index", model).add(photos)
    break_it(tmp_path / "index")  # type: ignore[operator]
    with pytest.raises(InfoMaxError, match=why) as told:
        Index(tmp_path / "index").search(photos / "30.png")
    assert "\n" not in str(told.value)


def test_a_full_disk_costs_no_committed_image(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model)
    index.add(photos / "cat")
    with no_room(2000), pytest.raises(InfoMaxError, match=r"file too large.*make room there"):
        index.add(photos)
    assert len(Index(tmp_path / "index")) == 15
    index.add(photos)
    assert len(index) == 31
    with no_room(500), pytest.raises((InfoMaxError, OSError)):
        Index.create(tmp_path / "new", model)
    assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob(".new*"))


@pytest.mark.skipif(not hasattr(os, "seteuid") or os.geteuid() != 0, reason="needs root, to become somebody else")
def test_a_read_only_index_can_be_searched_but_not_written(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    Index.create(tmp_path / "index", model).add(photos / "cat")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o755)
    index = Index(tmp_path / "index")
    _ = index.model
    os.seteuid(65534)
    try:
        assert len(Index(tmp_path / "index").search(photos / "cat" / "00.png")) == 10
        with pytest.raises(InfoMaxError, match=r"permission denied.*that you may write to"):
            index.add(photos)
        with pytest.raises(PermissionError):
            Index.create(tmp_path / "new", model)
    finally:
        os.seteuid(0)


def modules_after(code: str, cache: Path) -> set[str]:
    """Which of torch and LanceDB a fresh Python has loaded after some lines."""
    names = "{'torch', 'lancedb'}"
    ended = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*({names} & {{*sys.modules}}))"],
        check=True,
        capture_output=True,
        text=True,
        env=environment(cache),
    )
    return {*ended.stdout.split()}


def test_torch_and_the_database_load_when_they_are_needed(
    model: InfoMax, photos: Path, tmp_path: Path, cache: Path
) -> None:
    Index.create(tmp_path / "index", model).add(photos)
    assert modules_after("import infomax; infomax.Index", cache) == set()
    opening = f"from infomax import Index; index = Index({str(tmp_path / 'index')!r}); image = index.page(0, 1)[0]"
    browsing = f"{opening}; index.similar(image.id)._repr_html_(); index.statistics(); len(index.vectors()[0])"
    assert modules_after(browsing, cache) == {"lancedb"}
    assert modules_after(f"{opening}; index.search(image.path)", cache) == {"lancedb", "torch"}


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    import infomax

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = infomax.nothing
