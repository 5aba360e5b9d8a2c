"""Images of the index and their thumbnails."""

from fastapi import APIRouter, Response

from infomax.web.errors import failures, refuse
from infomax.web.requests import FolderFilter, ImageId, LabelFilter, Limit, Offset, ThumbnailVersion, folder_path
from infomax.web.schemas import ImageAnswer, PageAnswer, image_answer
from infomax.web.state import State

router = APIRouter()

UNKNOWN_ID = "no such image in this index: it may have been removed"
"""Error for an id that the index does not have."""

_CACHE_FOREVER = "private, max-age=31536000, immutable"


@router.get("/api/images")
async def get_images(
    state: State, offset: Offset = 0, limit: Limit = 100, folder: FolderFilter = None, label: LabelFilter = None
) -> PageAnswer:
    """List images in the order of their paths."""

    def work() -> PageAnswer:
        path = folder_path(folder)
        images = state.index.page(offset, limit, folder=path, label=label)
        total = state.index.count(folder=path, label=label)
        return PageAnswer(total=total, images=[image_answer(image) for image in images])

    return await state.run(work)


@router.get("/api/images/{id}", responses=failures(404))
async def get_image(state: State, id: ImageId) -> ImageAnswer:  # noqa: A002 - the name in the address
    """Get one image."""
    image = await state.run(lambda: state.index.image(id))
    return image_answer(image) if image is not None else refuse(404, UNKNOWN_ID)


@router.get(
    "/api/thumbnails/{id}",
    response_class=Response,
    responses={200: {"content": {"image/webp": {}}}, **failures(404)},
)
async def get_thumbnail(
    state: State,
    id: ImageId,  # noqa: A002 - the name in the address
    v: ThumbnailVersion = None,
) -> Response:
    """Get the thumbnail of an image. The server takes it from the index and does not read the image file."""
    content = await state.thumbnails.get(id)
    if content is None:
        refuse(404, UNKNOWN_ID)
    return Response(content, media_type="image/webp", headers={"cache-control": _CACHE_FOREVER if v else "no-store"})
