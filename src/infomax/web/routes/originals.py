"""The images themselves: as their files are, where a browser can show them."""

from io import BytesIO
from pathlib import Path

from fastapi import APIRouter, Response
from PIL import Image

from infomax.decoding.broken import BrokenImage
from infomax.decoding.image import open_image, to_rgb
from infomax.search.originals import original
from infomax.web.errors import failures, refuse
from infomax.web.requests import ImageId, ThumbnailVersion
from infomax.web.routes.images import UNKNOWN_ID
from infomax.web.state import State

router = APIRouter()

SHOWN = {"JPEG": "jpeg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "AVIF": "avif", "BMP": "bmp"}
"""Formats that browsers show, and their media types."""

LARGEST_SENT = 64 << 20
"""Bytes of a file that is sent as it is; a larger one is sent smaller."""

LARGEST_SIDE = 4096
"""Pixels of the longer side of an image that is encoded again."""


@router.get(
    "/api/originals/{id}",
    response_class=Response,
    responses={200: {"content": {"image/*": {}}}, **failures(404, 410)},
)
async def get_original(
    state: State,
    id: ImageId,  # noqa: A002 - the name in the address
    v: ThumbnailVersion = None,
) -> Response:
    """Get an image itself: its file, or a WebP of at most 4,096 pixels where a browser cannot show the format."""
    if not state.permissions.originals:
        refuse(403, "this page shows thumbnails only: it was started with --no-originals")

    def work() -> Response:
        image = state.index.image(id) or refuse(404, UNKNOWN_ID)
        try:
            data = original(image.path)
            content, kind = _as_it_is(data) or (_encoded(data, state), "webp")
        except (BrokenImage, OSError) as error:
            refuse(410, f"this image cannot be opened: {error}")
        headers = {"cache-control": "private, max-age=3600" if v else "no-store"}
        return Response(content, media_type=f"image/{kind}", headers=headers)

    return await state.run(work)


def _as_it_is(data: object) -> tuple[bytes, str] | None:
    """Content and media type of an image that browsers show; None for another."""
    if isinstance(data, Path) and data.stat().st_size <= LARGEST_SENT:
        data = data.read_bytes()
    if not isinstance(data, bytes) or len(data) > LARGEST_SENT:
        return None
    try:
        with Image.open(BytesIO(data), formats=list(SHOWN)) as image:
            is_shown = image.mode not in ("I", "F", "I;16", "CMYK")
            return (data, SHOWN[image.format or ""]) if is_shown else None
    except (OSError, ValueError, KeyError, SyntaxError, Image.DecompressionBombError):
        return None


def _encoded(data: object, state: State) -> bytes:
    """A WebP of an image that is decoded here."""
    with open_image(data, LARGEST_SIDE, state.reading()) as opened:  # type: ignore[arg-type]
        image = to_rgb(opened.image)
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    file = BytesIO()
    image.save(file, "webp", quality=90, method=2)
    return file.getvalue()
