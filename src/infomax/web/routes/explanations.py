"""Why two images match: what the model sees of each, and how much each place speaks for the other image."""

from io import BytesIO
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Response
from jaxtyping import UInt8
from PIL import Image

from infomax.decoding.broken import BrokenImage
from infomax.errors import InfoMaxError
from infomax.search.display import decode_tiles
from infomax.search.index import Index
from infomax.search.originals import original
from infomax.search.queries import UnusableQuery, query_pixels
from infomax.web.errors import failures, refuse
from infomax.web.requests import ID_PATTERN, ImageId
from infomax.web.routes.images import UNKNOWN_ID
from infomax.web.schemas_curation import ExplanationAnswer
from infomax.web.state import State

router = APIRouter()

REFERENCES = 200
"""Images by which the scores of some objectives are brought to nats."""

_Id = Annotated[str, Query(pattern=f"^{ID_PATTERN.pattern}$", description="Id of an image in the index.")]


@router.get("/api/seen/{id}", response_class=Response, responses={200: {"content": {"image/png": {}}}, **failures(404)})
async def get_seen(state: State, id: ImageId) -> Response:  # noqa: A002 - the name in the address
    """Get an image as the model sees it: the central square, at the size that it takes."""
    index = state.searchable()

    def work() -> Response:
        file = BytesIO()
        Image.fromarray(_seen(index, id)).save(file, "png")
        return Response(file.getvalue(), media_type="image/png")

    return await state.run(work)


@router.get("/api/explanations", responses=failures(404))
async def get_explanation(state: State, id: _Id, other: _Id) -> ExplanationAnswer:  # noqa: A002
    """Say how much each place of two images speaks for the other image, in nats."""
    index = state.searchable()

    def work() -> ExplanationAnswer:
        from infomax.evaluation.explanation import explain

        query, match = _seen(index, id), _seen(index, other)
        try:
            maps = explain(index.model, query, match, _references(index))
        except InfoMaxError as error:
            refuse(422, str(error))
        return ExplanationAnswer(
            query=maps.query_by_match.round(4).tolist(),
            match=maps.match_by_query.round(4).tolist(),
            most=max(float(np.abs(each).max()) for each in (maps.query_by_itself, maps.match_by_itself)),
        )

    return await state.run(work)


def _seen(index: Index, id_: str) -> UInt8[np.ndarray, "s s 3"]:
    """An image as the model takes it; where its file is gone, its thumbnail."""
    image = index.image(id_) or refuse(404, UNKNOWN_ID)
    model = index.model
    try:
        return query_pixels(original(image.path), model.recipe_.size, model.reading_options())
    except (BrokenImage, UnusableQuery):
        return query_pixels(index.thumbnail(id_) or refuse(404, UNKNOWN_ID), model.recipe_.size)


def _references(index: Index) -> UInt8[np.ndarray, "m s s 3"]:
    """Some images of the index, evenly spread over its paths, at the size that the model takes."""
    step = max(1, len(index) // REFERENCES)
    ids = [image.id for image in index.page(0, max(1, len(index)))[::step]]
    return np.stack(decode_tiles(index.thumbnails(ids), ids, index.model.recipe_.size))
