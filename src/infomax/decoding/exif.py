"""What an image file says of itself: its format, and from EXIF when, where and by which camera it was taken.

EXIF is written by thousands of devices, and often wrong. Whatever cannot be read is left out; it never fails an image.
Tags are those of CIPA DC-008 (Exif 2.32), sections 4.6.4 to 4.6.6.
"""

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, time
from typing import Any, NamedTuple

from PIL import ExifTags, Image

from infomax.paths import printable

_TIMES = (  # time, fraction of a second, offset from UTC; the best first
    (ExifTags.Base.DateTimeOriginal, ExifTags.Base.SubsecTimeOriginal, ExifTags.Base.OffsetTimeOriginal),
    (ExifTags.Base.DateTimeDigitized, ExifTags.Base.SubsecTimeDigitized, ExifTags.Base.OffsetTimeDigitized),
    (ExifTags.Base.DateTime, ExifTags.Base.SubsecTime, ExifTags.Base.OffsetTime),
)
_TIME = re.compile(r"(\d{4})[:\-/.](\d\d)[:\-/.](\d\d)(?:[ T]+(\d\d):(\d\d)(?::(\d\d))?)?")
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
_LONGEST = 200  # characters of a camera's name; the rest is noise


class ImageMetadata(NamedTuple):
    """What an image file says of itself; None where it says nothing, or nothing that can be true.

    Attributes:
        format: Name of the format, as Pillow has it: "JPEG", say.
        taken: When the image was taken, as ISO 8601 in the local time of the place: "2024-05-01T12:30:05",
            "2024-05-01T12:30:05.25+02:00", or the day alone.
        camera: Maker and model of the camera.
        latitude: Degrees north, in -90..90.
        longitude: Degrees east, in -180..180.

    """

    format: str | None = None
    taken: str | None = None
    camera: str | None = None
    latitude: float | None = None
    longitude: float | None = None


def read_metadata(image: Image.Image) -> ImageMetadata:
    """Read what an open image file says of itself.

    Args:
        image: An image as Pillow opened it. Its file must still be open.

    Returns:
        The metadata.

    """
    tags: dict[int, Any] = {}
    place: Mapping[int, Any] = {}
    with suppress(Exception):  # Pillow's parser raises nearly every exception
        exif = image.getexif()
        tags |= dict(exif)
        with suppress(Exception):
            place = exif.get_ifd(ExifTags.IFD.GPSInfo)
        with suppress(Exception):
            tags |= exif.get_ifd(ExifTags.IFD.Exif)
    return ImageMetadata(image.format, _taken(tags), _camera(tags), *_position(place))


def _taken(tags: Mapping[int, Any]) -> str | None:
    """The first time that can be true."""
    for at, fraction, offset in _TIMES:
        found = _TIME.match(_text(tags.get(at)))
        with suppress(ValueError):  # such as 0000:00:00
            if found is not None:
                day = date(*(int(part) for part in found.groups()[:3])).isoformat()
                return day + _clock(found.groups()[3:], _text(tags.get(fraction)), _text(tags.get(offset)))
    return None


def _clock(parts: tuple[str | None, ...], fraction: str, offset: str) -> str:
    """The time of day with what is known of its fraction and offset; "" where there is none or it cannot be true."""
    try:
        hour, minute, second = (int(part or 0) for part in parts)
        clock = time(hour, minute, second).isoformat() if parts[0] else ""
    except ValueError:
        return ""
    if not clock:
        return ""
    if fraction.isdecimal() and int(fraction):
        clock += f".{fraction.rstrip('0')[:9]}"
    zone = _OFFSET.fullmatch("+00:00" if offset == "Z" else offset)
    if zone is not None and int(zone[2]) <= 14 and int(zone[3]) < 60:
        clock += f"{zone[1]}{zone[2]}:{zone[3]}"
    return f"T{clock}"


def _camera(tags: Mapping[int, Any]) -> str | None:
    """Maker and model; the maker once where the model repeats it: "Canon EOS 5D"."""
    maker, model = _text(tags.get(ExifTags.Base.Make)), _text(tags.get(ExifTags.Base.Model))
    repeats = bool(maker) and model.lower().startswith(maker.split()[0].lower())
    return " ".join(part for part in ("" if repeats else maker, model) if part)[:_LONGEST] or None


def _position(tags: Mapping[int, Any]) -> tuple[float, float] | tuple[None, None]:
    """Latitude and longitude in degrees. Without a hemisphere there is none, nor at 0, 0: a camera without a fix."""
    latitude = _degrees(tags.get(ExifTags.GPS.GPSLatitude), tags.get(ExifTags.GPS.GPSLatitudeRef), "NS", 90)
    longitude = _degrees(tags.get(ExifTags.GPS.GPSLongitude), tags.get(ExifTags.GPS.GPSLongitudeRef), "EW", 180)
    if latitude is None or longitude is None or (latitude, longitude) == (0, 0):
        return None, None
    return latitude, longitude


def _degrees(parts: Any, hemisphere: Any, signs: str, most: int) -> float | None:
    """Degrees, minutes and seconds as one number, rounded to a centimeter; None where any of it is not a number."""
    sign = _text(hemisphere).upper()[:1]
    try:
        numbers = [float(part) for part in (parts if isinstance(parts, tuple | list) else (parts,))]
    except (TypeError, ValueError, ArithmeticError):
        return None
    value = math.fsum(number / 60**power for power, number in enumerate(numbers[:3]))
    if not sign or sign not in signs or not numbers or not math.isfinite(value) or not 0 <= value <= most:
        return None
    return round(-value if sign == signs[1] else value, 7)


def _text(value: Any) -> str:
    """A tag as text on one line; "" where it is none."""
    if isinstance(value, tuple | list) and value:
        value = value[0]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    shown = (each if each.isprintable() else " " for each in printable(value.partition("\0")[0]))
    return " ".join("".join(shown).split())
