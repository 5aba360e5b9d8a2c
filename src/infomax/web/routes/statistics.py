"""Statistics of the index."""

from fastapi import APIRouter

from infomax.web.schemas import StatisticsAnswer
from infomax.web.state import State

router = APIRouter()

_TIMEOUT = 60  # seconds to wait for the first statistics, before asking again


@router.get("/api/statistics")
async def get_statistics(state: State) -> StatisticsAnswer:
    """Get the numbers of images, in total and for each label and folder."""
    while True:
        if found := await state.statistics.get(state.index.version, _TIMEOUT):
            return found.result
