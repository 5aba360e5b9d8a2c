"""Features from unlabeled images by maximizing mutual information, and search by image."""

from typing import TYPE_CHECKING

from infomax.errors import InfoMaxError
from infomax.model import InfoMax

if TYPE_CHECKING:
    from infomax.search.index import Index

__all__ = ["Index", "InfoMax", "InfoMaxError"]


def __getattr__(name: str) -> object:
    """Index, loaded when it is first asked for: with it comes LanceDB, which most uses do without."""
    if name == "Index":
        from infomax.search.index import Index

        return Index
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
