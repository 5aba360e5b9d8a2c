"""Images of the index and their thumbnails."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from infomax.search.map import CollectionMap
from infomax.search.reader import IndexReader
from infomax.web.errors import failures, refuse
from infomax.web.requests import ImageId, ImageOrder, ImagePage, ThumbnailVersion
from infomax.web.schemas import IdsAnswer, ImageAnswer, PageAnswer, image_answer
from infomax.web.state import COMPUTING, State

router = APIRouter()

UNKNOWN_ID = "no such image in this index: it may have been removed"
"""Error for an id that the index does not have."""

_CACHE_FOREVER = "private, max-age=31536000, immutable"


@router.get("/api/images", response_model=PageAnswer, responses=COMPUTING)
async def get_images(state: State, asked: Annotated[ImagePage, Query()]) -> Response:
    """List images in an order: by path, newest first, by likeness along a walk on the map, or at random.

    The answer has status 202 while the map, which the order by likeness needs, is being computed.
    """
    index = _index_for(state, asked)

    def describe(collection_map: CollectionMap | None = None) -> PageAnswer:
        tagged = index.tagged()
        if asked.order == "path":
            images = index.page(asked.offset, asked.limit, **asked.conditions())
            total = index.count(**asked.conditions())
        else:
            ids = state.views.ordered(asked, collection_map)
            images, total = index.images(ids[asked.offset : asked.offset + asked.limit]), len(ids)
        answers = [image_answer(image, tagged) for image in images]
        return PageAnswer(total=total, images=answers)

    return await _in_order(state, asked, describe)


@router.get("/api/ids", response_model=IdsAnswer, responses=COMPUTING)
async def get_ids(state: State, asked: Annotated[ImageOrder, Query()]) -> Response:
    """List the ids of all images that the filters let through, in the order of `/api/images`.

    The answer has status 202 while the map, which the order by likeness needs, is being computed.
    """
    _index_for(state, asked)
    return await _in_order(state, asked, lambda found=None: IdsAnswer(ids=state.views.ordered(asked, found)))


def _index_for(state: State, asked: ImageOrder) -> IndexReader:
    """What can answer: a preview has read no dates, and has no map."""
    needs_index = asked.order in ("date", "likeness") or asked.after or asked.before
    return state.searchable() if needs_index else state.index


async def _in_order(state: State, asked: ImageOrder, describe: Callable[..., BaseModel]) -> Response:
    """Answer with what a function makes of the map, where the order needs one, or of nothing."""
    if asked.order == "likeness":
        return await state.computed(state.maps, state.index.version, lambda found: describe(found.result))
    content = await state.run(lambda: describe().model_dump_json())
    return Response(content, media_type="application/json")


@router.get("/api/images/{id}", responses=failures(404))
async def get_image(state: State, id: ImageId) -> ImageAnswer:  # noqa: A002 - the name in the address
    """Get one image."""

    def work() -> ImageAnswer:
        index = state.index
        image = index.image(id)
        return image_answer(image, index.tagged()) if image is not None else refuse(404, UNKNOWN_ID)

    return await state.run(work)


@router.get(
    "/api/thumbnails/{id}",
    response_class=Response,
    responses={200: {"content": {"image/webp": {}}}, **failures(404)},
)
async def get_thumbnail(
    state: State,
    id: ImageId,  # noqa: A002 - the name in the address
    v: ThumbnailVersion = None,
) -> Response:
    """Get the thumbnail of an image. The server takes it from the index and does not read the image file."""
    content = await state.thumbnails.get(id)
    if content is None:
        refuse(404, UNKNOWN_ID)
    return Response(content, media_type="image/webp", headers={"cache-control": _CACHE_FOREVER if v else "no-store"})
