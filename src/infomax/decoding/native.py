"""Settings of the libraries below us: no words on stderr about odd files, and a higher limit where it is asked for."""

import ctypes
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ctypes.util import find_library
from functools import cache
from pathlib import Path
from threading import Lock

import PIL
from PIL import Image

_redirecting = Lock()
_raising = Lock()
_raised: list[int | None] = []  # Pillow's limit before each raise that is still in force


@cache
def silence_native_libraries() -> None:
    """Switch off the warnings of libtiff, which Pillow leaves on, and of the loggers that nobody has configured.

    Redirecting file descriptor 2 would also swallow what other threads write. So libtiff is told by its own function.
    """
    for logger in ("PIL", "tifffile", "imagecodecs", "pillow_heif"):
        logging.getLogger(logger).addHandler(logging.NullHandler())  # an application's own handlers still see all
    for library in _loaded_libtiff():
        with suppress(OSError, AttributeError):
            tiff = ctypes.CDLL(library)
            for setter in (tiff.TIFFSetWarningHandler, tiff.TIFFSetErrorHandler):
                setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
                setter(None)


def _loaded_libtiff() -> list[str]:
    """The libtiff in Pillow's wheel, or else the system's."""
    package = Path(PIL.__file__).parent
    folders = (package.parent / "pillow.libs", package / ".dylibs")  # Linux, macOS
    bundled = [str(path) for folder in folders for path in sorted(folder.glob("libtiff*"))]
    system = find_library("tiff")
    return bundled or ([system] if system else [])


@contextmanager
def without_stderr_lines(start: bytes) -> Iterator[None]:
    """Keep lines that a library writes to file descriptor 2 from appearing. One block runs at a time.

    What other threads write meanwhile is kept and appears after the block.

    Args:
        start: How the lines of the library begin.

    Yields:
        Nothing.

    """
    with _redirecting, tempfile.TemporaryFile() as kept:
        try:
            stderr = os.dup(2)
        except OSError:  # closed: nothing can appear
            yield
            return
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            kept.seek(0)
            others = b"".join(line for line in kept if not line.startswith(start))
            if others:
                os.write(stderr, others)
            os.close(stderr)


@contextmanager
def pillow_limit_at_least(pixels: int | None) -> Iterator[None]:
    """Raise the size from which on Pillow refuses an image as a decompression bomb. It holds for all threads meanwhile.

    Args:
        pixels: Largest image that must pass; None to change nothing.

    Yields:
        Nothing.

    """
    if pixels is None:
        yield
        return
    with _raising:
        _raised.append(Image.MAX_IMAGE_PIXELS)
        if Image.MAX_IMAGE_PIXELS is not None:
            Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, pixels)
    try:
        yield
    finally:
        with _raising:
            first = _raised[0]
            _raised.pop()
            if not _raised:  # the last thread to leave puts back what the first one found
                Image.MAX_IMAGE_PIXELS = first
