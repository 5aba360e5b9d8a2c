"""A data set as it is cloned from the Hugging Face hub: a folder of parquet files, one or more for each split."""

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from infomax.errors import InfoMaxError
from infomax.paths import quoted_path

_SPLITS = "train|training|test|testing|val|valid|validation|dev|eval"
_NAMES_SPLIT = re.compile(rf"(?:^|[-_. ])({_SPLITS})(?:[-_. ]|$)", re.IGNORECASE)
_SHARD = re.compile(r"\d+(-of-\d+)?$")  # end of train-00000-of-00003


def parquet_files(root: Path) -> list[Path]:
    """Find the parquet files below a folder. Hidden files and folders are ignored.

    Args:
        root: Folder in any nesting.

    Returns:
        The files, in the order of their paths.

    """
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in files if _is_parquet(name)]
    return sorted(found)


def _is_parquet(name: str) -> bool:
    return name.lower().endswith(".parquet") and not name.startswith(".")


def validate_one_split(root: Path, files: Sequence[Path]) -> None:
    """Check that the files of a data set belong together. To learn from a test split must be a decision.

    Args:
        root: Folder of the data set.
        files: Its parquet files.

    Raises:
        InfoMaxError: The files are of several splits. The message says what to type for each.

    """
    splits: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        splits[_split_of(file.relative_to(root))].append(file)
    if len(splits) < 2:
        return
    choices = ", ".join(f"{split or 'others'}: {_pattern(splits[split])}" for split in sorted(splits))
    everything = quoted_path(root / "**" / "*.parquet")
    raise InfoMaxError(
        f"{quoted_path(root)} is a data set of {len(splits)} splits: give one of them in quotes ({choices}), "
        f"or all of them, {everything}"
    )


def _split_of(file: Path) -> str:
    """Split that a file belongs to by its name or by a folder on its path; "" if neither says."""
    for part in (file.stem, *reversed(file.parent.parts)):
        if found := _NAMES_SPLIT.search(part):
            return found[1].lower()
    return ""


def _pattern(files: Sequence[Path]) -> str:
    """Pattern for files, as it must be typed; several if the names differ in more than a number."""
    shards: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for file in files:
        shards[file.parent, _SHARD.sub("", file.stem)].append(file)
    return " ".join(
        quoted_path(group[0] if len(group) == 1 else parent / f"{stem}*.parquet")
        for (parent, stem), group in shards.items()
    )
