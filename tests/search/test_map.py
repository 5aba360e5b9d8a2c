"""The map of an index is computed once, and again after its rows have changed."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from infomax import Index, InfoMax
from infomax.neighbors import projection
from infomax.neighbors.projection import Layout, lay_out
from tests.conftest import colored

Vectors = NDArray[np.float32]


def test_a_map_is_computed_once_and_again_when_rows_have_changed(
    tmp_path: Path, model: InfoMax, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []

    def counted(vectors: Vectors) -> Layout:
        computed.append(len(vectors))
        return lay_out(vectors)

    monkeypatch.setattr(projection, "lay_out", counted)
    index = Index.create(tmp_path / "index", model, device="cpu")
    assert index.map().ids == []
    index.add(colored(12))
    drawn = index.map()
    assert drawn.ids == [each.id for each in index.page(0, 12)]
    again = Index(tmp_path / "index").map()
    assert np.array_equal(again.positions, drawn.positions)
    assert computed == [0, 12]
    index.add(colored(13, seed=1))
    assert len(index.map().ids) == 13
    (tmp_path / "index" / "map.safetensors").write_bytes(b"damaged")
    assert np.array_equal(index.map().positions, Index(tmp_path / "index").map().positions)
    assert computed == [0, 12, 13, 13]
