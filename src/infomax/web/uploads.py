"""Uploaded images: received in memory within limits, and embedded. They are never written to disk."""

import numpy as np
from fastapi import Request
from jaxtyping import Float

from infomax.search.index import Index
from infomax.search.queries import UnusableQuery
from infomax.web.bodies import content_type, read_body
from infomax.web.errors import refuse

MAX_UPLOAD_BYTES = 32 << 20
"""Maximum size of an upload. The limit in pixels is the same as for every other image: 89 million."""

OCTET_STREAM = "application/octet-stream"
"""Content type of a file of unknown type."""


async def read_upload(request: Request) -> bytes:
    """Read the image file in the body of a request.

    Args:
        request: The request. Its content type is any image type or `application/octet-stream`.

    Returns:
        The content of the file.

    Raises:
        HTTPException: 400 for an empty body, 413 for more than `MAX_UPLOAD_BYTES`, 415 for another content type.
    """
    kind = content_type(request, OCTET_STREAM)
    if not kind.startswith("image/") and kind != OCTET_STREAM:
        refuse(415, f"{kind[:80]} is not an image type: send an image as the body of the request")
    body = await read_body(request, MAX_UPLOAD_BYTES, "send a smaller image")
    if not body:
        refuse(400, "no image was sent: send an image as the body of the request")
    return body


def embed_upload(index: Index, body: bytes) -> Float[np.ndarray, " d"]:
    """Compute the features of an uploaded image.

    Args:
        index: The index whose model to use.
        body: The content of the image file.

    Returns:
        Features, (d,), float32.

    Raises:
        HTTPException: 413 for an image with too many pixels, 422 for one that cannot be decoded.
    """
    try:
        return index.embed(body)
    except UnusableQuery as error:
        refuse(413 if error.too_large else 422, f"this cannot be searched with ({error.reason}): choose an image")
