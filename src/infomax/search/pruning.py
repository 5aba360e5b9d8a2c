"""Rows of a SOURCE that is not there any more: a folder that was removed, a parquet file that was deleted."""

import os
from collections.abc import Sequence
from pathlib import Path

from infomax.errors import InfoMaxError
from infomax.images import SourceLike
from infomax.paths import expand_home, printable, quoted_path
from infomax.search.roots import Roots
from infomax.search.stores.store import Store


def missing_sources(
    store: Store, source: SourceLike, roots: Roots, *, unmounted: bool = False
) -> tuple[list[Path], SourceLike]:
    """Find the folders and files of a source that no longer exist, though the index has rows of them.

    Args:
        store: Rows of the index.
        source: What the user named: a path, or several.
        roots: Folders that were indexed before.
        unmounted: Whether those count that were on a disk which is not mounted now.

    Returns:
        What is missing, and the rest of the source. A path of which there are no rows may be misspelled, and is in the
        rest.

    Raises:
        InfoMaxError: The disk that a missing one was on is not mounted, so its images may still exist.

    """
    given = [source] if isinstance(source, str | Path) else source if isinstance(source, list | tuple) else []
    paths = [expand_home(each) if isinstance(each, str | Path) else None for each in given]
    missing: list[Path] = []
    rest: list[object] = []
    for each, path in zip(given, paths, strict=True):
        rows = rows_below(store, [path]) if path is not None and not os.path.lexists(path) else []
        if path is None or not rows:
            rest.append(each)
            continue
        missing.append(path)
        disk = next(filter(None, map(roots.unmounted, _names(path))), None)
        if disk is not None and not unmounted:
            raise InfoMaxError(
                f"{quoted_path(path)} was on the disk {quoted_path(disk)}, which is not mounted: mount it, or give "
                f"--unmounted to remove its {len(rows)} {'row' if len(rows) == 1 else 'rows'} all the same"
            )
    return missing, (rest if missing else source)


def rows_below(store: Store, places: Sequence[Path]) -> list[str]:
    """Find the rows of some folders and files.

    Args:
        store: Rows of the index.
        places: The folders and files.

    Returns:
        Paths of the rows.

    """
    names = {name for place in places for name in _names(place)}
    if not names:
        return []
    starts = tuple(f"{name}{end}" for name in names for end in ("/", "#"))
    rows = [path for batch in store.scan(["path"]) for path in batch.column("path").to_pylist()]
    return [path for path in rows if path.startswith(starts) or path in names]


def _names(place: Path) -> set[str]:
    """Names that rows may have for a place: with links and without."""
    return {printable(str(place.absolute())), printable(str(place.resolve()))}
