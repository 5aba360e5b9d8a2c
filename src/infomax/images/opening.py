"""Open anything that a user may give as SOURCE."""

import difflib
import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from infomax.errors import InfoMaxError
from infomax.images.arrays import array_rows, npy_rows, npz_rows
from infomax.images.decoding import image_extensions
from infomax.images.folder import image_files, image_folder
from infomax.images.named import NAMED
from infomax.images.parquet import parquet_rows
from infomax.images.source import Source
from infomax.paths import quoted_path

# a folder, file or quoted glob; several files; uint8 pixels (n, h, w[, c]) with c = 1, 3 or 4; a name of NAMED; or a
# source that is open already
SourceLike: TypeAlias = str | Path | Sequence[str | Path] | NDArray[Any] | Source


def open_source(source: SourceLike) -> Source:
    """List the images of a source without reading them.

    A name such as `digits` always means the named collection. Write `./digits` for a folder of that name.

    Args:
        source: Folder, file, quoted glob, list of files, array of uint8 pixels, or the name of a collection. A source
            that is open already is returned as it is, so that a folder is walked only once.

    Returns:
        The open source.

    Raises:
        InfoMaxError: There are no images.

    Example:
        >>> digits = open_source("digits:test")
        >>> len(digits.entries), digits.entries[0].key
        (450, 'digits#1347')
        >>> open_source(digits) is digits
        True

    """
    if isinstance(source, Source):
        return source
    if isinstance(source, np.ndarray):
        return array_rows(source, "array")
    if not isinstance(source, str | Path):
        return _open_several(source)
    if isinstance(source, str) and source in NAMED:
        return NAMED[source]()
    try:
        return _open_path(Path(source).expanduser())
    except OSError as error:
        raise InfoMaxError(f"{quoted_path(source)} cannot be reached ({error.strerror}): check the path") from None


def _open_path(path: Path) -> Source:
    """Open a folder, a file, or the files that match a pattern."""
    if path.is_dir():
        return image_folder(path)
    if path.is_file():
        return _open_file(path)
    if path.exists() or path.is_symlink():
        raise InfoMaxError(
            f"{quoted_path(path)} is neither a folder nor a file but a pipe, a device or a link to nothing: "
            "give a folder or a file"
        )
    if glob.has_magic(str(path)):
        return _open_pattern(path)
    raise InfoMaxError(f"no such file or folder: {quoted_path(path)}{_suggestion(str(path))}")


def _open_file(path: Path) -> Source:
    """Open one file by its extension. A single image is a collection of one."""
    extension = path.suffix.lower()
    if extension == ".npy":
        return npy_rows(path)
    if extension == ".npz":
        return npz_rows(path)
    return _open_files([path], str(path), f"file {path.resolve()}")


def _open_pattern(pattern: Path) -> Source:
    """Open the files that match a pattern, in the order of their paths. Its identity stays as files come and go."""
    paths = [Path(path) for path in sorted(glob.glob(str(pattern), recursive=True))]  # noqa: PTH207
    if not paths:
        raise InfoMaxError(f"no file matches {quoted_path(pattern)}: check the pattern and the folder it starts from")
    return _open_files(paths, str(pattern), f"pattern {pattern.absolute()}")


def _open_several(source: Sequence[str | Path]) -> Source:
    """Open files that are named one by one."""
    if not source:
        raise InfoMaxError("no files given: name at least one")
    if len(source) == 1:
        return open_source(source[0])
    paths = [Path(path).expanduser() for path in source]
    if missing := [path for path in paths if not path.is_file()]:
        raise InfoMaxError(
            f"no such file: {quoted_path(missing[0])} ({len(missing)} of {len(paths)} are not files): name files"
        )
    return _open_files(paths, f"{len(paths)} files", "\n".join(["files", *(str(path.resolve()) for path in paths)]))


def _open_files(paths: Sequence[Path], name: str, identity: str) -> Source:
    """Open files that are all parquet files or all images. Raises InfoMaxError if they are anything else."""
    kinds = {path.suffix.lower() for path in paths}
    if kinds == {".parquet"}:
        return parquet_rows(paths, name, identity)
    if kinds <= image_extensions():
        return image_files(paths, name, identity)
    odd = next(path for path in paths if path.suffix.lower() not in image_extensions())
    if odd.suffix.lower() == ".parquet":
        raise InfoMaxError(f"{quoted_path(name)} mixes parquet files and images: give one kind at a time")
    raise InfoMaxError(
        f"{quoted_path(odd)} is of no supported kind: give a folder of images, parquet files of images, .npy or .npz"
    )


def _suggestion(text: str) -> str:
    """End of an error message: the known name that is most like `text`, or else everything that may be given."""
    if close := difflib.get_close_matches(text, NAMED, n=1):
        return f"; did you mean {close[0]}?"
    return f"; give a folder, a parquet, .npy or .npz file, or one of {', '.join(NAMED)}"
