"""Moving the surplus of duplicates away and back: what moves, what stays, and why."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infomax.cleaning.choice import choose
from infomax.cleaning.journal import Journal
from infomax.cleaning.moving import LINK_REASON, ROW_REASON, Outcome, move_surplus, undo_moves
from infomax.cleaning.transfer import move_file
from infomax.errors import InfoMaxError
from infomax.files import locked_folder
from infomax.images.folder import image_folder
from infomax.paths import JOURNAL
from tests.cleaning.conftest import NewIndex, chosen, contents, same_bytes, scene, tree


def names(outcome: Outcome) -> set[str]:
    return {move.source.name for move in outcome.moves}


def reasons(outcome: Outcome) -> dict[str, tuple[str, bool]]:
    return {Path(each.path).name: (each.reason, each.failed) for each in outcome.left}


def test_all_but_the_best_are_moved_and_moved_back(new_index: NewIndex, photos: Path, tmp_path: Path) -> None:
    index, before, trash = new_index(photos), tree(photos), tmp_path / "trash"
    outcome = move_surplus(index, chosen(index), trash)
    # of equal copies the oldest stays, which is the first
    assert sorted(each.name for each in photos.rglob("*.png")) == ["0.png", "1.png", "2.png"]
    assert {path.parent.name for path in photos.rglob("*.png")} == {"cat"}
    assert (outcome.images, outcome.groups, outcome.left, outcome.failed) == (4, 2, [], False)
    for move in outcome.moves:
        assert move.target == trash / move.source.relative_to("/")
        digest, time, mode = before[str(move.source)]
        assert tree(trash)[str(move.target)] == (digest, time, mode)
    assert chosen(index) == []  # the rows of moved files count as gone
    assert move_surplus(index, chosen(index), trash).moves == []
    back = undo_moves(trash)
    assert names(back) == names(outcome)
    assert tree(photos) == before
    assert [path.name for path in trash.iterdir()] == [JOURNAL]
    assert len(chosen(index)) == 2
    assert undo_moves(trash).moves == []


def test_a_dry_run_changes_nothing(new_index: NewIndex, photos: Path, tmp_path: Path) -> None:
    index, before = new_index(photos), tree(photos)
    planned = move_surplus(index, chosen(index), tmp_path / "trash", dry_run=True)
    assert (tree(photos), (tmp_path / "trash").exists()) == (before, False)
    moved = move_surplus(index, chosen(index), tmp_path / "trash")
    assert planned == moved


def test_no_folder_is_made_when_nothing_is_moved(new_index: NewIndex, photos: Path, tmp_path: Path) -> None:
    index = new_index(photos)
    assert move_surplus(index, [], tmp_path / "trash").moves == []
    assert not (tmp_path / "trash").exists()


def test_each_line_of_the_journal_says_from_to_size_and_hash(new_index: NewIndex, photos: Path, tmp_path: Path) -> None:
    index, trash = new_index(photos), tmp_path / "trash"
    outcome = move_surplus(index, chosen(index), trash)
    lines = [json.loads(line) for line in (trash / JOURNAL).read_text().splitlines()]
    moves = [line for line in lines if "move" in line]
    assert [line for line in lines if "done" in line] == [{"done": move["move"]} for move in moves]
    hashes = {each.path: content for each in index.page() for content in index.hashes([each.id]).values()}
    assert [(line["from"], trash / line["to"], line["size"], line["hash"]) for line in moves] == [
        (str(move.source), move.target, move.target.stat().st_size, hashes[str(move.source)]) for move in outcome.moves
    ]


def test_the_folder_may_be_moved_before_it_is_undone(new_index: NewIndex, photos: Path, tmp_path: Path) -> None:
    index, before = new_index(photos), tree(photos)
    move_surplus(index, chosen(index), tmp_path / "trash")
    (tmp_path / "trash").rename(tmp_path / "renamed")
    undo_moves(tmp_path / "renamed" / JOURNAL)  # the journal itself may be named
    assert tree(photos) == before


def test_nothing_is_overwritten_by_a_move(new_index: NewIndex, photos: Path, tmp_path: Path) -> None:
    """A file of the same path is moved a second time."""
    index, trash, copy = new_index(photos), tmp_path / "trash", photos / "dog" / "one.png"
    move_surplus(index, chosen(index), trash)
    first = tree(trash)
    copy.write_bytes((photos / "cat" / "2.png").read_bytes())
    index.synchronize(photos)
    [move] = move_surplus(index, chosen(index), trash).moves
    assert move.source == copy
    assert move.target.name == "one (2).png"
    first.pop(str(trash / JOURNAL))
    assert first.items() <= tree(trash).items()
    outcome = undo_moves(trash)  # the last one first
    assert copy.read_bytes() == (photos / "cat" / "2.png").read_bytes()
    assert [each.path.endswith("one.png") and "exists again" in each.reason for each in outcome.left] == [True]


def test_undo_replaces_nothing_and_tells_what_is_missing(new_index: NewIndex, photos: Path, tmp_path: Path) -> None:
    index, trash = new_index(photos), tmp_path / "trash"
    outcome = move_surplus(index, chosen(index), trash)
    targets = {move.source.name: move.target for move in outcome.moves}
    (photos / "dog" / "0.png").write_bytes(b"mine")
    targets["one.png"].unlink()
    targets["again.png"].write_bytes(b"edited")
    back = undo_moves(trash)
    assert names(back) == {"zero.png"}
    told = reasons(back)
    assert "exists again" in told["0.png"][0]
    assert "no longer there" in told["one.png"][0]
    assert "has changed" in told["again.png"][0]
    assert (photos / "dog" / "0.png").read_bytes() == b"mine"
    assert back.failed
    (photos / "dog" / "0.png").unlink()
    assert names(undo_moves(trash)) == {"0.png"}


def test_a_changed_file_stays(new_index: NewIndex, photos: Path, tmp_path: Path) -> None:
    index = new_index(photos)
    choices = chosen(index)
    content = (photos / "dog" / "0.png").read_bytes()
    times = {path: path.stat().st_mtime_ns for path in photos.rglob("*.png")}

    def put(name: str, data: bytes) -> None:
        """Write a file, and hide that it was written."""
        path = photos / name
        path.chmod(0o640)
        path.write_bytes(data)
        os.utime(path, ns=(times[path], times[path]))

    put("dog/0.png", content[:-1] + b"x")  # the same size and time
    put("dog/zero.png", content + b"x")
    os.utime(photos / "cat" / "again.png", ns=(1, 1))
    outcome = move_surplus(index, choices, tmp_path / "trash")
    assert names(outcome) == {"one.png"}
    assert {name: told for name, (told, failed) in reasons(outcome).items() if failed} == dict.fromkeys(
        ("0.png", "zero.png", "again.png"), "has changed since it was indexed: run infomax index again"
    )


@pytest.mark.parametrize("harm", ["changed", "removed"])
def test_no_copy_leaves_without_the_image_to_keep(new_index: NewIndex, photos: Path, tmp_path: Path, harm: str) -> None:
    index, best = new_index(photos), photos / "cat" / "0.png"
    choices = chosen(index)
    if harm == "changed":
        best.write_bytes(b"x" * best.stat().st_size)
    else:
        best.unlink()
    outcome = move_surplus(index, choices, tmp_path / "trash")
    assert names(outcome) == {"one.png"}
    assert reasons(outcome).keys() == {"0.png", "zero.png", "again.png"}
    assert all("image to keep" in reason and failed for reason, failed in reasons(outcome).values())


def test_one_file_by_several_paths_is_never_moved_as_its_own_duplicate(
    new_index: NewIndex, photos: Path, tmp_path: Path
) -> None:
    os.link(photos / "cat" / "2.png", photos / "hard.png")
    os.link(photos / "cat" / "2.png", photos / "hard#3.png")
    (photos / "soft.png").symlink_to("cat/2.png")
    (tmp_path / "elsewhere").mkdir()
    scene(9).save(tmp_path / "elsewhere" / "9.png")
    (photos / "more").symlink_to(tmp_path / "elsewhere")
    index = new_index(photos, tmp_path / "elsewhere")
    before = tree(photos, tmp_path / "elsewhere")
    choices = chosen(index)
    outcome = move_surplus(index, choices, tmp_path / "trash")
    assert names(outcome) == {"0.png", "zero.png", "again.png", "one.png"}
    assert not outcome.failed
    for name in ("hard.png", "hard#3.png", "soft.png", "more/9.png"):
        assert (photos / name).read_bytes()
    undo_moves(tmp_path / "trash")
    assert tree(photos, tmp_path / "elsewhere") == before
    assert (photos / "soft.png").is_symlink()


def test_a_link_stays_and_the_file_that_it_leads_to_can_go_and_come_back(
    new_index: NewIndex, photos: Path, tmp_path: Path
) -> None:
    """The best is another file. Once the target is indexed too, its row stands for both, and it may go."""
    (photos / "dog" / "one.png").unlink()
    (tmp_path / "disk").mkdir()
    (photos / "cat" / "1.png").rename(tmp_path / "disk" / "1.png")
    (photos / "cat" / "1.png").symlink_to(tmp_path / "disk" / "1.png")
    (photos / "aa.png").write_bytes((photos / "cat" / "1.png").read_bytes())
    os.utime(photos / "aa.png", ns=(1, 1))
    index = new_index(photos)
    outcome = move_surplus(index, chosen(index), tmp_path / "trash")
    assert reasons(outcome) == {"1.png": (LINK_REASON, False)}
    index.synchronize(tmp_path / "disk")
    outcome = move_surplus(index, chosen(index), tmp_path / "trash")
    assert [move.source for move in outcome.moves] == [tmp_path / "disk" / "1.png"]
    assert (photos / "cat" / "1.png").is_symlink()
    undo_moves(tmp_path / "trash")
    assert (photos / "cat" / "1.png").read_bytes() == (photos / "aa.png").read_bytes()


def test_images_in_a_file_of_many_stay_and_can_be_kept(new_index: NewIndex, photos: Path, tmp_path: Path) -> None:
    pixels = np.asarray(Image.open(photos / "cat" / "0.png"))[None]
    np.save(tmp_path / "many.npy", np.concatenate([pixels, pixels]))
    index = new_index(photos, tmp_path / "many.npy")
    rows = [image for image in index.page() if "#" in image.path]
    [group, *_] = same_bytes(index)
    assert len(rows) == 2
    worse = [replace(group, images=(*group.images[:2], *(replace(row, width=1) for row in rows)))]
    [choice] = choose(worse)
    outcome = move_surplus(index, [choice], tmp_path / "trash")
    assert [(each.reason, each.failed) for each in outcome.left] == [(ROW_REASON, False)] * 2
    assert outcome.images == 1
    undo_moves(tmp_path / "trash")
    better = [replace(group, images=(*group.images[:2], replace(rows[0], width=1000)))]
    [choice] = choose(better)
    assert choice.best.path.endswith("many.npy#0")
    assert move_surplus(index, [choice], tmp_path / "trash").images == 2
    undo_moves(tmp_path / "trash")
    os.utime(tmp_path / "many.npy", ns=(1, 1))
    outcome = move_surplus(index, [choice], tmp_path / "trash")
    assert outcome.moves == []
    assert all("file that has changed" in reason for reason, _ in reasons(outcome).values())


def test_an_image_in_memory_is_no_reason_to_move_a_file(new_index: NewIndex, photos: Path, tmp_path: Path) -> None:
    pixels = np.asarray(Image.open(photos / "cat" / "0.png"))[None]
    index = new_index(photos, pixels)
    [row] = [image for image in index.page() if image.path.startswith("array#")]
    [group, *_] = same_bytes(index)
    [choice] = choose([replace(group, images=(group.images[0], replace(row, width=1000)))])
    outcome = move_surplus(index, [choice], tmp_path / "trash")
    assert outcome.moves == []
    assert "no file that can be checked" in outcome.left[0].reason


def test_sidecars_go_along_and_come_back(new_index: NewIndex, photos: Path, tmp_path: Path) -> None:
    for name in ("dog/one.xmp", "dog/zero.png.json", "dog/zero.MOV", "cat/1.xmp", "dog/other.xmp"):
        (photos / name).write_text(name)
    index, before = new_index(photos), tree(photos)
    outcome = move_surplus(index, chosen(index), tmp_path / "trash")
    assert outcome.images == 4
    assert {move.source.name for move in outcome.moves if move.image is not None} == {
        "one.xmp",
        "zero.png.json",
        "zero.MOV",
    }
    assert sorted(path.name for path in photos.rglob("*") if path.suffix == ".xmp") == ["1.xmp", "other.xmp"]
    undo_moves(tmp_path / "trash")
    assert tree(photos) == before


def test_what_cannot_be_moved_is_told_and_the_rest_goes_on(
    new_index: NewIndex, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "dog" / "zero.xmp").touch()
    index, real = new_index(photos), move_file

    def refuse(source: Path, target: Path, digest: str) -> None:
        if source.name == "zero.png":
            raise PermissionError(errno.EACCES, "Permission denied", str(source))
        real(source, target, digest)

    monkeypatch.setattr("infomax.cleaning.journal.move_file", refuse)
    outcome = move_surplus(index, chosen(index), tmp_path / "trash")
    assert names(outcome) == {"0.png", "again.png", "one.png"}
    assert reasons(outcome) == {"zero.png": ("cannot be moved (permission denied)", True)}
    assert (photos / "dog" / "zero.xmp").exists()
    monkeypatch.undo()
    assert names(move_surplus(index, chosen(index), tmp_path / "trash")) == {"zero.png", "zero.xmp"}


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_folder_is_told(new_index: NewIndex, photos: Path, tmp_path: Path) -> None:
    index, before = new_index(photos), tree(photos)
    (photos / "dog").chmod(0o555)
    outcome = move_surplus(index, chosen(index), tmp_path / "trash")
    (photos / "dog").chmod(0o755)
    assert names(outcome) == {"again.png"}
    assert outcome.failed
    undo_moves(tmp_path / "trash")
    assert tree(photos) == before


def test_folders_that_cannot_be_moved_to(new_index: NewIndex, photos: Path, tmp_path: Path) -> None:
    index, before = new_index(photos), tree(photos)
    choices = chosen(index)
    for folder, told in {
        photos: r"holds images of the index \(7\)",
        tmp_path: r"holds images of the index \(7\)",
        photos / "cat": r"holds images of the index \(4\)",
        photos / "cat" / "0.png": "is a file",
        index.path: "is in the index",
        index.path / "trash": "is in the index",
    }.items():
        with pytest.raises(InfoMaxError, match=told):
            move_surplus(index, choices, folder)
    assert tree(photos) == before


def test_what_was_moved_within_the_collection_is_not_indexed_again(new_index: NewIndex, photos: Path) -> None:
    index = new_index(photos)
    move_surplus(index, chosen(index), photos / "trash")
    assert len(image_folder(photos).entries) == 3
    changes = index.synchronize(photos, prune=True)
    assert (changes.added, changes.removed) == (0, 4)
    assert len(image_folder(photos / "trash").entries) == 4  # if asked for by name
    undo_moves(photos / "trash")
    assert index.synchronize(photos).added == 4


def test_two_processes_do_not_move_at_once(new_index: NewIndex, photos: Path, tmp_path: Path) -> None:
    index, trash = new_index(photos), tmp_path / "trash"
    choices = chosen(index)
    trash.mkdir()
    before = tree(photos)
    with locked_folder(trash, ""), pytest.raises(InfoMaxError, match=r"another process moves files of .*trash"):
        move_surplus(index, choices, trash)
    with locked_folder(index.path, ""), pytest.raises(InfoMaxError, match="another process moves images"):
        move_surplus(index, choices, tmp_path / "other")
    assert tree(photos) == before
    move_surplus(index, choices, trash)
    with locked_folder(trash, ""), pytest.raises(InfoMaxError, match="another process"):
        undo_moves(trash)


def test_file_names_of_any_kind(new_index: NewIndex, photos: Path, tmp_path: Path) -> None:
    content = (photos / "cat" / "2.png").read_bytes()
    odd = ["two\nlines.png", "#3.png", "a#3.png", "x" * 250 + ".png", "caf\udce9.png", "-.png", "a\u2028b.png"]
    for number, name in enumerate(odd):
        path = photos / "odd" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        os.utime(path, ns=(2 * 10**18, 2 * 10**18 + number))
    index = new_index(photos)
    before = contents(photos)
    outcome = move_surplus(index, chosen(index), tmp_path / "trash")
    assert set(odd) <= names(outcome)
    assert outcome.left == []
    assert contents(photos) == before
    undo_moves(tmp_path / "trash")
    assert sorted(path.name for path in (photos / "odd").iterdir()) == sorted(odd)


def test_a_folder_without_a_journal_and_a_damaged_one(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InfoMaxError, match="has no undo file"):
            undo_moves(folder)
    good = {"move": 1, "from": "/a", "to": "a", "size": 1, "hash": "", "mtime_ns": 1}
    for bad in ("{", '{"done": 7}', json.dumps({**good, "to": "../a"}), json.dumps({**good, "to": "/a"}), "3"):
        (tmp_path / JOURNAL).write_text(f"{json.dumps(good)}\n{bad}\n")
        with pytest.raises(InfoMaxError, match=r"line 2 of .* is damaged"):
            Journal(tmp_path)
