"""What image files say of themselves, right and wrong."""

from io import BytesIO
from typing import Any

import pytest
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from infomax.decoding.exif import ImageMetadata, read_metadata
from infomax.decoding.image import no_pillow_warnings
from infomax.images.thumbnails import decode_views

BASE, GPS = ExifTags.Base, ExifTags.GPS
BERLIN: dict[int, Any] = {
    GPS.GPSLatitudeRef: "N",
    GPS.GPSLatitude: (52.0, 31.0, 12.0),
    GPS.GPSLongitudeRef: "E",
    GPS.GPSLongitude: (13.0, 24.0, 36.0),
}


def encoded(
    main: dict[int, Any] | None = None,
    photo: dict[int, Any] | None = None,
    gps: dict[int, Any] | None = None,
    kind: str = "jpeg",
) -> bytes:
    exif = Image.Exif()
    exif.update(main or {})
    if photo:
        exif.get_ifd(ExifTags.IFD.Exif).update(photo)
    if gps:
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(gps)
    file = BytesIO()
    Image.new("RGB", (40, 30), "red").save(file, kind, exif=exif.tobytes())
    return file.getvalue()


def read(content: bytes) -> ImageMetadata:
    with Image.open(BytesIO(content)) as image:
        return read_metadata(image)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
@pytest.mark.parametrize("turn", [1, 6])
def test_date_camera_place_and_format_are_read_of_every_format(kind: str, turn: int) -> None:
    main: dict[int, Any] = {BASE.Make: "Canon", BASE.Model: "Canon EOS 5D", BASE.Orientation: turn}
    photo: dict[int, Any] = {BASE.DateTimeOriginal: "2024:05:01 12:30:05"}
    data = encoded(main, photo, BERLIN, kind)
    expected = ImageMetadata(kind.upper(), "2024-05-01T12:30:05", "Canon EOS 5D", 52.52, 13.41)
    assert read(data) == expected
    _, small, metadata = decode_views(data, 8)
    assert metadata == expected
    assert (small.width, small.height) == ((40, 30) if turn == 1 else (30, 40))


TIMES = {
    "2024:05:01 12:30:05": "2024-05-01T12:30:05",
    "2024-05-01T12:30:05": "2024-05-01T12:30:05",
    "2024/05/01 12:30": "2024-05-01T12:30:00",
    "2024:05:01 12:30:05\0junk": "2024-05-01T12:30:05",
    "2024:05:01": "2024-05-01",
    "2024:05:01 24:00:00": "2024-05-01",
    "2024:05:01   :  :  ": "2024-05-01",
    "0000:00:00 00:00:00": None,
    "2023:02:29 10:00:00": None,
    "2024:13:01 10:00:00": None,
    "    :  :     :  :  ": None,
    "": None,
    "yesterday": None,
}


@pytest.mark.parametrize("text", TIMES)
def test_a_time_that_cannot_be_is_none(text: str) -> None:
    assert read(encoded(photo={BASE.DateTimeOriginal: text})).taken == TIMES[text]


def test_fractions_and_offsets_are_kept_where_they_make_sense() -> None:
    def taken(fraction: str, offset: str) -> str | None:
        tags: dict[int, Any] = {BASE.DateTimeOriginal: "2024:05:01 12:30:05"}
        return read(encoded(photo={**tags, BASE.SubsecTimeOriginal: fraction, BASE.OffsetTimeOriginal: offset})).taken

    assert taken("25", "+02:00") == "2024-05-01T12:30:05.25+02:00"
    assert taken("250   ", "-0330") == "2024-05-01T12:30:05.25-03:30"
    assert taken("000", "Z") == "2024-05-01T12:30:05+00:00"
    assert taken("x", "+99:00") == taken("", "   :  ") == "2024-05-01T12:30:05"


def test_the_original_time_is_preferred_and_a_later_one_better_than_none() -> None:
    times: dict[int, Any] = {
        BASE.DateTimeOriginal: "0000:00:00 00:00:00",
        BASE.DateTimeDigitized: "2020:02:02 02:02:02",
    }
    assert read(encoded({BASE.DateTime: "2021:01:01 01:01:01"}, times)).taken == "2020-02-02T02:02:02"
    assert read(encoded({BASE.DateTime: "2021:01:01 01:01:01"})).taken == "2021-01-01T01:01:01"
    assert read(encoded({BASE.DateTimeOriginal: "2022:02:02 02:02:02"})).taken == "2022-02-02T02:02:02"


@pytest.mark.parametrize(
    ("maker", "model", "camera"),
    [
        ("Apple", "iPhone 12", "Apple iPhone 12"),
        ("NIKON CORPORATION", "NIKON D90", "NIKON D90"),
        ("samsung\0\0", "SM-G973F \n", "samsung SM-G973F"),
        ("", "Model", "Model"),
        ("Maker", "", "Maker"),
        ("  ", "\x01", None),
    ],
)
def test_a_camera_is_named_on_one_line(maker: str, model: str, camera: str | None) -> None:
    assert read(encoded({BASE.Make: maker, BASE.Model: model})).camera == camera


def place(**changes: Any) -> tuple[float | None, float | None]:
    metadata = read(encoded(gps=BERLIN | {GPS[name]: value for name, value in changes.items()}))
    return metadata.latitude, metadata.longitude


def test_south_and_west_are_negative_and_what_is_no_place_is_none() -> None:
    assert place() == (52.52, 13.41)
    assert place(GPSLatitudeRef="S", GPSLongitudeRef="W") == (-52.52, -13.41)
    assert place(GPSLatitude=(IFDRational(105, 2), IFDRational(0, 1), IFDRational(0, 1))) == (52.5, 13.41)
    nowhere = (None, None)
    zero = IFDRational(1, 0)
    assert place(GPSLatitude=(zero, zero, zero)) == nowhere
    assert place(GPSLatitude=(IFDRational(52, 1), IFDRational(31, 1), zero)) == nowhere
    assert place(GPSLatitude=(91.0, 0.0, 0.0)) == place(GPSLongitude=(180.0, 1.0, 0.0)) == nowhere
    assert place(GPSLatitudeRef="") == place(GPSLongitudeRef="N") == nowhere
    assert place(GPSLatitude=(0.0, 0.0, 0.0), GPSLongitude=(0.0, 0.0, 0.0)) == nowhere
    assert place(GPSLatitude=(0.0, 0.0, 0.0)) == (0, 13.41)


def test_broken_exif_fails_no_image() -> None:
    whole = encoded({BASE.Make: "Canon"}, {BASE.DateTimeOriginal: "2024:05:01 12:30:05"}, BERLIN)
    start = whole.index(b"Exif\0\0")
    for offset in range(6, 120):
        broken = bytearray(whole)
        broken[start + offset] ^= 0xFF
        with no_pillow_warnings():
            square, _, metadata = decode_views(bytes(broken), 4)
        assert square.shape == (4, 4, 3)
        assert metadata.format == "JPEG"


def test_an_image_without_exif_has_a_format_only() -> None:
    assert read(encoded(kind="png")) == ImageMetadata("PNG")
    assert read_metadata(Image.new("L", (3, 3))) == ImageMetadata()
