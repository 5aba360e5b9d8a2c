"""The trash folder: images are moved there with a journal, and moved back. Nothing is ever deleted."""

from fastapi import APIRouter, Request

from infomax.cleaning.journal import Journal
from infomax.cleaning.moving import Outcome, move_images, undo_moves
from infomax.cleaning.trash import id_of_moved, ids_of_moved, trashed_images
from infomax.paths import printable
from infomax.search.tags import TRASHED
from infomax.web.bodies import ImageIds, Restoration, json_body, read_json
from infomax.web.errors import failures
from infomax.web.schemas import image_answer
from infomax.web.schemas_curation import MovesAnswer, StayingFile, TrashAnswer, TrashedImage
from infomax.web.state import State

router = APIRouter()


@router.get("/api/trash")
async def get_trash(state: State) -> TrashAnswer:
    """List the images in the trash folder, the latest first."""
    return await state.run(lambda: _trash(state))


@router.post("/api/trash", openapi_extra=json_body(ImageIds), responses=failures(413, 415))
async def move_to_trash(state: State, request: Request) -> MovesAnswer:
    """Move the files of images to the trash folder, with their sidecars. Needs --allow-changes.

    A file that has changed since it was indexed stays, and so does an image in a file of many.
    """
    asked = await read_json(request, ImageIds)

    def work() -> MovesAnswer:
        index = state.searchable()
        moved = move_images(index, index.images(list(dict.fromkeys(asked.ids))), state.permissions.trash_of(index.path))
        ids = ids_of_moved(moved)
        index.tag(ids, TRASHED)
        return _answer(moved, ids)

    return await state.changing(work)


@router.post("/api/trash/restore", openapi_extra=json_body(Restoration), responses=failures(413, 415))
async def restore(state: State, request: Request) -> MovesAnswer:
    """Move images back from the trash folder. A file that exists again is not replaced. Needs --allow-changes."""
    asked = await read_json(request, Restoration)

    def work() -> MovesAnswer:
        folder = state.permissions.trash_of(state.searchable().path)
        moved = undo_moves(folder, asked.moves) if Journal(folder).moves else Outcome(folder)
        ids = ids_of_moved(moved)
        state.searchable().untag(ids, TRASHED)
        return _answer(moved, ids)

    return await state.changing(work)


def _trash(state: State) -> TrashAnswer:
    folder = state.permissions.trash_of(state.searchable().path)
    moves = trashed_images(folder)
    known = {image.id: image for image in state.searchable().images([id_of_moved(move) for move in moves])}
    tagged = state.searchable().tagged()
    images = []
    for move in moves:
        image = known.get(id_of_moved(move))
        answer = None if image is None else image_answer(image, tagged)
        path = printable(str(move.source))
        images.append(TrashedImage(move=move.number, path=path, size=move.size, image=answer))
    return TrashAnswer(folder=str(folder), images=images)


def _answer(outcome: Outcome, ids: list[str]) -> MovesAnswer:
    return MovesAnswer(
        folder=str(outcome.folder),
        moves=[move.number for move in outcome.moves if move.image is None],
        ids=ids,
        left=[StayingFile(path=each.path, reason=each.reason) for each in outcome.left],
    )
