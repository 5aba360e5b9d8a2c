"""The server: what may be asked, and what is answered.

Everything about images comes from the index, by id. The event loop only hands work out: the model embeds one upload
at a time, and no more searches run at once than there are cores, in the order in which they were asked for.
"""

from collections.abc import Callable
from hashlib import blake2b
from importlib.resources import files
from typing import Annotated, Any, TypeAlias, TypeVar

import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from jaxtyping import Float

from infomax.devices import cores
from infomax.errors import InfoMaxError
from infomax.search.index import Index, IndexedImage, Match
from infomax.web import schemas as answers
from infomax.web.caching import CoalescedLookup, StaleWhileRevalidate
from infomax.web.mapping import map_answer
from infomax.web.requests import Folder, Id, Label, Limit, Offset, Search, SearchByLink, Version, folder_path
from infomax.web.schemas import image_answer, match_answer, statistics_answer
from infomax.web.security import CrossOriginProtection
from infomax.web.uploads import UNKNOWN, body_of, embedded, packed, refuse, unpacked

KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
"""The files of the page, by their extensions."""

FOREVER = "private, max-age=31536000, immutable"
PATIENCE = 0.5
"""Seconds that a request waits for a map that is being made."""

Vector: TypeAlias = Float[np.ndarray, " d"]
Result = TypeVar("Result")


def create_app(index: Index, host: str = "127.0.0.1") -> FastAPI:
    """The application for an index; `host` is what it is bound to, which decides the names it answers to."""
    app = FastAPI(
        title="infomax",
        summary="A collection of images, searched by image.",
        version="1",
        docs_url=None,  # these pages come from another host
        redoc_url=None,
        redirect_slashes=False,  # an address is the one of the document, or none
        responses={400: {"model": answers.Failure}, 403: {"model": answers.Failure}, 422: {"model": answers.Failure}},
    )
    app.add_middleware(CrossOriginProtection, bound=host)
    say_errors_in_one_line(app)
    serve_page(app)
    searches, embeddings = CapacityLimiter(cores()), CapacityLimiter(1)
    thumbnails = CoalescedLookup(index.thumbnails)
    maps = StaleWhileRevalidate(index.map)
    statistics_of = StaleWhileRevalidate(lambda: statistics_answer(index))

    async def run(work: Callable[[], Result], limiter: CapacityLimiter = searches) -> Result:
        return await to_thread.run_sync(work, limiter=limiter)

    missing: dict[int | str, dict[str, Any]] = {404: {"model": answers.Failure}}

    @app.get("/api/statistics")
    async def statistics() -> answers.StatisticsAnswer:
        """What the index holds: numbers, labels and folders."""
        while True:
            if found := await statistics_of.get(index.version, patience=60):
                return found[0]

    @app.get("/api/images")
    async def images(
        offset: Offset = 0, limit: Limit = 100, folder: Folder = None, label: Label = None
    ) -> answers.PageAnswer:
        """Some images, in the order of their paths."""

        def work() -> answers.PageAnswer:
            where = folder_path(folder)
            found = index.page(offset, limit, folder=where, label=label)
            total = index.count(folder=where, label=label)
            return answers.PageAnswer(total=total, images=[image_answer(each) for each in found])

        return await run(work)

    @app.get("/api/images/{id}", responses=missing)
    async def image(id: Id) -> answers.ImageAnswer:  # noqa: A002
        """One image."""
        found = await run(lambda: index.image(id))
        return image_answer(found) if found is not None else refuse(404, GONE)

    @app.get(
        "/api/thumbnails/{id}",
        response_class=Response,
        responses={200: {"content": {"image/webp": {}}}, **missing},
    )
    async def thumbnail(
        id: Id,  # noqa: A002
        v: Version = None,
    ) -> Response:
        """The thumbnail of an image, out of the index: the image itself is never read."""
        content = await thumbnails.get(id)
        if content is None:
            refuse(404, GONE)
        return Response(content, media_type="image/webp", headers={"cache-control": FOREVER if v else "no-store"})

    def answer(
        search: Search, found: list[Match], *, query: IndexedImage | None = None, features: Vector | None = None
    ) -> answers.MatchesAnswer:
        return answers.MatchesAnswer(
            query=None if query is None else image_answer(query),
            vector=None if features is None else packed(features),
            metric=search.metric,
            exact=not search.approximate,
            matches=[match_answer(each) for each in found],
        )

    def like_image(id_: str, search: Search) -> answers.MatchesAnswer:
        query = index.image(id_) or refuse(404, GONE)
        return answer(search, index.similar(id_, **search.options()), query=query)

    def like_features(features: Vector, search: Search) -> answers.MatchesAnswer:
        return answer(search, index.search(features, **search.options()), features=features)

    @app.get("/api/matches", responses=missing)
    async def matches(search: Annotated[SearchByLink, Query()]) -> answers.MatchesAnswer:
        """The images nearest to one of the index, which is not among them, or to the features of another."""
        match search.id, search.vector:
            case str(id_), None:
                return await run(lambda: like_image(id_, search))
            case None, str(text):
                return await run(lambda: like_features(unpacked(text, index.dim), search))
            case _:
                return refuse(422, "give either id or vector, to say what to look for")

    upload = {
        "requestBody": {
            "required": True,
            "description": "The image as it is in its file; any type of image/ will do as well.",
            "content": {UNKNOWN: {"schema": {"type": "string", "format": "binary"}}},
        }
    }

    @app.post(
        "/api/matches",
        openapi_extra=upload,
        responses={413: {"model": answers.Failure}, 415: {"model": answers.Failure}},
    )
    async def matches_of_upload(request: Request, search: Annotated[Search, Query()]) -> answers.MatchesAnswer:
        """The images nearest to the one sent, which is decoded in memory and not kept."""
        body = await body_of(request)
        features = await run(lambda: embedded(index, body), embeddings)
        return await run(lambda: like_features(features, search))

    @app.get("/api/map", response_model=answers.MapAnswer, responses={202: {"model": answers.Computing}})
    async def map_() -> Response:
        """All images as points of a plane; 202 while the first map is being made."""
        found = await maps.get(index.version, PATIENCE)
        if found is None:
            return JSONResponse({"computing": await run(index.count)}, 202)
        return Response(await run(lambda: map_answer(*found)), media_type="application/json")

    return app


