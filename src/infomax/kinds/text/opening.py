"""Open anything that holds texts: a folder, a file, a file of many, or texts in memory."""

import glob
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from infomax.decoding.options import DEFAULT_OPTIONS, ReadingOptions
from infomax.errors import InfoMaxError
from infomax.images.census import Census, census_lines, extension_of
from infomax.images.exclusion import DEFAULT_EXCLUDES, Exclusion
from infomax.images.folder import ImageFiles, image_files, walk_files
from infomax.images.items import ItemRows
from infomax.images.several import combined
from infomax.images.source import Entry, Source, file_version
from infomax.kinds.text.tables import TABLES, text_table
from infomax.paths import expand_home, quoted_path

TEXT_FILES = (".txt", ".md", ".markdown", ".rst", ".text")
"""Files that hold one text each."""

_GIVE = f"give a folder or a file of {', '.join(TEXT_FILES)}, or of {', '.join(TABLES)}"


def open_texts(source: Any, options: ReadingOptions = DEFAULT_OPTIONS, *, named: bool = False) -> Source:
    """List the texts of a source without reading them.

    A lone str or Path names a folder, a file or a pattern. In a list, a str is a text of its own, and a Path names one.

    Args:
        source: A path, an iterable of texts (str) and paths, or a source that is open already.
        options: What to leave out, and which columns hold texts and labels.
        named: Whether each str of a list names a file, too.

    Returns:
        The open source.

    Raises:
        InfoMaxError: There are no texts.

    Examples:
        >>> [entry.key for entry in open_texts(["a first text", "and a second"]).entries]
        ['item#0', 'item#1']

    """
    if isinstance(source, Source):
        return source
    if isinstance(source, str | Path):
        return _open_path(expand_home(source), options)
    if isinstance(source, bytes) or not isinstance(source, Iterable):
        raise InfoMaxError(f"a {type(source).__name__} is no source of texts: give a path or a list of str")
    given = [Path(each) if named and isinstance(each, str) else each for each in source]
    if not given:
        raise InfoMaxError("no texts given: name at least one")
    texts = [each for each in given if isinstance(each, str)]
    if len(texts) == len(given):
        return _in_memory(texts)
    if not all(isinstance(each, Path | Source) for each in given):
        kinds = ", ".join(sorted({type(each).__name__ for each in given}))
        raise InfoMaxError(f"a list of {kinds}: give texts (str), or paths (Path), but not both")
    return _several([expand_home(each) if isinstance(each, Path) else each for each in given], options)


def _several(given: Sequence[Path | Source], options: ReadingOptions) -> Source:
    """Put paths and open sources together. Files of one text each keep their order."""
    if all(isinstance(each, Path) and _is_text(each) for each in given):
        files = [each for each in given if isinstance(each, Path)]
        name = quoted_path(files[0]) if len(files) == 1 else f"{len(files)} files"
        return image_files(files, name, "\n".join(["texts", *(str(file.resolve()) for file in files)]))
    return combined([_open_path(each, options) if isinstance(each, Path) else each for each in given])


def _in_memory(texts: Sequence[str]) -> ItemRows:
    """Texts that are given as they are: each is a row, in the order given."""
    contents = [text.encode("utf-8", "surrogatepass") for text in texts]
    entries = [Entry(f"item#{row}", "") for row in range(len(contents))]
    return ItemRows(f"{len(contents)} texts", None, entries, contents)


def _open_path(path: Path, options: ReadingOptions) -> Source:
    """Open a folder, a file, or the files that match a pattern."""
    if path.is_dir():
        return _folder(path, options)
    if path.is_file():
        if path.suffix.lower() in TABLES:
            return text_table(path, options.text_column, options.label_column)
        if path.suffix.lower() in TEXT_FILES:
            return image_files([path], str(path), f"text {path.resolve()}")
        raise InfoMaxError(f"{quoted_path(path)} is of no supported kind: {_GIVE}")
    if glob.has_magic(str(path)) and not path.exists():
        found = [Path(each) for each in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207
        if not found:
            raise InfoMaxError(f"no file matches {quoted_path(path)}: check the pattern and the folder it starts from")
        return _several(found, options)
    raise InfoMaxError(f"no such file or folder: {quoted_path(path)}; {_GIVE}")


def _folder(root: Path, options: ReadingOptions) -> Source:
    """List all texts below a folder, and all files of many."""
    exclusion = Exclusion(root, (*DEFAULT_EXCLUDES, *options.exclude))
    texts, tables, unreadable = list[str](), list[str](), list[str]()
    others, excluded = Counter[str](), Counter[str]()
    for found in walk_files(root, exclusion):
        extension = extension_of(found.key)
        if found.error is not None and not found.key:
            raise InfoMaxError(f"{quoted_path(root)} cannot be opened ({found.error.strerror}): check its permissions")
        if found.error is not None:
            unreadable.append(found.key)
        elif found.pattern is not None:
            excluded[found.pattern] += extension in TEXT_FILES or found.pattern in options.exclude
        elif extension in TEXT_FILES:
            texts.append(found.key)
        elif extension in TABLES:
            tables.append(found.key)
        else:
            others[extension] += 1
    left = dict.fromkeys(options.exclude, 0) | {pattern: count for pattern, count in excluded.items() if count}
    census = Census([], dict(others), left)
    parts: list[Source] = [text_table(root / key, options.text_column, options.label_column) for key in sorted(tables)]
    if texts or unreadable:
        parts.insert(0, _files(root, texts, unreadable, census))
    if not parts:
        told = "; ".join(census_lines(census.counts()))
        raise InfoMaxError(f"{quoted_path(root)} holds no texts{f' ({told})' if told else ''}: {_GIVE}")
    return combined(parts)


def _files(root: Path, texts: Sequence[str], unreadable: Sequence[str], census: Census) -> ImageFiles:
    """The texts below a folder as a source."""
    entries = [Entry(key, file_version(root / key)) for key in texts] + [Entry(key, "absent") for key in unreadable]
    identity = f"texts {root.resolve()}"
    return ImageFiles(
        str(root), identity, sorted(entries), root, True, unreadable=frozenset(unreadable), passed_over=census
    )


def _is_text(path: Path) -> bool:
    return path.suffix.lower() in TEXT_FILES and path.is_file()
