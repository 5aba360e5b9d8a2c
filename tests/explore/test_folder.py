"""The folder of a collection: named by its sources, locked while something learns, replaced as a whole."""

import threading
from pathlib import Path

import pytest

from infomax.errors import InfoMaxError
from infomax.explore.folder import Completion, ExploreFolder, collection_name, folder_of
from infomax.files import locked_folder


def test_a_collection_has_one_folder_however_it_is_named(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = tmp_path / "My photos"
    photos.mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(photos)
    found = folder_of([str(photos)])
    assert found.parent == cache / "explore"
    assert found.name.startswith("My-photos-")
    for same in (f"{photos}/", "My photos", "./My photos", "link"):
        assert folder_of([same]).name.rpartition("-")[2] == found.name.rpartition("-")[2]
    others = [folder_of([str(tmp_path)]), folder_of(["digits"]), folder_of(["digits", str(photos)])]
    assert len({found, *others}) == 4
    assert folder_of(["digits", str(photos)]).name[-12:] == folder_of([str(photos), "digits"]).name[-12:]
    assert others[1].name.startswith("digits-")
    assert collection_name([str(photos)]) == "My photos"


def test_what_is_no_folder_of_a_collection_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Ann")
    with pytest.raises(InfoMaxError, match="is not empty and holds no model: choose another --folder"):
        ExploreFolder(tmp_path).make()
    with pytest.raises(InfoMaxError, match=r"cannot keep model and index .* choose another --folder"):
        ExploreFolder(tmp_path / "letter.txt").make()
    new = ExploreFolder(tmp_path / "a" / "b")
    new.make()
    new.make()
    assert new.completion() is None
    new.complete(Completion(images=5, learned_from=4))
    assert new.completion() == Completion(5, 4)


def test_one_process_learns_and_others_wait(tmp_path: Path) -> None:
    folder, waited, order = ExploreFolder(tmp_path), threading.Event(), []
    with locked_folder(tmp_path, "taken"):

        def learn() -> None:
            with folder.locked(waited.set):
                order.append("second")

        thread = threading.Thread(target=learn)
        thread.start()
        assert waited.wait(60)
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]


def test_progress_is_shown_to_other_processes(tmp_path: Path) -> None:
    folder = ExploreFolder(tmp_path)
    assert folder.shown() == {}
    folder.show({"stage": "decoding", "part": 0.5})
    assert ExploreFolder(tmp_path).shown() == {"stage": "decoding", "part": 0.5}
    (tmp_path / "learning.json").write_text("half a li")
    assert folder.shown() == {}


def files(folder: ExploreFolder) -> dict[str, str]:
    return {
        each.relative_to(folder.path).as_posix(): each.read_text()
        for each in folder.path.rglob("*.*")
        if each.is_file()
    }


@pytest.mark.parametrize("killed_after", range(4))
def test_new_model_and_index_take_the_place_of_the_old_ones_whenever_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    folder = ExploreFolder(tmp_path)
    for name, content in {"model": "old", "index": "old", "model.new": "new", "index.new": "new"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.bin").write_text(content)
    (folder.index / "tags.jsonl").write_text("what people decided")
    steps, rename = [killed_after], Path.rename

    def rename_or_die(self: Path, target: Path) -> Path:
        if steps[0] == 0:
            raise KeyboardInterrupt
        steps[0] -= 1
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", rename_or_die)
        with pytest.raises(KeyboardInterrupt):
            folder.replace()
    folder.replace()
    assert files(folder) == {
        "model/weights.bin": "new",
        "index/weights.bin": "new",
        "index/tags.jsonl": "what people decided",
    }
    folder.replace()  # nothing new: nothing is done
    assert (folder.model / "weights.bin").read_text() == "new"
