"""Getting pictures in: from a folder, parquet, arrays or a name to one array of 8-bit squares."""

from infomax.images.loading import Pictures, Skipped, load, load_some, write_skipped
from infomax.images.opening import SourceLike

__all__ = ["Pictures", "Skipped", "SourceLike", "load", "load_some", "write_skipped"]
