"""Nearest images to an image of the index, to an upload, or to the features in a link."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request
from jaxtyping import Float

from infomax.decoding.broken import BrokenImage
from infomax.errors import InfoMaxError
from infomax.search.index import Index
from infomax.search.originals import Crop, combine, cropped, original
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

    Give either `id` or `vector`, and further images as `like` and `unlike`. The images that the query is made of are
    not among the matches.
    """
    index = state.searchable()
    match search.id, search.vector:
        case str(id_), None:
            return await state.run(lambda: _matches_of_image(index, id_, search))
        case None, str(text):
            return await state.run(lambda: _matches_of_link(index, text, search))
        case _:
            return refuse(422, "give either id or vector, to say what to look for")


@router.post("/api/matches", openapi_extra=_UPLOAD, responses=failures(413, 415))
async def find_matches_of_upload(
    state: State, request: Request, search: Annotated[SearchOptions, Query()]
) -> MatchesAnswer:
    """Find the images nearest to an uploaded image. The server decodes the upload in memory and does not keep it."""
    index = state.searchable()
    body = await read_upload(request)
    features = await state.embed(body, index)
    return await state.run(lambda: _matches_of_features(index, features, search))


def _matches_of_image(index: Index, id_: str, search: SearchByLink) -> MatchesAnswer:
    """Matches of an image of the index, of a part of it, or of several."""
    query = index.image(id_) or refuse(404, UNKNOWN_ID)
    if search.crop is None and not search.like and not search.unlike:
        return _answer(index, search, index.similar(id_, **search.index_options()), query=query)
    vector = _vectors(index, [id_])[0] if search.crop is None else _vector_of_part(index, query, search.crop)
    return _shaped(index, vector, search, query=query)


def _matches_of_link(index: Index, text: str, search: SearchByLink) -> MatchesAnswer:
    """Matches of the features in a link, and of images beside them."""
    return _shaped(index, decode_vector(text, index.dim), search, vector=text)


def _shaped(
    index: Index,
    first: Float[np.ndarray, " d"],
    search: SearchByLink,
    *,
    query: IndexedImage | None = None,
    vector: str | None = None,
) -> MatchesAnswer:
    """Matches of a query that is made of several images. These are not among the matches."""
    like, unlike = _ids(search.like), _ids(search.unlike)
    shaped = combine([first, *_vectors(index, like)], _vectors(index, unlike))
    own = {*like, *unlike, *([query.id] if query is not None else [])}
    matches = index.search(shaped, **{**search.index_options(), "k": search.k + len(own)})
    others = [match for match in matches if match.image.id not in own][: search.k]
    ranked = [replace(match, rank=rank) for rank, match in enumerate(others, 1)]
    found = Matches(ranked, index.thumbnails, left_out=matches.left_out, missing_roots=matches.missing_roots)
    return _answer(index, search, found, query=query, vector=vector, like=like, unlike=unlike)


def _matches_of_features(index: Index, features: Float[np.ndarray, " d"], search: SearchOptions) -> MatchesAnswer:
    return _answer(index, search, index.search(features, **search.index_options()), vector=encode_vector(features))


def _ids(joined: str | None) -> list[str]:
    return list(dict.fromkeys(joined.split(","))) if joined else []


def _vectors(index: Index, ids: list[str]) -> list[Float[np.ndarray, " d"]]:
    """Features of images of the index, in order."""
    found = index.vectors_of(ids)
    return [found[each] if each in found else refuse(404, UNKNOWN_ID) for each in ids]


def _vector_of_part(index: Index, image: IndexedImage, crop: str) -> Float[np.ndarray, " d"]:
    """Features of a part of an image."""
    try:
        part = cropped(original(image.path), Crop.parse(crop), index.model.reading_options())
    except BrokenImage as error:
        return refuse(410, f"this image cannot be opened: {error}")
    except InfoMaxError as error:
        return refuse(422, str(error))
    return index.embed(part)


def _answer(
    index: Index,
    search: SearchOptions,
    matches: Matches,
    *,
    query: IndexedImage | None = None,
    vector: str | None = None,
    like: Sequence[str] = (),
    unlike: Sequence[str] = (),
) -> MatchesAnswer:
    tagged = index.tagged()
    return MatchesAnswer(
        query=None if query is None else image_answer(query, tagged),
        vector=vector,
        like=[image_answer(image, tagged) for image in index.images(list(like))],
        unlike=[image_answer(image, tagged) for image in index.images(list(unlike))],
        metric=search.metric,
        exact=not search.approximate,
        matches=[match_answer(each, tagged) for each in matches],
        left_out=len(matches.left_out),
    )
