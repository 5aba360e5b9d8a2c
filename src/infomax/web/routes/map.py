"""Map of the collection."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from infomax.web.map_columns import map_answer
from infomax.web.requests import ImageConditions, ImageOrder
from infomax.web.schemas import Excluded, MapAnswer
from infomax.web.state import COMPUTING, State

router = APIRouter()


@router.get("/api/map", response_model=MapAnswer, responses=COMPUTING)
async def get_map(state: State) -> Response:
    """Get all images as points of a plane. Similar images lie close together.

    The answer has status 202 while the first map is being computed.
    """
    return await state.computed(
        state.maps, state.searchable().version, lambda found: map_answer(found.result, current=found.is_current)
    )


@router.get("/api/map/excluded")
async def get_excluded(state: State, asked: Annotated[ImageConditions, Query()]) -> Excluded:
    """Get the images of the map that filters leave out. Hidden and trashed images are among them."""

    def work() -> Excluded:
        counted = {*state.views.ordered(ImageOrder.model_construct(**dict(asked)))}
        return Excluded(ids=[each for each in state.index.ordered("path") if each not in counted])

    return await state.run(work)
