"""Which image of a group is the best, and which of the others may go."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from infomax.cleaning.choice import choose
from infomax.errors import InfoMaxError
from infomax.search.results import Group, IndexedImage


def image(path: Path, width: int = 40, height: int = 30, size: int = 500, mtime: float | None = 5.0) -> IndexedImage:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    plain = IndexedImage(id=path.name, path=str(path), label=None, width=1, height=1, size=1, mtime=None)
    return replace(plain, width=width, height=height, size=size, mtime=mtime)


def group(*images: IndexedImage) -> Group:
    return Group(images, 0.9, "same image")


def test_the_best_has_most_pixels_then_bytes_then_is_oldest_then_first(tmp_path: Path) -> None:
    plain, twin = image(tmp_path / "b"), image(tmp_path / "a")
    large = image(tmp_path / "c", 41, 30, 10, 9.0)
    heavy = image(tmp_path / "d", size=501, mtime=9.0)
    old = image(tmp_path / "e", mtime=4.0)
    undated = image(tmp_path / "f", mtime=None)
    ranked = [large, heavy, old, twin, plain, undated]
    while len(ranked) > 1:
        [choice] = choose([group(*sorted(ranked, key=lambda each: each.path))])
        assert choice.best == ranked[0]
        assert set(choice.surplus) == set(ranked[1:])
        ranked = ranked[1:]


def test_a_file_that_is_gone_is_neither_kept_nor_moved(tmp_path: Path) -> None:
    best, second, third = (image(tmp_path / name, size=size) for name, size in (("a", 9), ("b", 8), ("c", 7)))
    Path(best.path).unlink()
    grouped = Group((best, second, third), 0.9, "same image", ("", "mirrored", "framed"))
    [choice] = choose([grouped])
    assert (choice.best, choice.surplus, choice.group) == (second, (third,), grouped)
    Path(third.path).unlink()
    [choice] = choose([grouped])
    assert (choice.best, choice.surplus) == (second, ())


def test_color_is_better_than_more_bytes(tmp_path: Path) -> None:
    color, gray = image(tmp_path / "color", size=9), image(tmp_path / "gray", size=90)
    red, white = (BytesIO(), BytesIO())
    Image.new("RGB", (20, 20), (200, 60, 60)).save(red, "webp")
    Image.new("RGB", (20, 20), (200, 200, 200)).save(white, "webp")
    thumbnails = {color.id: red.getvalue(), gray.id: white.getvalue()}
    [choice] = choose([group(color, gray)], thumbnails=lambda ids: {each: thumbnails[each] for each in ids})
    assert choice.best == color
    [choice] = choose([group(color, gray)])
    assert choice.best == gray


def test_images_of_a_reference_folder_stay_and_are_the_best(tmp_path: Path) -> None:
    small = image(tmp_path / "archive" / "small", 10, 10)
    smaller = image(tmp_path / "archive" / "deep" / "smaller", 9, 9)
    large = image(tmp_path / "new" / "large", 900, 900)
    similar = image(tmp_path / "archive2" / "large", 800, 800)  # only its name begins like the folder's
    [choice] = choose([group(smaller, small, similar, large)], references=[tmp_path / "archive"])
    assert choice.best == small
    assert choice.surplus == (similar, large)
    assert choose([group(large, similar)], references=[tmp_path / "archive"]) == []
    assert choose([group(smaller, small)], references=[tmp_path / "archive"]) == []


def test_a_reference_folder_is_known_through_a_link_too(tmp_path: Path) -> None:
    kept = image(tmp_path / "disk" / "archive" / "small", 10, 10)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "more").symlink_to(tmp_path / "disk" / "archive")
    linked = replace(kept, path=str(tmp_path / "photos" / "more" / "small"))
    large = image(tmp_path / "photos" / "large", 90, 90)
    for folder in (tmp_path / "disk", tmp_path / "photos" / "more"):
        [choice] = choose([group(large, linked)], references=[folder])
        assert (choice.best, choice.surplus) == (linked, (large,))


def test_a_reference_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InfoMaxError, match=r"reference folder .*archvie.* does not exist"):
        choose([], references=[tmp_path / "archvie"])


def test_images_of_one_folder_are_no_duplicates_of_each_other_if_asked(tmp_path: Path) -> None:
    burst = [image(tmp_path / "burst" / str(number), size=900 - number) for number in range(3)]
    other = image(tmp_path / "mail" / "small", size=10)
    assert choose([group(*burst)], across_folders=True) == []
    [choice] = choose([group(*burst, other)], across_folders=True)
    assert (choice.best, choice.surplus) == (burst[0], (other,))
    larger = replace(other, size=5000)
    [choice] = choose([group(*burst, larger)], across_folders=True)
    assert (choice.best, choice.surplus) == (larger, tuple(burst))
