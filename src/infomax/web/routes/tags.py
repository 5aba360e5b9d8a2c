"""Tags of images, and images that the page leaves out."""

from fastapi import APIRouter, Request

from infomax.errors import InfoMaxError
from infomax.search.reader import IndexReader
from infomax.search.tags import HIDDEN, valid_tag
from infomax.web.bodies import HiddenChange, TagChange, json_body, read_json
from infomax.web.errors import failures, refuse
from infomax.web.schemas_curation import Changed, NamedCount, TagsAnswer
from infomax.web.state import State

router = APIRouter()


@router.get("/api/tags")
async def get_tags(state: State) -> TagsAnswer:
    """List all tags."""
    return await state.run(lambda: _answer(state.index, 0))


@router.post("/api/tags", openapi_extra=json_body(TagChange), responses=failures(413, 415))
async def change_tags(state: State, request: Request) -> TagsAnswer:
    """Give images a tag, or take it from them. Needs --allow-changes."""
    change = await read_json(request, TagChange)
    try:
        tag = valid_tag(change.tag)
    except InfoMaxError as error:
        refuse(422, str(error))

    def work() -> TagsAnswer:
        index = state.searchable()
        act = index.untag if change.remove else index.tag
        return _answer(index, act(change.ids, tag))

    return await state.changing(work)


@router.post("/api/hidden", openapi_extra=json_body(HiddenChange), responses=failures(413, 415))
async def change_hidden(state: State, request: Request) -> Changed:
    """Leave images out of the page, or show them again. Needs --allow-changes."""
    change = await read_json(request, HiddenChange)

    def work() -> Changed:
        index = state.searchable()
        return Changed(changed=(index.tag if change.hidden else index.untag)(change.ids, HIDDEN))

    return await state.changing(work)


def _answer(index: IndexReader, changed: int) -> TagsAnswer:
    counts = index.tagged().counts()
    return TagsAnswer(tags=[NamedCount(name=tag, images=count) for tag, count in counts.items()], changed=changed)
