"""How far the learning of features is."""

from dataclasses import asdict

from fastapi import APIRouter

from infomax.explore.learning import LearningStatus
from infomax.web.schemas import LearningAnswer
from infomax.web.state import State

router = APIRouter()


@router.get("/api/learning")
async def get_learning(state: State) -> LearningAnswer:
    """Get how far the learning of features is. Ask again in a second while there is a stage."""
    images = await state.run(state.index.count)
    if state.learning is None:
        return LearningAnswer(state="none", images=images, **_NOTHING)
    return LearningAnswer(images=images, **asdict(state.learning.status))


_NOTHING = {name: value for name, value in asdict(LearningStatus("ready")).items() if name != "state"}
