"""All kinds of data by name. A kind loads when it is first asked for."""

from collections.abc import Callable
from functools import cache

from infomax.errors import InfoMaxError
from infomax.kinds.kind import DataKind

IMAGES = "images"
"""The kind that is meant where none is named."""


def _images() -> DataKind:
    from infomax.kinds.images.kind import ImageKind

    return ImageKind()


def _text() -> DataKind:
    from infomax.kinds.text.kind import TextKind

    return TextKind()


DATA_KINDS: dict[str, Callable[[], DataKind]] = {IMAGES: _images, "text": _text}
"""What makes each kind, by the name that `--kind` and config.json have for it."""


@cache
def find_kind(name: str) -> DataKind:
    """Look up a kind of data.

    Args:
        name: Its name.

    Returns:
        The kind.

    Raises:
        InfoMaxError: There is none of that name.

    Examples:
        >>> find_kind("images").noun
        'image'

    """
    try:
        return DATA_KINDS[name]()
    except KeyError:
        raise InfoMaxError(f"no kind of data {name!r}: choose one of {', '.join(DATA_KINDS)}") from None
