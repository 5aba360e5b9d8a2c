"""Dry run of an index that does not exist yet."""

from pathlib import Path

from infomax.decoding.options import DEFAULT_OPTIONS, ReadingOptions
from infomax.errors import InfoMaxError
from infomax.images import SourceLike
from infomax.images.several import without_repeats
from infomax.search.sync import Changes


def plan(source: SourceLike, model: str | Path | None, options: ReadingOptions = DEFAULT_OPTIONS) -> Changes:
    """Report what a synchronization would do to an index that does not exist yet.

    Args:
        source: Images or texts: a folder, files, parquet files, or a name.
        model: RUN folder of the model that the index would be made with.
        options: What to leave out.

    Returns:
        The changes; images are not decoded, so broken ones count as added.

    Raises:
        InfoMaxError: The source or the model is unusable.

    """
    from infomax.model import InfoMax

    if model is None:
        raise InfoMaxError("a new index needs a model: give --model RUN, the folder that infomax fit wrote")
    kind = InfoMax.load(model).recipe_.data_kind
    found = without_repeats(kind.open(source, options, named=True))
    return Changes(len(found.entries), 0, 0, 0, found.census().unread, found.census())
