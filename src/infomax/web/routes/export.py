"""Lists of images as files, for other programs."""

import csv
import json
from io import StringIO

from fastapi import APIRouter, Request, Response

from infomax.search.results import IndexedImage
from infomax.search.tags import TaggedRows
from infomax.web.bodies import ExportRequest, json_body, read_json
from infomax.web.errors import failures
from infomax.web.state import State

router = APIRouter()

COLUMNS = ("path", "label", "tags", "width", "height", "size", "format", "taken", "camera", "latitude", "longitude")
"""What a list says of each image."""


@router.post(
    "/api/export",
    openapi_extra=json_body(ExportRequest),
    response_class=Response,
    responses={200: {"content": {"text/csv": {}, "application/json": {}}}, **failures(413, 415)},
)
async def export(state: State, request: Request) -> Response:
    """List images as a file, in the order given: paths, labels, tags, sizes, dates and places."""
    asked = await read_json(request, ExportRequest)

    def work() -> Response:
        tagged = state.index.tagged()
        images = state.index.images(asked.ids)
        rows = [_row(image, tagged) for image in images]
        if asked.format == "json":
            return Response(json.dumps(rows, indent=1), media_type="application/json")
        file = StringIO()
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {**row, "tags": ";".join(tagged.of(image.id))} for row, image in zip(rows, images, strict=True)
        )
        return Response(file.getvalue(), media_type="text/csv; charset=utf-8")

    return await state.run(work)


def _row(image: IndexedImage, tagged: TaggedRows) -> dict[str, object]:
    return {name: tagged.of(image.id) if name == "tags" else getattr(image, name) for name in COLUMNS}
