"""An image sent with a request: taken in memory, within limits, and turned into a vector. Never written anywhere."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NoReturn

import numpy as np
from fastapi import HTTPException, Request
from jaxtyping import Float

from infomax.images.decoding import BrokenImage, decode
from infomax.search.index import Index

BYTES = 32 << 20
"""That an upload may have at most. The limit in pixels is that of every image, 89 million."""

LARGEST = 1e15
"""No model gives numbers like this, and squares of larger ones are too large for float32."""

UNKNOWN = "application/octet-stream"


async def body_of(request: Request) -> bytes:
    """The image in a request's body, sent as it is in its file. Raises HTTPException: 400, 413, 415."""
    kind = request.headers.get("content-type", UNKNOWN).partition(";")[0].strip().lower()
    if not kind.startswith("image/") and kind != UNKNOWN:
        refuse(415, f"{kind[:80]} is no image: send one, as the body of the request")
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > BYTES:
        refuse(413, f"more than {BYTES >> 20} MB: send a smaller image")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BYTES:
            refuse(413, f"more than {BYTES >> 20} MB: send a smaller image")
    if not body:
        refuse(400, "no image was sent: send one, as the body of the request")
    return bytes(body)


def embedded(index: Index, body: bytes) -> Float[np.ndarray, " d"]:
    """The vector of an uploaded image. Raises HTTPException: 413, 422."""
    try:
        pixels = decode(body, index.model.recipe_.size)
    except BrokenImage as broken:
        large = broken.reason.startswith("too large")
        refuse(413 if large else 422, f"this cannot be searched with ({broken.reason}): choose an image")
    return index.embed(pixels)


def packed(vector: Float[np.ndarray, " d"]) -> str:
    """A vector as a link holds it: every bit of its float32 numbers, in base64url."""
    return urlsafe_b64encode(vector.astype("<f4").tobytes()).decode().rstrip("=")


def unpacked(text: str, dim: int) -> Float[np.ndarray, " d"]:
    """The vector in a link. Raises HTTPException: 422."""
    try:
        content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        vector: Float[np.ndarray, " d"] = np.frombuffer(content, "<f4").astype(np.float32)
    except (binascii.Error, ValueError):
        vector = np.empty(0, np.float32)
    if vector.shape != (dim,) or not (np.abs(vector) < LARGEST).all():
        refuse(422, "this link holds no features of this index: drop or choose the image again")
    return vector


def refuse(status: int, error: str) -> NoReturn:
    """Answer with one line."""
    raise HTTPException(status, error)
