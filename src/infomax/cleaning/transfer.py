"""Move one file so that its content exists under at least one of both names at every moment, and nothing is replaced.

Within a file system a file gets its new name as a second one, and then loses the old one. Between file systems it is
copied to a temporary name, flushed, verified and renamed; only then the original is removed.
"""

import errno
import os
import shutil
from contextlib import suppress
from hashlib import blake2b, file_digest
from pathlib import Path

from infomax.files import sync_folder

_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
"""Errors of file systems, and of files of other users, that allow no second name."""


def content_hash(path: Path) -> str:
    """Digest of a file, the same as in the rows of an index.

    Args:
        path: The file.

    Returns:
        BLAKE2b, 32 hexadecimal digits.

    Raises:
        OSError: The file cannot be read.

    """
    with path.open("rb") as file:
        return file_digest(file, lambda: blake2b(digest_size=16)).hexdigest()


def move_file(source: Path, target: Path, digest: str) -> None:
    """Move a file under a new name; times, permissions and extended attributes go with it.

    Args:
        source: The file.
        target: Its new path, which must be free. Folders are made.
        digest: Digest of the content. A copy that has another one is discarded.

    Raises:
        FileExistsError: The target exists.
        OSError: The file cannot be moved. It is where it was.

    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _rename_to_free(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_to_free(source, target, digest)
        _remove_moved(source, target)


def finish_move(source: Path, target: Path, digest: str) -> bool:
    """Finish a move that was interrupted.

    Args:
        source: The file that was being moved.
        target: Its new path.
        digest: Digest of its content.

    Returns:
        Whether the file is now at its new path alone. If not, nothing has been changed.

    Raises:
        OSError: A file cannot be read, or the original cannot be removed.

    """
    temporary_of(target).unlink(missing_ok=True)
    if target.is_symlink() or not target.is_file() or content_hash(target) != digest:
        return False
    if not os.path.lexists(source):
        return True
    if source.is_symlink() or not (source.samefile(target) or content_hash(source) == digest):
        return False
    source.unlink()
    return True


def temporary_of(target: Path) -> Path:
    """Name of the unfinished copy of a file that comes from another file system.

    Args:
        target: The path of the finished copy.

    Returns:
        A path in the same folder, the same for the same target.

    """
    return target.with_name(f".infomax-{blake2b(os.fsencode(target.name), digest_size=8).hexdigest()}.part")


def _rename_to_free(source: Path, target: Path) -> None:
    """Rename within a file system. A plain rename would replace a target that somebody makes meanwhile."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        source.rename(target)
        return
    _remove_moved(source, target)


def _copy_to_free(source: Path, target: Path, digest: str) -> None:
    """Copy to another file system. The target appears once it is complete and verified."""
    temporary = temporary_of(target)
    temporary.unlink(missing_ok=True)
    before = source.stat()
    try:
        shutil.copyfile(source, temporary, follow_symlinks=False)
        with temporary.open("rb") as file:
            shutil.copystat(source, temporary)
            os.fsync(file.fileno())
            copied = file_digest(file, lambda: blake2b(digest_size=16)).hexdigest()
        after = source.stat()
        is_unchanged = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
        if copied != digest or not is_unchanged:
            raise OSError(errno.EIO, "the copy differs from the file", str(source))
        _rename_to_free(temporary, target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(target.parent)


def _remove_moved(source: Path, target: Path) -> None:
    """Remove the old name of a file that has its new one. If that fails, remove the new one."""
    try:
        source.unlink()
    except FileNotFoundError:
        return  # somebody else has removed it
    except OSError:
        if os.path.lexists(source):
            target.unlink()
        raise
