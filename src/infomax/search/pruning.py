"""Rows of a SOURCE that is not there any more: a folder that was removed, a parquet file that was deleted."""

import os
from pathlib import Path

from infomax.errors import InfoMaxError
from infomax.images import SourceLike
from infomax.paths import expand_home, printable, quoted_path
from infomax.search.roots import Roots
from infomax.search.stores.store import Store


def rows_of_missing(store: Store, source: SourceLike, roots: Roots, *, unmounted: bool = False) -> list[str]:
    """Find the rows below a folder, or of a file, that no longer exists.

    Args:
        store: Rows of the index.
        source: What the user named: a path, or several.
        roots: Folders that were indexed before.
        unmounted: Whether rows count that were on a disk which is not mounted now.

    Returns:
        Paths of the rows; none where any of the source exists, or is no path.

    Raises:
        InfoMaxError: The disk that the source was on is not mounted, so its images may still exist.

    """
    given = [source] if isinstance(source, str | Path) else source if isinstance(source, list | tuple) else []
    missing = [expand_home(each) for each in given if isinstance(each, str | Path)]
    if not missing or len(missing) < len(given) or any(map(os.path.lexists, missing)):
        return []
    names = {printable(str(each)) for path in missing for each in (path.absolute(), path.resolve())}
    starts = tuple(f"{name}{end}" for name in names for end in ("/", "#"))
    rows = [path for batch in store.scan(["path"]) for path in batch.column("path").to_pylist()]
    found = [path for path in rows if path.startswith(starts) or path in names]
    disk = next(filter(None, map(roots.unmounted, names)), None)
    if found and disk is not None and not unmounted:
        raise InfoMaxError(
            f"{quoted_path(missing[0])} was on the disk {quoted_path(disk)}, which is not mounted: mount it, "
            f"or give --unmounted to remove its {len(found)} {'row' if len(found) == 1 else 'rows'} all the same"
        )
    return found
