"""infomax select and infomax tags, as a user runs them."""

from pathlib import Path

import pytest
from pyarrow import parquet

from infomax import Index
from infomax.images import load_images
from tests.cli.conftest import document
from tests.conftest import Infomax


@pytest.mark.parametrize("by", ["diverse", "typical", "odd"])
def test_selected_images_are_a_source(infomax: Infomax, index: Path, tmp_path: Path, by: str) -> None:
    out = tmp_path / "chosen.txt"
    found = infomax("select", "--index", index, "-n", 4, "--by", by, "--out", out)
    paths = found.stdout.splitlines()
    assert (len(paths), len(set(paths))) == (4, 4)
    assert out.read_text().splitlines() == paths
    assert len(load_images(str(out), 8).pixels) == 4
    listed = document(infomax("select", "--index", index, "-n", 4, "--by", by, "--json", "-").stdout)
    assert (listed["by"], [each["path"] for each in listed["images"]]) == (by, paths)


def test_tags_become_labels(infomax: Infomax, index: Path, tmp_path: Path) -> None:
    assert infomax("tags", "--index", index).stdout == ""
    opened = Index(index)
    images = opened.page(0, 6)
    opened.tag([image.id for image in images[:4]], "sea")
    opened.tag([image.id for image in images[3:]], "sky")
    out = tmp_path / "tagged.parquet"
    found = infomax("tags", "--index", index, "--out", out)
    assert found.stdout.splitlines() == ["      4  sea", "      3  sky", f"6 images with tags as labels: {out}"]
    assert parquet.read_table(out).column("label").to_pylist() == ["sea"] * 3 + ["sea + sky"] + ["sky"] * 2
    loaded = load_images(str(out), 8)
    assert (len(loaded.pixels), loaded.labels) == (6, ["sea"] * 3 + ["sea + sky"] + ["sky"] * 2)
    listed = document(infomax("tags", "--index", index, "--json", "-").stdout)
    assert listed["tags"] == {"sea": 4, "sky": 3}
    assert [each["tags"] for each in listed["images"]][3] == ["sea", "sky"]
