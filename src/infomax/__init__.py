"""Features from unlabelled pictures by maximising mutual information, and search by picture."""

from infomax.errors import InfoMaxError
from infomax.model import InfoMax

__all__ = ["InfoMax", "InfoMaxError"]
