"""Open anything that a user may give as SOURCE."""

import difflib
import glob
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from io import IOBase
from itertools import groupby, takewhile
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from infomax.decoding.formats import image_extensions, remedy_for
from infomax.decoding.options import DEFAULT_OPTIONS, ReadingOptions
from infomax.errors import InfoMaxError
from infomax.images.arrays import array_rows, npy_rows, npz_rows
from infomax.images.data_set import parquet_files, validate_one_split
from infomax.images.exclusion import DEFAULT_EXCLUDES, Exclusion
from infomax.images.folder import image_files, image_folder, pass_over
from infomax.images.items import Item, item_rows
from infomax.images.named import NAMED
from infomax.images.parquet import ParquetRows, parquet_rows
from infomax.images.parquet_columns import NamedColumns
from infomax.images.pixels import SupportsArray, as_array
from infomax.images.remote import open_remote
from infomax.images.several import SeveralSources, combined
from infomax.images.source import Source
from infomax.object_store import is_url, url_of
from infomax.paths import expand_home, quoted_path

# a folder, a file, a glob in quotes, a URL of an object store, a name of NAMED, a batch of images (an array or a
# tensor), a PIL image, a source that is open already, or an iterable of any of these except batches
SourceLike: TypeAlias = str | Path | bytes | Image.Image | NDArray[Any] | Source | Iterable[Any] | SupportsArray

_LISTS = (".txt", ".lst")  # text files with a path on each line


def open_source(
    source: SourceLike,
    options: ReadingOptions = DEFAULT_OPTIONS,
    *,
    image_column: str | None = None,
    label_column: str | None = None,
) -> Source:
    """List the images of a source without reading them.

    A name such as `digits` always means the named collection. Write `./digits` for a folder of that name.

    A list of images (files, arrays, tensors, PIL images, also mixed) gives one row an item, in the order given. If it
    names collections, too, they follow each other, and each image counts once. An iterator is read once.

    Args:
        source: Folder, file, quoted glob, text file of paths, URL of an object store, the name of a collection, images
            in memory, or an iterable of these. A source that is open already is returned as it is, so that a folder is
            walked only once.
        options: What to leave out, and which columns hold images and labels.
        image_column: Column of the images in parquet files, in place of `options.image_column`.
        label_column: Column of the labels in parquet files, in place of `options.label_column`.

    Returns:
        The open source.

    Raises:
        InfoMaxError: There are no images, or columns are named and there is no parquet file.

    Examples:
        >>> digits = open_source("digits:test")
        >>> len(digits.entries), digits.entries[0].key
        (450, 'digits#1347')
        >>> open_source(digits) is digits
        True

    """
    image, label = image_column or options.image_column, label_column or options.label_column
    opened = _open(source, replace(options, image_column=image, label_column=label))
    if isinstance(source, Source):  # what is open has been told its columns already
        image, label = image_column, label_column
    if (image or label) and (isinstance(source, Source) or not _has_columns(opened)):
        raise InfoMaxError(f"{quoted_path(opened.name)} holds no parquet files: only they have columns to name")
    return opened


def _columns(options: ReadingOptions) -> NamedColumns:
    return NamedColumns(options.image_column, options.label_column)


def _has_columns(source: Source) -> bool:
    if isinstance(source, SeveralSources):
        return any(_has_columns(part) for part in source.parts)
    return isinstance(source, ParquetRows)


def _open(source: SourceLike, options: ReadingOptions) -> Source:
    """Open anything that `open_source` takes."""
    if isinstance(source, Source):
        return source
    if isinstance(source, str | Path):
        return _open_named(source, options)
    if isinstance(source, bytes | Image.Image):
        return item_rows([source])
    array = as_array(source)
    if array is not None:
        if array.dtype.kind in "OU" and array.ndim == 1:  # a column of paths
            return _open_list(array.tolist(), options)
        return replace(array_rows(array, "array"), name=f"array of shape {array.shape}")
    if isinstance(source, Mapping | AbstractSet | IOBase) or not isinstance(source, Iterable):
        raise InfoMaxError(f"a {type(source).__name__} is no source of images: give a path, an array or a list")
    return _open_list([*source], options)


def _open_named(source: str | Path, options: ReadingOptions) -> Source:
    """Open what a name or a path stands for."""
    if isinstance(source, str) and not source.strip():
        raise InfoMaxError("an empty path: name a file or a folder, the current one as ./")
    if isinstance(source, str) and source in NAMED:
        return replace(NAMED[source](), name=source)
    if is_url(source):
        return open_remote(url_of(source), options)
    try:
        return _open_path(expand_home(source), options)
    except OSError as error:
        raise InfoMaxError(f"{quoted_path(source)} cannot be reached ({error.strerror}): check the path") from None


def _open_path(path: Path, options: ReadingOptions) -> Source:
    """Open a folder, a file, or the files that match a pattern."""
    if path.is_dir():
        return _open_folder(path, options)
    if path.is_file():
        return _open_file(path, options)
    if path.exists() or path.is_symlink():
        raise InfoMaxError(
            f"{quoted_path(path)} is neither a folder nor a file but a pipe, a device or a link to nothing: "
            "give a folder or a file"
        )
    if glob.has_magic(str(path)):
        return _open_pattern(path, options)
    raise InfoMaxError(f"no such file or folder: {quoted_path(path)}{_suggestion(str(path))}")


def _open_folder(path: Path, options: ReadingOptions) -> Source:
    """Open a folder of images, or of parquet files if it holds no images."""
    try:
        return image_folder(path, options)
    except InfoMaxError:
        files = parquet_files(path)
        if not files:
            raise
    validate_one_split(path, files)
    return parquet_rows(files, str(path), f"data set {path.resolve()}", _columns(options))


