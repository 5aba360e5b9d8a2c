"""Image features learned without labels by maximizing mutual information, and search by image."""

from importlib import import_module
from typing import TYPE_CHECKING

from infomax.errors import InfoMaxError
from infomax.forking import prepare_forked_children

if TYPE_CHECKING:
    from infomax.images import load_images, open_source
    from infomax.information import estimate_mi
    from infomax.model import InfoMax
    from infomax.search.index import Index
    from infomax.version import __version__

_HOMES = {
    "__version__": "infomax.version",
    "Index": "infomax.search.index",
    "InfoMax": "infomax.model",
    "estimate_mi": "infomax.information",
    "load_images": "infomax.images",
    "open_source": "infomax.images",
}
# Loaded when first asked for: with them come PyTorch and LanceDB, which take seconds.

__all__ = ["Index", "InfoMax", "InfoMaxError", "__version__", "estimate_mi", "load_images", "open_source"]

prepare_forked_children()


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
