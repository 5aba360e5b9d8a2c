"""Getting pictures in: from a folder, parquet, arrays or a name to one array of 8-bit squares."""

from infomax.pictures.loading import Pictures, Skipped, load, load_some, write_skipped
from infomax.pictures.sources import SourceLike

__all__ = ["Pictures", "Skipped", "SourceLike", "load", "load_some", "write_skipped"]
