"""Files of the Hugging Face hub, from the user's cache where they are there."""

from importlib import import_module
from pathlib import Path
from typing import Any

from infomax.errors import InfoMaxError


def fetch_file(repository: str, name: str) -> Path:
    """Find a file of a repository in the user's cache, or download it.

    Args:
        repository: OWNER/NAME on the hub.
        name: The file.

    Returns:
        The file on this machine.

    Raises:
        InfoMaxError: huggingface_hub is missing, the hub cannot be reached, or it has no such file.

    """
    try:
        hub: Any = import_module("huggingface_hub")
    except ImportError:
        raise InfoMaxError("huggingface_hub is missing: pip install 'infomax[hub]', or give weights=FILE") from None
    try:
        return Path(hub.hf_hub_download(repository, name))
    except Exception as error:  # the hub raises kinds of several packages, of the network among them
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InfoMaxError(
            f"cannot get {name} of {repository} from the hub ({reason}): check the network, or give weights=FILE"
        ) from None
