"""Which files belong to an image."""

from pathlib import Path

import pytest

from infomax.cleaning.sidecars import sidecars_of


def files(folder: Path, names: str) -> list[Path]:
    for name in names.split():
        (folder / name).touch()
    return [folder / name for name in names.split()]


@pytest.mark.parametrize(
    ("image", "others", "expected"),
    [
        ("a.jpg", "a.jpg.xmp b.jpg.xmp a.jpeg.xmp", "a.jpg.xmp"),
        ("a.jpg", "a.xmp ab.xmp", "a.xmp"),
        ("a.jpg", "a.jpg.json a.json", "a.jpg.json"),
        ("a.jpg", "a.jpg.supplemental-metadata.json", "a.jpg.supplemental-metadata.json"),
        ("a(1).jpg", "a.jpg(1).json a.jpg.json", "a.jpg(1).json"),
        ("IMG_1.HEIC", "IMG_1.MOV IMG_1.AAE IMG_2.MOV", "IMG_1.AAE IMG_1.MOV"),
        ("a.jpg", "a.XMP a.Mov", "a.Mov a.XMP"),
        ("a.jpg", "a.cr2 a.xmp a.jpg.xmp", "a.jpg.xmp"),  # a.xmp belongs to a.cr2, too
        ("a.jpg", "a.heic a.mov", ""),
        ("a.jpg", "a.txt b.png", ""),
    ],
)
def test_sidecars(tmp_path: Path, image: str, others: str, expected: str) -> None:
    files(tmp_path, f"{image} {others}")
    assert [path.name for path in sidecars_of(tmp_path / image)] == expected.split()


def test_a_shared_sidecar_goes_when_all_of_its_images_go(tmp_path: Path) -> None:
    jpeg, _raw, sidecar = files(tmp_path, "a.jpg a.png a.xmp")
    assert sidecars_of(jpeg) == []
    assert sidecars_of(jpeg, leaving=[tmp_path / "a.png"]) == [sidecar]
    assert sidecars_of(jpeg, leaving=[tmp_path / "elsewhere" / "a.png"]) == []


def test_links_and_folders_are_no_sidecars(tmp_path: Path) -> None:
    [image] = files(tmp_path, "a.jpg")
    (tmp_path / "a.xmp").symlink_to(image)
    (tmp_path / "a.jpg.json").mkdir()
    assert sidecars_of(image) == []
