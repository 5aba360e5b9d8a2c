"""Search by image."""

import os

os.environ.setdefault("LANCEDB_LOG", "error")  # its warnings are of conflicts that are mended without anybody's help
