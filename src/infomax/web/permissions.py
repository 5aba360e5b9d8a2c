"""What a server lets its page do beside looking: change tags, move files to a trash folder, open originals."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Permissions:
    """What the page may do.

    Attributes:
        changes: Whether requests may write: tags, decisions, and moves to the trash folder.
        originals: Whether the page may open the files of the images themselves, beside their thumbnails.
        trash: Folder that images are moved to; None for one beside the index.
    """

    changes: bool = False
    originals: bool = True
    trash: Path | None = None

    def trash_of(self, index: Path) -> Path:
        """Folder that images of an index are moved to.

        Args:
            index: Folder of the index.

        Returns:
            The folder, which need not exist yet.
        """
        return self.trash or index.absolute().with_name(f"{index.absolute().name}.trash")


LOOK_ONLY = Permissions()
"""A page that changes nothing."""
