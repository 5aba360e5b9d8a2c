"""What a person may give as SOURCE, and how it is recognized."""

import difflib
import glob
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from infomax.errors import InfoMaxError
from infomax.images.arrays import ArrayRows, array_rows, npy_rows, npz_rows
from infomax.images.decoding import extensions
from infomax.images.folder import image_files, image_folder
from infomax.images.parquet import parquet_rows
from infomax.images.source import Source
from infomax.paths import shown

SourceLike: TypeAlias = str | Path | Sequence[str | Path] | NDArray[Any]
"""A folder, file or quoted glob; several files; uint8 pixels (n, h, w[, c]) with c = 1, 3 or 4; or a name of NAMED."""

DIGITS_TRAIN = 1347
"""The first three quarters of scikit-learn's 1797 digits, as in its examples."""


def open_source(source: SourceLike) -> Source:
    """The images that `source` means, listed but not yet read.

    A name such as `digits` is always the named collection; write `./digits` for a folder of that name.

    Raises InfoMaxError where there are none.
    """
    if isinstance(source, np.ndarray):
        return array_rows(source, "array")
    if not isinstance(source, str | Path):
        return several(source)
    if isinstance(source, str) and source in NAMED:
        return NAMED[source]()
    try:
        return at_path(Path(source).expanduser())
    except OSError as error:
        raise InfoMaxError(f"{shown(source)} cannot be reached ({error.strerror}): check the path") from None


def at_path(path: Path) -> Source:
    """The images in a folder, in a file, or in the files that match a pattern."""
    if path.is_dir():
        return image_folder(path)
    if path.is_file():
        return one_file(path)
    if path.exists() or path.is_symlink():
        raise InfoMaxError(
            f"{shown(path)} is neither a folder nor a file but a pipe, device or link to nothing: give one"
        )
    if glob.has_magic(str(path)):
        return matching(path)
    raise InfoMaxError(f"no such file or folder: {shown(path)}{nearest(str(path))}")


def one_file(path: Path) -> Source:
    """The images of one file, which its extension tells; a single image is a collection of one."""
    extension = path.suffix.lower()
    if extension == ".npy":
        return npy_rows(path)
    if extension == ".npz":
        return npz_rows(path)
    return files([path], str(path), f"file {path.resolve()}")


def matching(pattern: Path) -> Source:
    """The files that match a pattern, in the order of their paths; they stay one collection as files come and go."""
    paths = [Path(path) for path in sorted(glob.glob(str(pattern), recursive=True))]  # noqa: PTH207
    if not paths:
        raise InfoMaxError(f"no file matches {shown(pattern)}: check the pattern and the folder it starts from")
    return files(paths, str(pattern), f"pattern {pattern.absolute()}")


def several(source: Sequence[str | Path]) -> Source:
    """The images of several files named one by one."""
    if not source:
        raise InfoMaxError("no files given: name at least one")
    if len(source) == 1:
        return open_source(source[0])
    paths = [Path(path).expanduser() for path in source]
    if missing := [path for path in paths if not path.is_file()]:
        raise InfoMaxError(
            f"no such file: {shown(missing[0])} ({len(missing)} of {len(paths)} are no files): name files"
        )
    return files(paths, f"{len(paths)} files", "\n".join(["files", *(str(path.resolve()) for path in paths)]))


def files(paths: Sequence[Path], name: str, identity: str) -> Source:
    """The images of files that are all parquet or all images; InfoMaxError where they are anything else."""
    kinds = {path.suffix.lower() for path in paths}
    if kinds == {".parquet"}:
        return parquet_rows(paths, name, identity)
    if kinds <= extensions():
        return image_files(paths, name, identity)
    odd = next(path for path in paths if path.suffix.lower() not in extensions())
    if odd.suffix.lower() == ".parquet":
        raise InfoMaxError(f"{shown(name)} mixes parquet files and images: give one kind at a time")
    raise InfoMaxError(
        f"{shown(odd)} is of no supported kind: give a folder of images, parquet files of images, .npy or .npz"
    )


def digits(rows: slice = slice(None)) -> ArrayRows:
    """The 8 x 8 gray digits that come with scikit-learn, their 17 levels spread over 0 to 255."""
    from sklearn.datasets import load_digits

    data = load_digits()
    whole = array_rows(np.rint(data.images * (255 / 16)).astype(np.uint8), "digits")
    return replace(whole, labels=[str(label) for label in data.target.tolist()]).part(rows)


def cifar10(split: str) -> Source:
    """One split of CIFAR-10, from parquet files that somebody has put in place: nothing is ever downloaded."""
    folder = Path(os.environ.get("INFOMAX_DATA") or "~/.cache/infomax/data").expanduser() / "cifar10"
    if not any(folder.glob(f"{split}-*.parquet")):
        raise InfoMaxError(
            f"CIFAR-10 is not here: put the files {split}-*.parquet of the public dataset uoft-cs/cifar10 into "
            f"{shown(folder)}, or set INFOMAX_DATA to the folder above"
        )
    return matching(folder / f"{split}-*.parquet")


NAMED: dict[str, Callable[[], Source]] = {
    "digits": digits,
    "digits:train": partial(digits, slice(None, DIGITS_TRAIN)),
    "digits:test": partial(digits, slice(DIGITS_TRAIN, None)),
    "cifar10": partial(cifar10, "train"),
    "cifar10:train": partial(cifar10, "train"),
    "cifar10:test": partial(cifar10, "test"),
}
"""The collections that go by a name."""


def nearest(text: str) -> str:
    """The end of an error message: the known name that `text` may have meant, or all that would have done."""
    if close := difflib.get_close_matches(text, NAMED, n=1):
        return f"; did you mean {close[0]}?"
    return f"; give a folder, a parquet, .npy or .npz file, or one of {', '.join(NAMED)}"