GONE = "no such image in this index: it may have been removed meanwhile"


def serve_page(app: FastAPI) -> None:
    """The files of the page, which are all there are: held in memory, so that no path is ever looked up."""
    for file in files("infomax.web").joinpath("static").iterdir():
        if file.name.rpartition(".")[2] in KINDS:
            route = "/" if file.name == "index.html" else f"/static/{file.name}"
            app.add_api_route(route, page_file(file.name, file.read_bytes()), include_in_schema=False)


def page_file(name: str, content: bytes) -> Callable[[Request], Response]:
    """A route that answers with one file, or says that the browser has it already."""
    tag = f'"{blake2b(content, digest_size=8).hexdigest()}"'
    headers = {"etag": tag, "cache-control": "no-cache"}

    def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=KINDS[name.rpartition(".")[2]], headers=headers)

    return answer


def say_errors_in_one_line(app: FastAPI) -> None:
    """Every failure is {"error": one line}."""

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = " ".join(str(part) for part in first["loc"][1:])
        return failure(422, f"{where}: {first['msg'].lower()}")

    @app.exception_handler(404)
    @app.exception_handler(405)
    def nowhere(_: Request, error: HTTPException) -> Response:
        return failure(error.status_code, error.detail)

    @app.exception_handler(HTTPException)
    def refused(_: Request, error: HTTPException) -> Response:
        return failure(error.status_code, error.detail)

    @app.exception_handler(InfoMaxError)
    def unusable(_: Request, error: InfoMaxError) -> Response:
        return failure(503, str(error))


def failure(status: int, error: str) -> Response:
    """An answer that says why not."""
    return JSONResponse({"error": " ".join(error.split())}, status)
