"""Where the cache lies: the folder that the user chose, one in the home folder, or a temporary one."""

import errno
import os
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE, S_ISDIR

from infomax.errors import InfoMaxError, InfoMaxWarning
from infomax.paths import expand_home, quoted_path

FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
"""Errors of a folder that this user may not write to. A full disk is no such error: a temporary folder may share it."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a disk without room."""

REMEDY = "set INFOMAX_CACHE to a folder that you may write to"


def default_cache() -> Path:
    """Folder of the whole cache: $INFOMAX_CACHE, else infomax/ in $XDG_CACHE_HOME, else ~/.cache/infomax.

    Without a home folder it is a temporary one, and a warning says so.

    Returns:
        The folder, which need not exist.

    Raises:
        InfoMaxError: $INFOMAX_CACHE is in an unknown home folder, or there is no temporary folder either.

    """
    if chosen := os.environ.get("INFOMAX_CACHE"):
        return expand_home(chosen)
    try:
        return expand_home(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "infomax"
    except InfoMaxError:
        return temporary_cache("no home folder for prepared images")


def temporary_cache(reason: str) -> Path:
    """Folder for a cache that can lie nowhere else, the same for all processes of a user.

    Args:
        reason: Why it is needed, for the warning and the error.

    Returns:
        The folder, which exists. Nobody else may write to it.

    Raises:
        InfoMaxError: There is no temporary folder either.

    Warns:
        InfoMaxWarning: Prepared images are kept in a temporary folder.

    """
    try:
        folder = known_temporary_cache() or _new_temporary_cache()
    except OSError as error:
        raise InfoMaxError(f"{reason}, and no temporary one either ({error.strerror or error}): {REMEDY}") from None
    warnings.warn(
        f"{reason}: they are kept in {quoted_path(folder)} until the system clears it; {REMEDY}",
        InfoMaxWarning,
        stacklevel=2,
    )
    return folder


def known_temporary_cache() -> Path | None:
    """The temporary cache of this user, if there is one that nobody else may write to."""
    with suppress(OSError):
        folder = _temporary_name()
        status = folder.lstat()
        if S_ISDIR(status.st_mode) and status.st_uid == _user() and not S_IMODE(status.st_mode) & 0o022:
            return folder
    return None


def _new_temporary_cache() -> Path:
    folder = _temporary_name()
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:  # somebody else has taken the name
        return Path(tempfile.mkdtemp(prefix="infomax-"))
    return folder


def _temporary_name() -> Path:
    return Path(tempfile.gettempdir()) / f"infomax-{_user()}"


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0  # Windows has no numbers of users
