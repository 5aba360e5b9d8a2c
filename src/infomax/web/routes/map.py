"""Map of the collection."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from infomax.web.map_columns import map_answer
from infomax.web.schemas import Computing, MapAnswer
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
