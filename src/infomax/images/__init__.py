"""Load images from folders, parquet files, arrays or named collections as one array of square 8-bit RGB images."""

from infomax.decoding.options import ReadingOptions
from infomax.images.census import Skipped
from infomax.images.loading import LoadedImages, load_images, load_rows, write_skipped
from infomax.images.opening import SourceLike, open_source

__all__ = [
    "LoadedImages",
    "ReadingOptions",
    "Skipped",
    "SourceLike",
    "load_images",
    "load_rows",
    "open_source",
    "write_skipped",
]
