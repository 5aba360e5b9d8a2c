"""Search by image."""

import os

os.environ.setdefault("LANCEDB_LOG", "error")  # LanceDB warns of write conflicts, which are resolved by trying again