def _open_file(path: Path, options: ReadingOptions) -> Source:
    """Open one file by its extension. A single image is a collection of one."""
    extension = path.suffix.lower()
    if extension == ".npy":
        return npy_rows(path)
    if extension == ".npz":
        return npz_rows(path)
    if extension == ".parquet":
        return parquet_rows([path], str(path), f"file {path.resolve()}", _columns(options))
    if extension in _LISTS:
        return _open_list(_lines(path), options)
    if extension in image_extensions():
        return image_files([path], str(path), f"file {path.resolve()}")
    if remedy := remedy_for(extension):
        raise InfoMaxError(f"{quoted_path(path)} is of no supported kind here: {remedy}")
    raise InfoMaxError(
        f"{quoted_path(path)} is of no supported kind: give a folder of images, parquet files of images, .npy, "
        ".npz or a .txt of paths"
    )


def _open_pattern(pattern: Path, options: ReadingOptions) -> Source:
    """Open what matches a pattern, in the order of the paths. Its identity stays as files come and go."""
    paths = [Path(path) for path in sorted({*glob.glob(str(pattern), recursive=True)})]  # noqa: PTH207
    root = Path(*takewhile(lambda part: not glob.has_magic(part), pattern.parts))
    paths, census = pass_over(paths, Exclusion(root, (*DEFAULT_EXCLUDES, *options.excluded)))
    if not paths and census.lines():
        raise InfoMaxError(f"{quoted_path(pattern)} matches no images ({'; '.join(census.lines())})")
    if not paths:
        raise InfoMaxError(f"no file matches {quoted_path(pattern)}: check the pattern and the folder it starts from")
    kinds = {path.suffix.lower() for path in paths if not path.is_dir()}
    name, identity = str(pattern), f"pattern {pattern.absolute()}"
    if kinds == {".parquet"}:
        files = [path for path in paths if not path.is_dir()]
        return parquet_rows(files, name, identity, _columns(options))
    if kinds <= image_extensions() and all(path.is_file() for path in paths):
        return replace(image_files(paths, name, identity), passed_over=census)
    return _open_list(paths, options)


def _open_list(given: Sequence[Any], options: ReadingOptions) -> Source:
    """Open items one by one, and put them together."""
    if not given:
        raise InfoMaxError("no files given: name at least one")
    if len(given) == 1 and isinstance(given[0], str | Path | Source):
        return _open(given[0], options)
    items = [_item(item, row) for row, item in enumerate(given)]
    exclusion = Exclusion(Path(), options.excluded)
    items = [item for item in items if not (_is_image(item) and isinstance(item, Path) and exclusion.match(str(item)))]
    tables = [item for item in items if isinstance(item, Path) and item.suffix.lower() == ".parquet" and item.is_file()]
    if len(tables) == len(items):
        identity = "\n".join(["files", *(str(table.resolve()) for table in tables)])
        return parquet_rows(tables, f"{len(tables)} files", identity, _columns(options))
    missing = [item for item in items if isinstance(item, Path) and _is_missing(item)]
    if missing:
        raise InfoMaxError(
            f"no such file: {quoted_path(missing[0])} ({len(missing)} of {len(items)} are missing): check the paths"
        )
    parts: list[Source] = []
    for is_image, grouped in groupby(items, _is_image):
        run: list[Any] = list(grouped)
        parts += [item_rows(run)] if is_image else [_open(item, options) for item in run]
    return combined(parts)


def _item(given: object, row: int) -> Item | str | Source:
    """An item of a list: a path, a name of NAMED, an image in memory, or an open source."""
    if isinstance(given, str | Path) and is_url(given):
        return url_of(given)
    if isinstance(given, str):
        return given if given in NAMED else expand_home(given)
    if isinstance(given, Path):
        return expand_home(given)
    if isinstance(given, bytes | Image.Image | Source):
        return given
    array = as_array(given)
    if array is None or array.dtype.kind in "OU":
        raise InfoMaxError(f"item {row} of the list is a {type(given).__name__}: give paths, arrays or PIL images")
    return array


def _is_image(item: Item | str | Source) -> bool:
    """Whether an item is one image, and no collection."""
    if isinstance(item, Path):
        return item.suffix.lower() in image_extensions() and item.is_file()
    return isinstance(item, bytes | Image.Image | np.ndarray)


def _is_missing(path: Path) -> bool:
    """Whether there is nothing at a path, nor does it look like a pattern."""
    return not (path.exists() or path.is_symlink() or glob.has_magic(str(path)))


def _lines(file: Path) -> list[Path]:
    """Paths in a text file: one a line, relative to its folder. Empty lines, and those that begin with #, are none."""
    text = file.read_text("utf-8-sig", "surrogateescape")
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line.strip() and not line.startswith("#")]
    if not lines:
        raise InfoMaxError(f"{quoted_path(file)} names no images: write one path on each line")
    paths = [file.parent / expand_home(line) for line in lines]
    if nested := [path for path in paths if path.suffix.lower() in _LISTS]:
        raise InfoMaxError(f"{quoted_path(file)} names {quoted_path(nested[0])}, a list again: name images and folders")
    if all(map(_is_missing, paths)):
        raise InfoMaxError(
            f"{quoted_path(file)} is of no supported kind: a text file must name images, one on each line, "
            f"and {quoted_path(paths[0])} is none"
        )
    return paths


def _suggestion(text: str) -> str:
    """End of an error message: the known name that is most like `text`, or else everything that may be given."""
    if close := difflib.get_close_matches(text, NAMED, n=1):
        return f"; did you mean {close[0]}?"
    return f"; give a folder, a parquet, .npy or .npz file, or one of {', '.join(NAMED)}"
