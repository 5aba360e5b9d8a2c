"""Nearest images to an image of the index, to an upload, or to the features in a link."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request
from jaxtyping import Float

from infomax.search.index import Index
from infomax.search.results import IndexedImage, Matches
from infomax.web.errors import failures, refuse
from infomax.web.requests import SearchByLink, SearchOptions, decode_vector, encode_vector
from infomax.web.routes.images import UNKNOWN_ID
from infomax.web.schemas import MatchesAnswer, image_answer, match_answer
from infomax.web.state import State
from infomax.web.uploads import OCTET_STREAM, read_upload

router = APIRouter()

_UPLOAD = {
    "requestBody": {
        "required": True,
        "description": "The content of the image file. Any content type that starts with image/ is accepted too.",
        "content": {OCTET_STREAM: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("/api/matches", responses=failures(404))
async def get_matches(state: State, search: Annotated[SearchByLink, Query()]) -> MatchesAnswer:
    """Find the images nearest to an image of the index, or to given features.

    Give either `id` or `vector`. An image of the index is not among its own matches.
    """
    match search.id, search.vector:
        case str(id_), None:
            return await state.run(lambda: _matches_of_image(state.index, id_, search))
        case None, str(text):
            return await state.run(
                lambda: _matches_of_features(state.index, decode_vector(text, state.index.dim), search)
            )
        case _:
            return refuse(422, "give either id or vector, to say what to look for")


@router.post("/api/matches", openapi_extra=_UPLOAD, responses=failures(413, 415))
async def find_matches_of_upload(
    state: State, request: Request, search: Annotated[SearchOptions, Query()]
) -> MatchesAnswer:
    """Find the images nearest to an uploaded image. The server decodes the upload in memory and does not keep it."""
    body = await read_upload(request)
    features = await state.embed(body)
    return await state.run(lambda: _matches_of_features(state.index, features, search))


def _matches_of_image(index: Index, id_: str, search: SearchOptions) -> MatchesAnswer:
    query = index.image(id_) or refuse(404, UNKNOWN_ID)
    return _answer(search, index.similar(id_, **search.index_options()), query=query)


def _matches_of_features(index: Index, features: Float[np.ndarray, " d"], search: SearchOptions) -> MatchesAnswer:
    return _answer(search, index.search(features, **search.index_options()), vector=encode_vector(features))


def _answer(
    search: SearchOptions, matches: Matches, *, query: IndexedImage | None = None, vector: str | None = None
) -> MatchesAnswer:
    return MatchesAnswer(
        query=None if query is None else image_answer(query),
        vector=vector,
        metric=search.metric,
        exact=not search.approximate,
        matches=[match_answer(each) for each in matches],
        left_out=len(matches.left_out),
    )
