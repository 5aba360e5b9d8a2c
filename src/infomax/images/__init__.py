"""Getting images in: from a folder, parquet, arrays or a name to one array of 8-bit squares."""

from infomax.images.loading import LoadedImages, Skipped, load_images, load_rows, write_skipped
from infomax.images.opening import SourceLike

__all__ = ["LoadedImages", "Skipped", "SourceLike", "load_images", "load_rows", "write_skipped"]
