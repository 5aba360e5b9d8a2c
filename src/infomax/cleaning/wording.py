"""Sizes, dates and formats of images as people read them."""

from datetime import datetime
from pathlib import PurePath


def format_of(path: str) -> str:
    """Name the format of an image by the extension of its path.

    Args:
        path: Path of an image.

    Returns:
        The name; "" for an image in a file of many, or without an extension.

    Examples:
        >>> format_of("/photos/cat.jpg"), format_of("/photos/cat.webp"), format_of("/data/train.parquet#3")
        ('JPEG', 'WEBP', '')

    """
    extension = PurePath(path).suffix.removeprefix(".").upper()
    known = {"JPG": "JPEG", "JPE": "JPEG", "JFIF": "JPEG", "TIF": "TIFF", "HEIF": "HEIC", "JP2": "JPEG2000"}
    return "" if "#" in extension else known.get(extension, extension)


def size_of(count: int) -> str:
    """Write a size for people.

    Args:
        count: Size in bytes.

    Returns:
        The size in powers of 1000, to two or three digits.

    Examples:
        >>> [size_of(count) for count in (999, 48_213, 2_400_000, 1_250_000_000)]
        ['999 B', '48 kB', '2.4 MB', '1.2 GB']

    """
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.1f} {units[0]}" if value < 10 and units[0] != "B" else f"{value:.0f} {units[0]}"


def date_of(mtime: float | None) -> str:
    """Write a time for people.

    Args:
        mtime: Seconds since 1970, or None.

    Returns:
        Local date and time to the minute; "" for None.

    """
    return "" if mtime is None else datetime.fromtimestamp(mtime).astimezone().strftime("%Y-%m-%d %H:%M")
