"""Bad input of more than twenty kinds, as a user meets it: one plain line, exit code 1, and nothing is lost."""

import csv
import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from infomax import InfoMax
from tests.conftest import SMALL, SMALL_RECIPE, Infomax, colored, no_room
from tests.images.conftest import noise, put, put_parquet, stored

JPEG, PNG = stored(noise(40, 40), "JPEG"), stored(noise(40, 40))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bomb() -> bytes:
    """A PNG of a hundred bytes that claims to have 10 billion pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def folder(**files: bytes) -> None:
    Path("source").mkdir()
    for name, content in files.items():
        put(Path("source") / name.replace("_", "."), content)


def no_images() -> None:
    folder(notes_txt=b"hello", table_csv=b"1,2")


def dangling() -> None:
    Path("source").mkdir()
    Path("source/a.png").symlink_to("gone")


def columns(**values: list[object]) -> None:
    pq.write_table(pa.table(values), "source.parquet")


SOURCES: dict[str, tuple[str, Callable[[], object], str]] = {
    "no such path": ("nowhere", lambda: None, "no such file or folder: 'nowhere'"),
    "a name mistyped": ("digit", lambda: None, "did you mean digits?"),
    "no match": ("no-*.parquet", lambda: None, "no file matches 'no-*.parquet'"),
    "empty folder": ("source", folder, "'source' is an empty folder"),
    "folder without images": ("source", no_images, "'source' holds no images, only 2 files of other kinds"),
    "one image": ("source", lambda: folder(a_png=PNG), "1 image is too few to learn from"),
    "one sound image": (
        "source",
        lambda: folder(a_png=PNG, b_png=b"", c_png=b"x"),
        "1 image (2 broken ones aside) is too few to learn from",
    ),
    "text renamed .jpg": (
        "source",
        lambda: folder(a_jpg=b"dear diary"),
        "its only image cannot be decoded; 'a.jpg': not an image",
    ),
    "truncated JPEG": ("source", lambda: folder(a_jpg=JPEG[:300]), "'a.jpg': truncated"),
    "truncated PNG": ("source", lambda: folder(a_png=PNG[:300]), "'a.png': truncated"),
    "zero bytes": ("source", lambda: folder(a_png=b""), "'a.png': an empty file"),
    "decompression bomb": ("source", lambda: folder(a_png=bomb()), "'a.png': too large"),
    "dangling link": ("source", dangling, "a link to nothing"),
    "a link to itself": ("source", lambda: Path("source").symlink_to("source"), "'source'"),
    "an unknown kind of file": ("file.txt", lambda: Path("file.txt").write_text("x"), "'file.txt' is of no supported"),
    "a pipe": ("pipe", lambda: os.mkfifo("pipe"), "'pipe' is neither a folder nor a file"),
    "no parquet": ("source.parquet", lambda: Path("source.parquet").write_bytes(b"PAR1"), "is not a parquet file"),
    "parquet without images": ("source.parquet", lambda: columns(x=[1, 2], y=["a", "b"]), "has no column image: "),
    "parquet without rows": ("source.parquet", lambda: put_parquet(Path("source.parquet"), []), "has no rows"),
    "parquet of nulls": (
        "source.parquet",
        lambda: put_parquet(Path("source.parquet"), [None, None]),
        "none of its 2 images can be decoded; the first is 'source.parquet#0': the row holds no image (null)",
    ),
    "array of floats": (
        "a.npy",
        lambda: np.save("a.npy", np.full((4, 8, 8, 3), 255.0)),
        "'a.npy#0' holds floats from 255 to 255, and 0 to 1 is expected: give images / 255",
    ),
    "array of two axes": ("a.npy", lambda: np.save("a.npy", np.ones((4, 8), np.uint8)), "is uint8 of shape (4, 8)"),
    "array of five channels": (
        "a.npy",
        lambda: np.save("a.npy", np.ones((4, 5, 8, 8), np.uint8)),
        "'a.npy' is uint8 of shape (4, 5, 8, 8): expected uint8 of shape (n, h, w), or (n, h, w, c)",
    ),
    "one image in an array": (
        "a.npy",
        lambda: np.save("a.npy", np.ones((20, 20, 3), np.uint8)),
        "'a.npy' is uint8 of shape (20, 20, 3): give images[None] for one image",
    ),
    "two splits": (
        "source",
        lambda: folder(test_parquet=b"", train_parquet=b""),
        "'source' is a data set of 2 splits: give one of them in quotes (test: 'source/test.parquet', train: ",
    ),
    "array without rows": ("a.npy", lambda: np.save("a.npy", np.ones((0, 8, 8), np.uint8)), "shape (0, 8, 8)"),
    "array of one image": ("a.npy", lambda: np.save("a.npy", colored(1)), "1 image is too few to learn from"),
    "no array": ("a.npy", lambda: Path("a.npy").write_bytes(b"x" * 100), "'a.npy' is not a .npy file of numbers"),
    "no archive": ("a.npz", lambda: Path("a.npz").write_bytes(b"x" * 100), "'a.npz' is not a .npz archive"),
    "archive without images": ("a.npz", lambda: np.savez("a.npz", weights=np.ones(3)), "weights: float64 (3,)"),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_that_cannot_be_used(infomax: Infomax, here: Path, kind: str) -> None:
    source, make, reason = SOURCES[kind]
    make()
    assert reason in infomax("fit", source, "--out", "run", *SMALL_RECIPE).failure
    assert not Path("run").exists()


@pytest.mark.parametrize("kind", ["no such path", "truncated JPEG", "array of floats"])
def test_no_other_command_accepts_it_either(infomax: Infomax, kind: str) -> None:
    source, make, reason = SOURCES[kind]
    InfoMax(SMALL, device="cpu").fit(colored(8), out="run")
    make()
    assert reason in infomax("embed", source, "--model", "run", "--out", "v.parquet").failure
    assert reason in infomax("montage", source, "--model", "run", "--out", "m.png").failure
    assert not Path("v.parquet").exists()
    assert not Path("m.png").exists()


def test_one_image_has_no_montage(infomax: Infomax) -> None:
    InfoMax(SMALL, device="cpu").fit(colored(8), out="run")
    np.save("a.npy", colored(1))
    failure = infomax("montage", "a.npy", "--model", "run", "--out", "m.png").failure
    assert failure == "1 image has no neighbors: give a collection of 2 or more"


def oddities() -> None:
    """Images of many sizes and modes, with names that a terminal cannot show, in a folder that contains itself."""
    source = Path("source")
    pixels = noise(20, 30)
    put(source / "one pixel.png", noise(1, 1))
    put(source / "long.png", noise(2, 20_000))
    put(source / "high.png", noise(3000, 1))
    put(source / "gray.png", pixels[..., 0].copy())
    put(source / "deep.png", stored(pixels[..., 0].astype(np.uint16) * 257))
    put(source / "alpha.png", noise(9, 9, 4))
    put(source / "palette.gif", stored(Image.fromarray(pixels).quantize(16), "GIF"))
    put(source / "print.jpg", stored(Image.fromarray(pixels).convert("CMYK"), "JPEG"))
    put(source / "bits.png", stored(Image.fromarray(pixels).convert("1")))
    put(source / "naïve 東京.png", pixels)
    put(source / "two\nlines.png", pixels)
    put(source / "caf\udce9.png", pixels)
    put(source / "UPPER.PNG", pixels)
    put(source / "a/b/c/deep.png", pixels)
    (source / "a/b/again").symlink_to(source.resolve())


ODD = 14
BROKEN: dict[str, tuple[bytes, str]] = {
    "text.jpg": (b"dear diary", "not an image"),
    "cut.jpg": (JPEG[:-600], "truncated"),
    "cut.png": (PNG[:-600], "truncated"),
    "empty.png": (b"", "an empty file"),
    "bomb.png": (bomb(), "too large"),
    'a\nb,"c".png': (b"no", "not an image"),
    "x/caf\udce9.png": (b"no", "not an image"),
}


def test_broken_images_are_skipped_and_listed(infomax: Infomax) -> None:
    oddities()
    for name, (content, _) in BROKEN.items():
        put(Path("source") / name, content)
    Path("source/dangling.png").symlink_to("gone")
    fitted = infomax("fit", "source", "--out", "run", *SMALL_RECIPE)
    assert fitted.code == 0, fitted
    assert f"learned 8 features from {ODD} images" in fitted.stdout
    assert fitted.stderr == (
        f"infomax: skipped {len(BROKEN)} broken images: run/skipped.csv\n"
        "infomax: skipped 1 too large image, --max-pixels lets it in: run/skipped.csv\n"
    )
    with Path("run/skipped.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["where", "reason"]
    skipped = dict(rows[1:])
    assert skipped.keys() == {*BROKEN, "dangling.png"}
    assert "link to nothing" in skipped["dangling.png"]
    for name, (_, reason) in BROKEN.items():
        assert reason in skipped[name]
    embedded = infomax("embed", "source", "--model", "run", "--out", "v.parquet")
    assert (embedded.code, pq.read_metadata("v.parquet").num_rows) == (0, ODD)


def test_a_parquet_with_a_null(infomax: Infomax) -> None:
    images: list[bytes | None] = [stored(image) for image in colored(6)]
    put_parquet(Path("a.parquet"), [*images[:2], None, b"broken", *images[2:]])
    fitted = infomax("fit", "a.parquet", "--out", "run", *SMALL_RECIPE)
    assert (fitted.code, fitted.stderr) == (0, "infomax: skipped 2 broken images: run/skipped.csv\n")
    with Path("run/skipped.csv").open(newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["where", "a.parquet#2", "a.parquet#3"]


@pytest.mark.parametrize("name", ["naïve 東京", "two\nlines", "caf\udce9"])
def test_names_that_a_terminal_cannot_show(infomax: Infomax, name: str) -> None:
    for index, image in enumerate(colored(6)):
        put(Path(name) / f"{index}.png", image)
    run = f"{name} run"
    assert infomax("fit", name, "--out", run, *SMALL_RECIPE).code == 0
    assert infomax("embed", name, "--model", run, "--out", f"{name}.parquet").code == 0
    assert infomax("montage", name, "--model", run, "--out", f"{name}.png").code == 0
    assert "finished run" in infomax("fit", name, "--out", run, *SMALL_RECIPE).failure


SETTINGS: dict[str, tuple[list[object], str]] = {
    "unknown recipe": (
        ["--recipe", "cifar"],
        "unknown recipe 'cifar': choose one of auto, spectral, spectral-fast, spectral-64, spectral-96, multiview-fast",
    ),
    "unknown setting": (["--set", "gama=1"], "no setting 'gama' in dim-cifar10: choose one of size, "),
    "a setting without a value": (["--set", "beta"], "setting beta=: give a value like beta=1.5"),
    "a value of another kind": (["--set", "dim=big"], "setting dim=big: give a value like dim=256"),
    "no divergence": (["--set", "divergence=no"], "unknown divergence 'no': choose one of "),
    "a size that cannot be halved": (["--set", "size=30"], "size 30 cannot be halved 3 times"),
    "no epochs": (["--epochs", 0], "epochs is 0: use 1 or more"),
    "fewer than no epochs": (["--epochs", -3], "epochs is -3: use 1 or more"),
    "epochs of a closed form": (["--recipe", "spectral", "--epochs", 3], "has no epochs: leave --epochs 3 out"),
    "patches that do not end at the edge": (["--set", "patches=40"], "patches of 40 px"),
    "no learning": (["--set", "alpha=0", "--set", "beta=0"], "nothing is left to learn from"),
    "a batch of one": (["--set", "batch=1"], "batch is 1: use 2 or more"),
    "resume and overwrite": (["--resume", "--overwrite"], "resume continues the run in `out`"),
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_settings_that_cannot_be_used(infomax: Infomax, kind: str) -> None:
    words, reason = SETTINGS[kind]
    recipe = [] if "--recipe" in words or "patches=40" in words else ["--recipe", "dim-cifar10"]
    assert reason in infomax("fit", "digits", "--out", "run", *recipe, *words).failure
    assert not Path("run").exists()


def test_an_unknown_choice_in_a_shell(shell: Infomax) -> None:
    assert (
        "'map': choose one of code, mean, feature-map"
        in shell("fit", "digits", "--out", "r", "--recipe", "dim-cifar10", "--set", "global_target=map").failure
    )


def test_a_far_too_large_learning_rate(infomax: Infomax) -> None:
    np.save("a.npy", colored(40))
    failure = infomax("fit", "a.npy", "--out", "run", *SMALL_RECIPE, "--set", "learning_rate=1e30").failure
    assert failure.startswith("training diverged: ")
    assert "lower the learning rate" in failure
    assert not Path("run/model.safetensors").exists()


def half_written(name: str, kept: int | None) -> Callable[[], None]:
    """Make an interrupted run (without weights) whose file `name` is cut off after `kept` bytes, or missing."""

    def make() -> None:
        InfoMax(SMALL, device="cpu").fit(np.load("a.npy"), out="run")
        Path("run/model.safetensors").unlink()
        content = Path("run", name).read_bytes()
        Path("run", name).unlink()
        if kept is not None:
            Path("run", name).write_bytes(content[:kept])

    return make


def finished() -> None:
    InfoMax(SMALL, device="cpu").fit(np.load("a.npy"), out="run")


def weights_cut_off() -> None:
    finished()
    os.truncate("run/model.safetensors", 2000)


def foreign() -> None:
    Path("run").mkdir()
    Path("run/thesis.tex").write_text("years of work")


RUNS: dict[str, tuple[Callable[[], object], list[object], str]] = {
    "finished": (finished, [], "run holds a finished run: choose another --out, or replace it with --overwrite"),
    "finished, resumed": (
        finished,
        ["--resume"],
        "run has finished its 2 epochs: for more, add --epochs N to --resume",
    ),
    "interrupted": (half_written("last.ckpt", None), [], "run holds an interrupted run: add --resume, or replace it"),
    "config cut off": (half_written("config.json", 30), ["--resume"], "config.json is damaged"),
    "config cut off, again": (half_written("config.json", 30), [], "run holds an interrupted run"),
    "checkpoint cut off": (half_written("last.ckpt", 5000), ["--resume"], "last.ckpt is damaged"),
    "no config": (half_written("config.json", None), ["--resume"], "run holds no run (no config.json)"),
    "of another recipe": (finished, ["--resume", "--epochs", 3, "--recipe", "dim-digits"], "run was begun with "),
    "of another seed": (finished, ["--resume", "--epochs", 3, "--seed", 1], "run was begun with seed 0: resume with"),
    "a file": (lambda: Path("run").write_text("x"), [], "run is a file, and a run is a folder: choose another --out"),
    "a file, overwritten": (lambda: Path("run").write_text("x"), ["--overwrite"], "run is a file"),
    "a foreign folder": (foreign, [], "run is not empty and holds no run: choose another --out"),
    "a foreign folder, overwritten": (foreign, ["--overwrite"], "run is not empty and holds no run"),
    "nothing to resume": (lambda: None, ["--resume"], "run holds no run (no config.json): make one with infomax fit"),
    "in a file": (lambda: Path("file").write_text("x"), ["--out", "file/run"], "file"),
}


def tree() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", RUNS)
def test_a_run_that_cannot_be_used(infomax: Infomax, kind: str) -> None:
    make, words, reason = RUNS[kind]
    np.save("a.npy", colored(40))
    make()
    before = tree()
    recipe = [] if {"--resume", "--recipe"} & {*words} else SMALL_RECIPE
    assert reason in infomax("fit", "a.npy", "--out", "run", *recipe, *words).failure
    assert tree() == before


def test_a_damaged_run_may_be_overwritten(infomax: Infomax) -> None:
    np.save("a.npy", colored(40))
    half_written("config.json", 30)()
    assert infomax("fit", "a.npy", "--out", "run", *SMALL_RECIPE, "--overwrite").code == 0
    assert infomax("embed", "a.npy", "--model", "run", "--out", "v.parquet").code == 0


MODELS: dict[str, tuple[Callable[[], object], str]] = {
    "nowhere": (lambda: None, "run holds no run (no config.json): make one with infomax fit"),
    "a file": (lambda: Path("run").write_text("x"), "run"),
    "interrupted": (half_written("last.ckpt", None), "run has no model yet: finish it with infomax fit --resume"),
    "config cut off": (half_written("config.json", 30), "config.json is damaged"),
    "weights cut off": (weights_cut_off, "model.safetensors is damaged"),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_that_cannot_be_used(infomax: Infomax, kind: str) -> None:
    make, reason = MODELS[kind]
    np.save("a.npy", colored(40))
    make()
    for command, out in (("embed", "v.parquet"), ("montage", "m.png")):
        assert reason in infomax(command, "a.npy", "--model", "run", "--out", out).failure
        assert not Path(out).exists()


@pytest.mark.parametrize("command", ["embed", "montage"])
def test_results_that_cannot_be_written(infomax: Infomax, command: str) -> None:
    np.save("a.npy", colored(40))
    finished()
    Path("folder").mkdir()
    failure = infomax(command, "a.npy", "--model", "run", "--out", "folder").failure
    assert failure == "Is a directory: folder: check the path"
    assert "run/config.json" in infomax(command, "a.npy", "--model", "run", "--out", "run/config.json/file").failure
    assert list(Path("folder").iterdir()) == []
    assert not list(Path().glob(".*"))


FULL: dict[str, tuple[int, list[object], str]] = {
    "cache": (1_000, ["fit", "b.npy", "--out", "new", *SMALL_RECIPE], "cannot keep prepared images in "),
    "run": (12_000, ["fit", "a.npy", "--out", "new", *SMALL_RECIPE], "File too large: new/last.ckpt: make room there"),
    "vectors": (
        500,
        ["embed", "a.npy", "--model", "run", "--out", "v.parquet"],
        "File too large: v.parquet: make room",
    ),
    "figure": (500, ["montage", "a.npy", "--model", "run", "--out", "m.png"], "File too large: m.png: make room there"),
}


@pytest.mark.parametrize("full", FULL)
def test_a_full_disk(infomax: Infomax, full: str) -> None:
    limit, words, reason = FULL[full]
    np.save("a.npy", colored(40))
    np.save("b.npy", colored(40, side=12))
    finished()
    before = tree()
    with no_room(limit):
        ended = infomax(*words)
    assert reason in ended.failure
    assert {path: content for path, content in tree().items() if not path.startswith("new/")} == before
    if full == "run":
        assert {path.name for path in Path("new").iterdir()} <= {"config.json", "log.jsonl", "skipped.csv"}
        assert json.loads(Path("new/config.json").read_text())["seed"] == 0
        assert infomax("fit", "a.npy", "--out", "new", "--resume").code == 0  # when there is room again
