"""Which files are images: formats that Pillow reads, formats that an extra adds, and formats to convert."""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from io import BufferedReader, BytesIO
from typing import TypeAlias

from PIL import Image

OpenFile: TypeAlias = BytesIO | BufferedReader
"""The content of an image, in memory or on the disk."""

_UNSUITED = {"BUFR", "GRIB", "HDF5", "MPEG", "WMF", "EPS"}
"""Formats that Pillow recognizes but cannot draw, and EPS, which it passes to an external program."""


@dataclass(frozen=True)
class Extra:
    """Optional dependencies that add formats.

    Attributes:
        name: Name of the extra in `pip install 'infomax[name]'`.
        modules: Modules that it installs and that the decoder needs.
        extensions: Extensions of its formats.

    """

    name: str
    modules: tuple[str, ...]
    extensions: frozenset[str] = frozenset()

    @property
    def installed(self) -> bool:
        """Whether all of its modules can be imported."""
        return all(map(_is_installed, self.modules))

    @property
    def remedy(self) -> str:
        """What to type."""
        return f"pip install 'infomax[{self.name}]'"


def _extensions(names: str) -> frozenset[str]:
    return frozenset(f".{name}" for name in names.split())


HEIF = Extra("heif", ("pillow_heif",), _extensions("heic heics heif heifs hif"))
JPEG_XL = Extra("jxl", ("imagecodecs",), _extensions("jxl"))
RAW = Extra(
    "raw",
    ("rawpy",),
    _extensions(
        "3fr arw cr2 cr3 crw dcr dng erf fff iiq k25 kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f"
    ),
)
TIFF = Extra("tiff", ("tifffile", "imagecodecs"))

_DRAWINGS = _extensions("afphoto ai cdr clip djv djvu emf eps kra pdf ps psb sketch svg svgz wmf xcf xps")
_RARE = _extensions("cin dpx exr fpx hdp hdr jng jpm jxr mng pct pict wdp wpg")
_SCIENTIFIC = _extensions("czi dcm dicom lif mha mrxs nd2 ndpi nii nrrd oib oif scn svs vsi")

_CONVERSIONS = {**dict.fromkeys(_DRAWINGS | _RARE, "PNG"), **dict.fromkeys(_SCIENTIFIC, "TIFF")}
"""Extensions of images that no extra reads, and what to convert them to."""


@cache
def image_extensions() -> frozenset[str]:
    """Extensions of the files that count as images here, in lower case with their dot."""
    readable = {*pillow_formats(), "MPO"}  # the reader of JPEG opens MPO, too
    extensions = {extension for extension, name in Image.registered_extensions().items() if name in readable}
    return frozenset(extensions).union(*(extra.extensions for extra in (HEIF, JPEG_XL, RAW) if extra.installed))


@cache
def pillow_formats() -> tuple[str, ...]:
    """Formats that are decoded by Pillow itself, the most common first."""
    Image.init()
    # Pillow recognizes formats that have no extension by hardly anything
    with_extension = set(Image.registered_extensions().values())
    return tuple(name for name in Image.OPEN if name in with_extension - _UNSUITED)


def is_photo(extension: str) -> bool:
    """Whether a person would call a file of this extension a photo or a drawing, though it is not decoded here.

    Args:
        extension: Extension in lower case, with its dot.

    Returns:
        True for formats of the extras that are not installed, and for formats to convert.

    """
    return extension not in image_extensions() and remedy_for(extension) != ""


def remedy_for(extension: str) -> str:
    """What to do about a file that is not decoded.

    Args:
        extension: Extension in lower case, with its dot.

    Returns:
        What to install, or to convert to. "" for files that are no images at all.

    Examples:
        >>> remedy_for(".heic"), remedy_for(".svg"), remedy_for(".mov")
        ("pip install 'infomax[heif]'", 'convert to PNG', '')

    """
    for extra in (HEIF, JPEG_XL, RAW):
        if extension in extra.extensions:
            return extra.remedy
    return f"convert to {_CONVERSIONS[extension]}" if extension in _CONVERSIONS else ""


@cache
def _is_installed(module: str) -> bool:
    """Whether a module can be imported; a broken installation counts as none."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
