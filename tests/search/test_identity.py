"""One file by several paths, on a real disk."""

import os
from pathlib import Path

from infomax.search.identity import identities, preference, repeats


def chosen(paths: list[str]) -> dict[str, str]:
    """Each path that is not the best of its file, and the best."""
    return {paths[place]: paths[best] for place, best in repeats(paths, identities(paths)).items()}


def test_the_first_of_two_hard_links_and_a_real_path_before_a_link(tmp_path: Path) -> None:
    real, hard, link, copy = (str(tmp_path / name) for name in ("b.jpg", "c.jpg", "a.jpg", "copy.jpg"))
    for file in (real, copy):
        Path(file).write_text("content")
    os.link(real, hard)
    Path(link).symlink_to(real)
    for paths in ([real, hard, link, copy], [link, copy, hard, real]):
        assert chosen(paths) == {hard: real, link: real}
    assert chosen([link, copy]) == {}
    assert sorted([hard, link, real], key=preference) == [real, hard, link]


def test_a_folder_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "1.jpg").touch()
    (tmp_path / "a").symlink_to(tmp_path / "z")
    through, real = str(tmp_path / "a" / "1.jpg"), str(tmp_path / "z" / "1.jpg")
    assert chosen([through, real]) == {through: real}


def test_rows_of_one_table_are_different_images_and_those_of_a_linked_table_are_not(tmp_path: Path) -> None:
    table, hard = tmp_path / "a.parquet", tmp_path / "b.parquet"
    table.touch()
    os.link(table, hard)
    rows = [f"{file}#{row}" for file in (hard, table) for row in range(3)]
    assert chosen(rows) == {f"{hard}#{row}": f"{table}#{row}" for row in range(3)}


def test_paths_without_a_file_are_no_repeats() -> None:
    assert chosen(["digits#1", "digits#2", "/no/such.jpg", "/no/such/other.jpg"]) == {}
    assert chosen([]) == {}
