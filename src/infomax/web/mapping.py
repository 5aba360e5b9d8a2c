"""The map as an answer: columns, so that tens of thousands of points are a few megabytes."""

from collections.abc import Sequence

from infomax.search.map import CollectionMap
from infomax.web.schemas import MapAnswer


def map_answer(drawn: CollectionMap, current: bool) -> bytes:
    """A map as JSON."""
    labels, label = coded(drawn.labels)
    folders, folder = coded([path.rpartition("/")[0] or None for path in drawn.paths])
    x, y = drawn.positions.round(5).astype(float).round(5).T.tolist() if drawn.ids else ([], [])
    answer = MapAnswer(
        current=current, ids=drawn.ids, x=x, y=y, labels=labels, label=label, folders=folders, folder=folder
    )
    return answer.model_dump_json().encode()


def coded(names: Sequence[str | None]) -> tuple[list[str], list[int]]:
    """The different names in order, and for each name its place among them; -1 for none."""
    different = sorted({name for name in names if name is not None})
    places: dict[str | None, int] = {name: place for place, name in enumerate(different)} | {None: -1}
    return different, [places[name] for name in names]
