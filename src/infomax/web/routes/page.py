"""Files of the page in the browser."""

from collections.abc import Callable
from hashlib import blake2b
from importlib.resources import files

from fastapi import APIRouter, Request, Response

_MEDIA_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def page_router() -> APIRouter:
    """Create a route for each file of the page.

    All files are read now and held in memory. No address in a request is ever looked up in the file system.

    Returns:
        Routes for `/` and for `/static/` followed by the name of a file.
    """
    router = APIRouter(include_in_schema=False)
    for file in files("infomax.web").joinpath("static").iterdir():
        media_type = _MEDIA_TYPES.get(file.name.rpartition(".")[2])
        if media_type is not None:
            address = "/" if file.name == "index.html" else f"/static/{file.name}"
            router.add_api_route(address, _file_route(file.read_bytes(), media_type))
    return router


def _file_route(content: bytes, media_type: str) -> Callable[[Request], Response]:
    """Create a route that sends one file, or status 304 if the browser has it already."""
    tag = f'"{blake2b(content, digest_size=8).hexdigest()}"'
    headers = {"etag": tag, "cache-control": "no-cache"}

    def send_file(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)

    return send_file
