from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from infomax.decoding.image import center_crop_resize
from infomax.decoding.options import ReadingOptions

Pixels = NDArray[np.uint8]
HUGGINGFACE = b'{"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}'


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> Pixels:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def stored(pixels: NDArray[np.generic] | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(file, kind, **options)
    return file.getvalue()


def put(path: Path, pixels: Pixels | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pixels if isinstance(pixels, bytes) else stored(pixels))
    return path


def put_parquet(
    path: Path, images: list[bytes | None], labels: list[int] | None = None, *, names: bool = False, group: int = 2
) -> Path:
    image = pa.array(
        [None if image is None else {"bytes": image, "path": None} for image in images],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    columns = {"image": image} if labels is None else {"image": image, "label": pa.array(labels, pa.int64())}
    table = pa.table(columns).replace_schema_metadata({b"huggingface": HUGGINGFACE} if names else None)
    pq.write_table(table, path, row_group_size=group)
    return path


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Number of images decoded since the last call."""
    count = 0

    def counted(data: bytes | Path | Pixels, size: int, options: ReadingOptions) -> Pixels:
        nonlocal count
        count += 1
        return center_crop_resize(data, size, options)

    def since() -> int:
        nonlocal count
        count, before = 0, count
        return before

    monkeypatch.setattr("infomax.images.loading.center_crop_resize", counted)
    return since
