"""Map of the collection."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from infomax.web.map_columns import map_answer
from infomax.web.requests import ImageConditions
from infomax.web.schemas import Computing, Excluded, MapAnswer
from infomax.web.state import State

router = APIRouter()

_TIMEOUT = 0.5  # seconds that a request waits for a map that is being computed


@router.get("/api/map", response_model=MapAnswer, responses={202: {"model": Computing}})
async def get_map(state: State) -> Response:
    """Get all images as points of a plane. Similar images lie close together.

    The answer has status 202 while the first map is being computed.
    """
    found = await state.maps.get(state.searchable().version, _TIMEOUT)
    if found is None:
        return JSONResponse({"computing": await state.run(state.index.count)}, 202)
    content = await state.run(lambda: map_answer(found.result, current=found.is_current).model_dump_json())
    return Response(content, media_type="application/json")


@router.get("/api/map/excluded")
async def get_excluded(state: State, asked: Annotated[ImageConditions, Query()]) -> Excluded:
    """Get the images of the map that filters leave out. Hidden and trashed images are among them."""

    def work() -> Excluded:
        counted = {*state.views.ordered("path", 0, asked, None)}
        return Excluded(ids=[each for each in state.index.ordered("path") if each not in counted])

    return await state.run(work)
