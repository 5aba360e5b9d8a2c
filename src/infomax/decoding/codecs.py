"""Formats that extras add: HEIF, JPEG XL, previews of camera RAW, and PNG with 16 bits a color."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from infomax.decoding.broken import BrokenImage, MissingExtraImage, TooLargeImage
from infomax.decoding.formats import HEIF, JPEG_XL, RAW, TIFF, OpenFile
from infomax.decoding.native import without_stderr_lines

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"}
_JPEG_XL_BOX = b"\0\0\0\x0cJXL \r\n\x87\n"
_PNG = b"\x89PNG\r\n\x1a\n"
_DIM = 32  # levels: a 16-bit image of fewer needs its lower 8 bits

ROTATIONS = {3: Image.Transpose.ROTATE_180, 5: Image.Transpose.ROTATE_90, 6: Image.Transpose.ROTATE_270}
"""What LibRaw's `flip` asks for."""


def is_heif(head: bytes) -> bool:
    """Whether a file begins like HEIC or HEIF. AVIF is none: Pillow reads it.

    Args:
        head: First 32 bytes of the file.

    Returns:
        True for HEIF.

    """
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and not {b"avif", b"avis"} & {head[16:20], head[20:24]}


def is_jpeg_xl(head: bytes) -> bool:
    """Whether a file begins like JPEG XL, bare or in a container.

    Args:
        head: First 32 bytes of the file.

    Returns:
        True for JPEG XL.

    """
    return head.startswith((b"\xff\x0a", _JPEG_XL_BOX))


def is_raw(head: bytes, extension: str) -> bool:
    """Whether a file is the RAW of a camera. Most RAW files are TIFFs, so that only their name tells.

    Args:
        head: First 32 bytes of the file.
        extension: Extension of the file in lower case; "" if it has no name.

    Returns:
        True for camera RAW.

    """
    is_by_content = head[8:10] == b"CR" or head.startswith((b"FUJIFILMCCD-RAW", b"FOVb", b"IIRO", b"IIU\0", b"\0MRM"))
    return is_by_content or head[4:12] == b"ftypcrx " or extension in RAW.extensions


def is_deep_png(head: bytes) -> bool:
    """Whether a file is a PNG with 16 bits for each of several channels. Pillow keeps only the upper 8 of them.

    Args:
        head: First 32 bytes of the file.

    Returns:
        True for 16-bit RGB and RGBA, and for gray with transparency.

    """
    return head.startswith(_PNG) and head[24:25] == b"\x10" and head[25:26] in (b"\2", b"\4", b"\6")


def open_heif(file: OpenFile) -> Image.Image:
    """Open a HEIF file; it is decoded when its pixels are loaded.

    Args:
        file: The open file.

    Returns:
        The image, upright.

    Raises:
        MissingExtraImage: The extra is not installed.

    """
    if not HEIF.installed:
        raise MissingExtraImage("HEIF", HEIF.remedy)
    from pillow_heif import HeifImageFile

    image: Image.Image = HeifImageFile(file)  # type: ignore[no-untyped-call, unused-ignore]
    return image


def decode_jpeg_xl(file: OpenFile, limit: int | float) -> NDArray[Any]:
    """Decode the first frame of a JPEG XL file, upright.

    Args:
        file: The open file.
        limit: Largest number of pixels.

    Returns:
        Pixels (h, w) or (h, w, c) in uint8, uint16 or float.

    Raises:
        MissingExtraImage: The extra is not installed.
        TooLargeImage: It has more pixels than the limit.

    """
    if not JPEG_XL.installed:
        raise MissingExtraImage("JPEG XL", JPEG_XL.remedy)
    import imagecodecs

    content = file.read()
    width, height = _jpeg_xl_size(content)
    if width * height > limit:
        raise TooLargeImage((width, height), limit)
    pixels: NDArray[Any] = imagecodecs.jpegxl_decode(content, index=0, numthreads=1)
    return pixels


def raw_preview(file: OpenFile) -> tuple[bytes | NDArray[np.uint8], Image.Transpose | None]:
    """Take the preview that a camera has stored in its RAW file. The sensor's own values are never developed.

    Args:
        file: The open file.

    Returns:
        A JPEG, or pixels (h, w, 3); and how the camera was turned.

    Raises:
        MissingExtraImage: The extra is not installed.
        BrokenImage: There is no preview, or the file is damaged.

    """
    if not RAW.installed:
        raise MissingExtraImage("camera RAW", RAW.remedy)
    import rawpy

    try:
        # LibRaw itself writes about damaged files, under a name that is not theirs
        with without_stderr_lines(b"unknown file: "), rawpy.imread(file) as raw:
            turn = ROTATIONS.get(raw.sizes.flip)
            preview = raw.extract_thumb()
            return preview.data, turn
    except rawpy.LibRawError as error:
        text = error.args[0] if error.args else error
        problem = text.decode("ascii", "replace") if isinstance(text, bytes) else str(text)
        raise BrokenImage(f"no preview of this camera RAW can be read ({problem}): convert to JPEG") from None


def decode_deep_png(file: OpenFile, image: Image.Image) -> NDArray[np.uint16] | None:
    """Decode all 16 bits of a PNG in color.

    Args:
        file: The open file.
        image: The same file as Pillow has decoded it, to 8 bits.

    Returns:
        Pixels (h, w, c); None where the extra is not installed and Pillow's 8 bits show enough.

    Raises:
        MissingExtraImage: The extra is not installed, and the image is so dim that its lower 8 bits matter.

    """
    if not TIFF.installed:
        refuse_if_dim(image, "16-bit PNG")
        return None
    import imagecodecs

    file.seek(0)
    pixels: NDArray[np.uint16] = imagecodecs.png_decode(file.read())
    return pixels


def refuse_if_dim(image: Image.Image, what: str) -> None:
    """Refuse an image of which Pillow has kept the upper 8 of 16 bits, unless they suffice.

    Args:
        image: The image as Pillow has decoded it.
        what: What it is, for the message.

    Raises:
        MissingExtraImage: It uses so few levels that its lower 8 bits matter.

    """
    levels = np.asarray(image.convert("L"))
    low, high = int(levels.min()), int(levels.max())
    if high - low < _DIM:
        raise MissingExtraImage(f"{what} in {high - low + 1} of 256 levels, its finer ones need", TIFF.remedy)


def _jpeg_xl_size(content: bytes) -> tuple[int, int]:
    """Width and height from the header (ISO/IEC 18181-1, 8.1). Raises BrokenImage if there is no header."""
    start = _jpeg_xl_codestream(content)
    bits = int.from_bytes(content[start + 2 : start + 14], "little")
    if start < 0 or len(content) < start + 6:
        raise BrokenImage("truncated: the end of the image is missing")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    def side(small: int) -> int:
        return (take(5) + 1) * 8 if small else take((9, 13, 18, 30)[take(2)]) + 1

    small = take(1)
    height = side(small)
    if ratio := take(3):
        across, down = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
        return height * across // down, height
    return side(small), height


def _jpeg_xl_codestream(content: bytes) -> int:
    """Where the codestream begins; negative if there is none."""
    if content.startswith(b"\xff\x0a"):
        return 0
    at = len(_JPEG_XL_BOX)
    while at + 8 <= len(content):
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        body = at + (16 if length == 1 else 8)
        if kind in (b"jxlc", b"jxlp"):
            return body + (4 if kind == b"jxlp" else 0)
        length = int.from_bytes(content[at + 8 : at + 16], "big") if length == 1 else length
        if length < 8:
            break
        at += length
    return -1
