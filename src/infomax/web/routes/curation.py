"""What to look at first: duplicates, outliers, a selection that stands for all, and images with a flaw."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from infomax.cleaning.checks import Checks
from infomax.cleaning.choice import GroupChoice
from infomax.errors import InfoMaxError
from infomax.search.results import IndexedImage
from infomax.search.tags import HIDDEN, TRASHED, TaggedRows
from infomax.web.bodies import ImageIds, json_body, read_json
from infomax.web.caching import Cached
from infomax.web.errors import failures, refuse
from infomax.web.requests import Offset
from infomax.web.schemas import ImageAnswer, image_answer
from infomax.web.schemas_curation import (
    Changed,
    ChecksAnswer,
    DecisionAnswer,
    DuplicateGroup,
    DuplicateImage,
    DuplicatesAnswer,
    Listed,
)
from infomax.web.state import COMPUTING, State

router = APIRouter()

Count = Annotated[int, Query(ge=1, le=1000, description="Number of images, or of groups.")]
Rule = Annotated[Literal["diverse", "typical", "odd"], Query(description="How the images are selected.")]


@router.get("/api/duplicates", response_model=DuplicatesAnswer, responses=COMPUTING)
async def get_duplicates(state: State, offset: Offset = 0, limit: Count = 50) -> Response:
    """List groups of images that look the same and that nobody has reviewed, the largest first.

    The answer has status 202 while they are being looked for.
    """
    index = state.searchable()

    def describe(found: Cached[list[GroupChoice]]) -> DuplicatesAnswer:
        tagged = index.tagged()
        left_out = tagged.ids(HIDDEN, TRASHED)
        groups = [_group(choice, tagged, left_out) for choice in found.result]
        groups = [group for group in groups if len(group.images) > 1]
        images = sum(len(group.images) for group in groups)
        part = groups[offset : offset + limit]
        return DuplicatesAnswer(total=len(groups), images=images, groups=part)

    return await state.computed(state.views.duplicates, index.changes, describe, current=True)


@router.post("/api/decisions", openapi_extra=json_body(ImageIds), responses=failures(413, 415))
async def keep_all(state: State, request: Request) -> DecisionAnswer:
    """Remember that images look the same and are all to be kept. Needs --allow-changes."""
    asked = await read_json(request, ImageIds)

    def work() -> DecisionAnswer:
        paths = [image.path for image in state.searchable().images(asked.ids)]
        if len(set(paths)) < 2:
            refuse(422, "a decision needs two images of this index or more")
        return DecisionAnswer(id=state.searchable().keep_both(paths).id)

    return await state.changing(work)


@router.delete("/api/decisions/{id}", responses=failures(404))
async def forget_decision(
    state: State,
    id: Annotated[str, Path(pattern="^[0-9a-f]{8}$", description="Id of the decision.")],  # noqa: A002
) -> Changed:
    """Forget a decision: its images are listed as duplicates again. Needs --allow-changes."""

    def work() -> Changed:
        try:
            return Changed(changed=state.searchable().decisions.forget(id))
        except InfoMaxError as error:
            return refuse(404, str(error))

    return await state.changing(work)


@router.get("/api/outliers")
async def get_outliers(state: State, n: Count = 60) -> Listed:
    """List the images that are least like the rest, the oddest first."""
    return await _listed(state, "odd", n)


@router.get("/api/selection")
async def get_selection(state: State, n: Count = 100, by: Rule = "diverse") -> Listed:
    """Select images that stand for the collection: as diverse as possible, as typical as possible, or the oddest."""
    return await _listed(state, by, n)


@router.get("/api/checks", response_model=ChecksAnswer, responses=COMPUTING)
async def get_checks(state: State, limit: Count = 200) -> Response:
    """List images that are blank, dark, blurred or tiny. The answer has status 202 while they are being looked for."""
    index = state.searchable()

    def describe(found: Cached[Checks]) -> ChecksAnswer:
        names: tuple[Literal["blank", "dark", "blurred", "tiny"], ...] = ("blank", "dark", "blurred", "tiny")
        tagged = index.tagged()
        ids = {name: getattr(found.result, name) for name in names}
        images = {name: _answers(index.images(ids[name][:limit]), tagged) for name in names}
        counts = {name: len(ids[name]) for name in names}
        return ChecksAnswer(**images, counts=counts)

    return await state.computed(state.views.checks, index.changes, describe, current=True)


async def _listed(state: State, by: Literal["diverse", "typical", "odd"], n: int) -> Listed:
    index = state.searchable()
    return await state.run(lambda: Listed(images=_answers(index.select(n, by, visible=True), index.tagged())))


def _answers(images: list[IndexedImage], tagged: TaggedRows) -> list[ImageAnswer]:
    return [image_answer(image, tagged) for image in images]


def _group(choice: GroupChoice, tagged: TaggedRows, left_out: frozenset[str]) -> DuplicateGroup:
    group = choice.group
    changes = group.changes or ("",) * len(group.images)
    return DuplicateGroup(
        kind=group.kind,
        similarity=group.similarity,
        images=[
            DuplicateImage(image=image_answer(image, tagged), best=image == choice.best, change=change)
            for image, change in zip(group.images, changes, strict=True)
            if image.id not in left_out
        ],
    )
