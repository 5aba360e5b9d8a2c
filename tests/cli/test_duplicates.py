"""infomax duplicates, as a user runs it."""

from pathlib import Path

from PIL import Image

from tests.cli.conftest import document
from tests.conftest import Infomax


def test_copies_and_near_copies_are_grouped(infomax: Infomax, index: Path, photos: Path) -> None:
    copy = photos / "dog" / "copy.png"
    copy.write_bytes((photos / "cat" / "00.png").read_bytes())
    infomax("index", photos, "--index", index)
    found = document(infomax("duplicates", "--index", index, "--threshold", "1", "--json", "-").stdout)
    assert [str(photos / "cat" / "00.png"), str(copy)] in [group["paths"] for group in found["groups"]]
    assert str(copy) in infomax("duplicates", "--index", index).stdout
    ring = Image.radial_gradient("L").resize((64, 64))
    ring.save(photos / "cat" / "ring.png")
    ring.point(lambda level: level * 0.8).resize((50, 50)).save(photos / "dog" / "darker.jpg")
    infomax("index", photos, "--index", index)
    found = document(infomax("duplicates", "--index", index, "--threshold", "-1", "--json", "-").stdout)
    assert sorted(sorted(Path(path).name for path in group["paths"]) for group in found["groups"]) == [
        ["00.png", "copy.png"],
        ["darker.jpg", "ring.png"],
    ]


def test_a_threshold_that_is_no_cosine(infomax: Infomax, index: Path) -> None:
    assert "a cosine lies in" in infomax("duplicates", "--index", index, "--threshold", 2).failure
