"""A data set as it is cloned: a folder of parquet files, whose splits must not be mixed by accident."""

from pathlib import Path

import pytest

from infomax.errors import InfoMaxError
from infomax.images import load_images, open_source
from tests.images.conftest import noise, put, put_parquet, stored


def put_shards(root: Path, *names: str) -> Path:
    put(root / "README.md", b"A data set.")
    put(root / ".git/old.parquet", b"not looked at")
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        put_parquet(root / name, [stored(noise(4, 4, seed=seed))] * 2, [0, 1], names=True)
    return root


TRAIN = [f"data/train-0000{shard}-of-00003.parquet" for shard in range(3)]


@pytest.mark.parametrize(
    "names",
    [
        TRAIN,
        ["default/train/0000.parquet", "default/train/0001.parquet"],
        ["0000.parquet", "0001.parquet"],
        ["cats.parquet", "dogs/contest.parquet"],
        ["only.PARQUET"],
    ],
)
def test_all_files_of_one_split_are_taken(names: list[str], tmp_path: Path) -> None:
    source = open_source(put_shards(tmp_path / "set", *names))
    assert source.paths() == [f"{tmp_path}/set/{name}#{row}" for name in names for row in (0, 1)]
    assert load_images(tmp_path / "set", 4).labels == ["cat", "dog"] * len(names)


@pytest.mark.parametrize(
    ("names", "choices"),
    [
        (
            [*TRAIN, "data/test-00000-of-00001.parquet"],
            {"test": "data/test-00000-of-00001.parquet", "train": "data/train-*.parquet"},
        ),
        (
            ["d/train/0000.parquet", "d/train/0001.parquet", "d/validation/0000.parquet"],
            {"train": "d/train/*.parquet", "validation": "d/validation/0000.parquet"},
        ),
        (["train.parquet", "rest.parquet"], {"others": "rest.parquet", "train": "train.parquet"}),
    ],
)
def test_several_splits_are_listed_with_what_to_type(names: list[str], choices: dict[str, str], tmp_path: Path) -> None:
    root = put_shards(tmp_path / "set", *names)
    with pytest.raises(InfoMaxError) as raised:
        load_images(root, 4)
    listed = ", ".join(f"{split}: '{root}/{pattern}'" for split, pattern in choices.items())
    assert str(raised.value) == (
        f"'{root}' is a data set of 2 splits: give one of them in quotes ({listed}), "
        f"or all of them, '{root}/**/*.parquet'"
    )
    counts = [len(load_images(str(root / pattern), 4).pixels) for pattern in choices.values()]
    assert sum(counts) == len(load_images(str(root / "**/*.parquet"), 4).pixels) == 2 * len(names)


def test_images_come_before_tables(tmp_path: Path) -> None:
    root = put_shards(tmp_path / "set", "features.parquet")
    put(root / "files/a.png", noise(4, 4))
    assert load_images(root, 4).keys == ["files/a.png"]


def test_a_clone_without_its_files(tmp_path: Path) -> None:
    put(tmp_path / "data/train.parquet", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(InfoMaxError, match="is a Git LFS pointer, not the file itself: run git lfs pull"):
        load_images(tmp_path, 4)
