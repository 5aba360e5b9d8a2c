"""infomax evaluate, as a user runs it: a model, vectors, and input that cannot be evaluated."""

import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from infomax import InfoMax
from infomax.evaluation.proxies.decoder import Reconstruction
from infomax.evaluation.proxies.measure import Proxies
from infomax.evaluation.proxies.mine import MineEstimate
from infomax.evaluation.proxies.neural_dependency import NeuralDependency
from infomax.representation.encoders import ConvolutionalEncoder
from tests.cli.conftest import dark_and_light, document
from tests.conftest import Infomax


def test_a_model_is_evaluated_beside_its_baselines(shell: Infomax, home: Path) -> None:
    paths = ("--model", home / "first", "--train", home / "train", "--test", home / "test")
    ended = shell("evaluate", *paths, "--layers", "--json", "-")
    assert (ended.code, ended.stderr) == (0, "")
    found = document(ended.stdout)
    assert (found["n_train"], found["n_test"], found["dim"], found["classes"]) == (60, 30, 8, 2)
    assert found["knn"]["k"] == 20
    for name in ("cosine", "euclidean"):
        low, high = found["knn"]["interval"][name]
        assert low < found["knn"][name] < high or found["knn"][name] in (0, 1)
    assert [(each["k"], each["metric"], each["vote"]) for each in found["knn"]["votes"]] == [
        (k, metric, kind) for metric in ("cosine", "euclidean") for k in (1, 5, 20) for kind in ("majority", "weighted")
    ]
    assert found["linear"] > 0.8  # brightness is easy
    assert found["mlp"] > 0.6
    assert found["pixels"]["linear"] > 0.8
    assert found["pixels"]["detail"]["dim"] == 192
    assert {*found["random"]} == {"knn", "linear", "detail"}
    assert {name: layer["dim"] for name, layer in found["layers"].items()} == {"conv": 32, "fc": 8}
    assert 1 <= found["unlabelled"]["effective_rank"] <= 8
    assert {"embed", "linear", "mlp", "pixels", "random"} <= found["seconds"].keys()


@pytest.mark.usefixtures("here")
def test_the_same_seed_gives_the_same_figures_and_a_table_shows_them(infomax: Infomax) -> None:
    words = ("evaluate", "--model", "first", "--train", "train.npz", "--test", "test.npz", "-k", 3, "--seed", 2)
    one, two = (infomax(*words, "--json", file) for file in ("one.json", "two.json"))
    assert one == two
    first, second = (document(Path(file).read_text()) for file in ("one.json", "two.json"))
    assert first.pop("seconds").keys() == second.pop("seconds").keys()
    lines = one.stdout.splitlines()
    assert lines[0] == "60 training and 30 test vectors of 8 numbers"
    assert lines[2] == "2 labels; always predicting the most common one gives 50.0 %"
    assert [line.split("  ")[0] for line in lines[-4:]] == ["features", "code", "untrained encoder", "raw pixels"]
    assert f"{100 * first['knn']['cosine']:.1f} %" in lines[-3]
    figures = [{name: value for name, value in each.items() if name != "pixels"} for each in (first, second)]
    assert without_seconds(figures[0]) == without_seconds(figures[1])


def without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_seconds(each) for name, each in value.items() if name != "seconds"}
    return value


@pytest.mark.usefixtures("here")
def test_vectors_score_like_the_model_that_made_them(infomax: Infomax) -> None:
    for name in ("train", "test"):
        infomax("embed", f"{name}.npz", "--model", "first", "--out", f"{name}.parquet", "--device", "cpu")
    sources = [("--train", f"train.{kind}", "--test", f"test.{kind}", "--json", "-") for kind in ("npz", "parquet")]
    of_model = infomax("evaluate", "--model", "first", *sources[0], "--device", "cpu")
    of_files = infomax("evaluate", "--vectors", *sources[1])
    assert (of_files.code, of_files.stderr) == (0, "")
    first, second = document(of_model.stdout), document(of_files.stdout)
    for name in ("n_train", "n_test", "dim", "classes", "knn", "linear", "mlp", "interval", "settings", "unlabelled"):
        assert first[name] == second[name], name
    assert second["model"] is None
    assert not {"pixels", "random", "layers"} & second.keys()


@pytest.mark.usefixtures("here")
def test_without_labels_there_are_the_other_figures(infomax: Infomax) -> None:
    words = ("evaluate", "--model", "first", "--test", "test.npz", "--train", "train.npy")
    found = document(infomax(*words, "--json", "-").stdout)
    assert (found["n_train"], found["n_test"], found["dim"]) == (60, 30, 8)
    assert found["unlabelled"]["effective_rank"] > 1
    assert not {"knn", "linear", "mlp", "pixels"} & found.keys()
    lines = infomax(*words).stdout.splitlines()
    assert lines[2] == "no labels in both splits, so no accuracies"
    rates = found["altered_copies"]
    assert (rates["images"], rates["queries"]) == (90, 90)
    assert lines[3] == (
        f"an altered copy finds its original first among 90 images: {100 * rates['code']['all']:.1f} % "
        f"± {50 * (rates['code']['interval'][1] - rates['code']['interval'][0]):.1f} %, "
        f"{100 * rates['pixels']['all']:.1f} % by raw pixels"
    )
    assert [line.split()[0] for line in lines[5:]] == ["crop", "color", "blur", "jpeg"]


def put(name: str, vectors: Any, labels: Sequence[str | None] | None) -> None:
    columns = {"vector": pa.array(list(vectors))} | ({} if labels is None else {"label": pa.array(labels)})
    pq.write_table(pa.table(columns), name)


def normal(n: int, d: int = 3, seed: int = 0) -> list[list[float]]:
    rows: list[list[float]] = np.random.default_rng(seed).normal(size=(n, d)).tolist()
    return rows


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("empty")
def test_vectors_without_a_label_take_no_part(infomax: Infomax) -> None:
    put("train.parquet", normal(44), [*["a", "b"] * 20, "", None, "", None])
    put("all.parquet", normal(44)[:40], ["a", "b"] * 20)
    put("test.parquet", normal(11, seed=1), ["a"] * 10 + [None])
    first, second = (
        document(infomax("evaluate", "--vectors", "--train", each, "--test", "test.parquet", "--json", "-").stdout)
        for each in ("train.parquet", "all.parquet")
    )
    assert (first["n_train"], first["n_test"], first["classes"]) == (40, 10, 2)
    assert first["knn"] == second["knn"]
    assert first["linear"] == second["linear"]


AB = ["a", "b"]

BAD: dict[str, tuple[Callable[[], object], Callable[[], object], str]] = {
    "one class": (
        lambda: put("train", normal(40), ["a"] * 40),
        lambda: put("test", normal(5), ["a"] * 5),
        "all training images are labeled 'a': give images of two labels or more",
    ),
    "a class missing from train": (
        lambda: put("train", normal(40), AB * 20),
        lambda: put("test", normal(4), ["a", "c", "d", "c"]),
        "3 test images have labels that no training image has, 'c' first: give two sources of the same labels",
    ),
    "fewer than k": (
        lambda: put("train", normal(10), AB * 5),
        lambda: put("test", normal(4), AB * 2),
        "20 neighbors of 10 labeled training images: let 1 to 10 vote",
    ),
    "NaN in train": (
        lambda: put("train", [*normal(39), [0.0, float("nan"), 1.0]], AB * 20),
        lambda: put("test", normal(4), AB * 2),
        "the training vectors hold NaN or infinity",
    ),
    "infinity in test, without labels": (
        lambda: put("train", normal(40), None),
        lambda: put("test", [[0.0, float("inf"), 1.0]], None),
        "the test vectors hold NaN or infinity",
    ),
    "two lengths": (
        lambda: put("train", normal(40), AB * 20),
        lambda: put("test", normal(4, d=5), AB * 2),
        "training vectors of 3 numbers and test vectors of 5: give two files of one model",
    ),
    "rows of different lengths": (
        lambda: put("train", [[1.0], [1.0, 2.0]], AB),
        lambda: put("test", normal(4), AB * 2),
        "train: its column vector does not hold lists of one length",
    ),
    "an empty table": (
        lambda: put("train", normal(40), AB * 20),
        lambda: pq.write_table(pa.table({"vector": pa.array([], pa.list_(pa.float32(), 3))}), "test"),
        "test holds no vectors: give a file that infomax embed wrote",
    ),
    "images": (
        lambda: pq.write_table(pa.table({"image": ["x"]}), "train"),
        lambda: put("test", normal(4), AB * 2),
        "train has no column named vector: give a file that infomax embed wrote",
    ),
    "text": (
        lambda: Path("train").write_text("text"),
        lambda: put("test", normal(4), AB * 2),
        "train is not a parquet file",
    ),
    "nothing": (lambda: None, lambda: None, "no such file: train: give one that infomax embed wrote"),
    "a class with one image each": (
        lambda: put("train", normal(26), [chr(97 + i) for i in range(26)]),
        lambda: put("test", normal(4), AB * 2),
        "26 training images of 26 labels are too few for a classifier: give more of each",
    ),
}


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize("case", BAD)
def test_vectors_that_cannot_be_evaluated(infomax: Infomax, case: str) -> None:
    train, test, message = BAD[case]
    train(), test()
    assert message in infomax("evaluate", "--vectors", "--train", "train", "--test", "test").failure


BAD_IMAGES: dict[str, tuple[str, str, int, str]] = {
    "one class": ("one.npz", "test.npz", 20, "all training images are labeled '0'"),
    "other labels": ("train.npz", "other.npz", 20, "30 test images have labels that no training image has, '7'"),
    "a class missing from train": ("train.npz", "third.npz", 20, "10 test images have labels that no training"),
    "fewer than k": ("train.npz", "test.npz", 99, "99 neighbors of 60 labeled training images"),
}


@pytest.fixture
def bad(here: Path) -> Path:
    """The folder, with images whose labels cannot be used."""
    pixels, _ = dark_and_light(30, 0)
    for name, labels in (("one", np.zeros(30, int)), ("other", np.full(30, 7)), ("third", np.arange(30) % 3)):
        np.savez(here / f"{name}.npz", images=pixels, labels=labels)
    return here


@pytest.mark.usefixtures("bad")
@pytest.mark.parametrize("case", BAD_IMAGES)
@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_images_that_no_model_can_be_evaluated_on(infomax: Infomax, tmp_path: Path, command: str, case: str) -> None:
    train, test, k, message = BAD_IMAGES[case]
    subject = ("--model", "first") if command == "evaluate" else ("first", "--out", tmp_path / "report")
    assert message in infomax(command, *subject, "--train", train, "--test", test, "-k", k).failure
    assert not [*tmp_path.iterdir()]


@pytest.mark.usefixtures("here")
def test_models_that_cannot_be_evaluated(infomax: Infomax, home: Path) -> None:
    words = ("evaluate", "--train", "train.npz", "--test", "test.npz", "--model")
    assert "holds no run" in infomax(*words, "cache").failure
    model = InfoMax.load(home / "first")
    assert isinstance(model.encoder_, ConvolutionalEncoder)
    with torch.no_grad():
        model.encoder_.mean.bias[0] = float("nan")
    model.save(home / "diverged")
    assert "the training vectors hold NaN or infinity" in infomax(*words, "diverged").failure


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("more", [(), ("--vectors", "--model", "first"), ("--vectors", "--layers"), ("-k", 0)])
def test_wrong_usage(infomax: Infomax, more: tuple[object, ...]) -> None:
    ended = infomax("evaluate", "--train", "train.npz", "--test", "test.npz", *more)
    assert (ended.code, ended.stdout, ended.stderr.count("Usage: ")) == (2, "", 1)


@pytest.mark.usefixtures("here")
def test_a_source_alone_is_split_by_itself(infomax: Infomax) -> None:
    ended = infomax("evaluate", "train", "--model", "first", "--json", "alone.json")
    assert (ended.code, ended.stderr) == (0, "")
    found = document(Path("alone.json").read_text())
    assert ended.stdout.splitlines()[0] == "split by itself: 48 to learn from, 12 to test"
    assert (found["train"], found["test"], found["split"]) == ("train", None, "itself")
    assert (found["n_train"], found["n_test"], found["classes"], found["chance"]) == (48, 12, 2, 0.5)
    assert found["leaks"] == {"same": 0, "near": 0}
    again = document(infomax("evaluate", "--train", "train", "--model", "first", "--json", "-").stdout)
    assert without_seconds(again) == without_seconds(found)


@pytest.mark.usefixtures("here")
def test_vectors_alone_are_split_by_themselves(infomax: Infomax) -> None:
    infomax("embed", "train.npz", "--model", "first", "--out", "alone.parquet", "--device", "cpu")
    ended = infomax("evaluate", "alone.parquet", "--vectors")
    assert (ended.code, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[0] == "split by itself: 48 to learn from, 12 to test"


@pytest.mark.usefixtures("here")
def test_the_same_images_as_both_sources_are_told_and_split(infomax: Infomax, tmp_path: Path) -> None:
    """Also under other names and in another format."""
    for number, file in enumerate(sorted(Path("train").rglob("*.png"))):
        other = tmp_path / file.parent.name / f"IMG{1000 - number}.bmp"
        other.parent.mkdir(exist_ok=True)
        Image.open(file).save(other)
    alone = document(infomax("evaluate", "train", "--model", "first", "--json", "-").stdout)
    for sources in (("train", "train"), ("train", tmp_path)):
        ended = infomax("evaluate", "--model", "first", "--train", sources[0], "--test", sources[1], "--json", "-")
        assert ended.code == 0
        assert ended.stderr == (
            "infomax: warning: 60 of 60 test images are among the training images, too, which says nothing: "
            "--train was split by itself: 48 to learn from, 12 to test; "
            "give test images that are not in --train to test on those\n"
        )
        found = document(ended.stdout)
        assert found["leaks"] == {"same": 60, "near": 0}
        assert (found["split"], found["n_test"]) == ("itself", 12)
        assert found["linear"] == alone["linear"]
        assert found["knn"] == alone["knn"]


@pytest.fixture
def leaky(here: Path) -> Path:
    """Test images of which the first four are training images."""
    with np.load(here / "train.npz") as train, np.load(here / "test.npz") as test:
        pixels = np.concatenate([train["images"][:4], test["images"]])
        np.savez(here / "leaky.npz", images=pixels, labels=np.concatenate([train["labels"][:4], test["labels"]]))
    return here


@pytest.mark.usefixtures("leaky")
def test_leaked_images_are_counted_and_left_out_of_the_figures(infomax: Infomax) -> None:
    words = ("evaluate", "--model", "first", "--train", "train.npz", "--test")
    ended = infomax(*words, "leaky.npz", "--layers", "--json", "leaky.json")
    assert ended.stderr == (
        "infomax: warning: of 34 test images 4 have the pixels of a training image: the figures leave them out\n"
    )
    found, clean = (
        document(Path("leaky.json").read_text()),
        document(infomax(*words, "test.npz", "--layers", "--json", "-").stdout),
    )
    for name in ("n_test", "chance", "knn", "linear", "mlp", "interval", "unlabelled", "layers"):
        assert without_seconds(found[name]) == without_seconds(clean[name]), name
    for name in ("pixels", "random"):
        assert found[name]["knn"] == clean[name]["knn"]
    assert found["leaks"]["same"] == 4
    given = found["leaks"]["as_given"]["linear"]
    assert 30 * clean["linear"] <= 34 * given <= 30 * clean["linear"] + 4
    assert "as_given" not in clean["leaks"]
    assert ended.stdout.splitlines()[-1].startswith("code, with leaks")


def images(folder: Path, labels: Sequence[str], side: int = 24) -> Path:
    """Different images of colored shapes, one folder for each label."""
    random = np.random.default_rng(5)
    for number, label in enumerate(labels):
        coarse = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        file = folder / label / f"{number:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(file)
    return folder


TINY: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "five images of two labels": (
        ["cat"] * 3 + ["dog"] * 2,
        ["split by itself: 3 to learn from, 2 to test", "3 neighbors vote in place of 20, for there are no more"],
    ),
    "one label only": (
        ["cat"] * 10,
        ["all 10 images are labeled 'cat', so no accuracies", "an altered copy finds its original first among 10"],
    ),
    "one image of each label": (
        list("abcdef"),
        ["no label has two different images, one to learn from and one to test, so no accuracies", "an altered copy"],
    ),
    "no folders": (["."] * 10, ["the images have no labels, so no accuracies", "an altered copy finds its original"]),
    "two images": (["cat"] * 2, ["all 2 images are labeled 'cat', so no accuracies", "an altered copy finds"]),
    "one image": (["."], ["the images have no labels, so no accuracies", "an altered copy finds its original first"]),
}


@pytest.mark.parametrize("case", TINY)
def test_small_and_odd_collections(infomax: Infomax, home: Path, tmp_path: Path, case: str) -> None:
    labels, said = TINY[case]
    ended = infomax("evaluate", images(tmp_path / "photos", labels), "--model", home / "first", "--json", "-")
    assert (ended.code, ended.stderr) == (0, "")
    found = document(ended.stdout)
    lines = infomax("evaluate", tmp_path / "photos", "--model", home / "first").stdout.splitlines()
    for text in said:
        assert [line for line in lines if line.startswith(text)], (text, lines)
    if "no accuracies" in said[0]:
        assert found["altered_copies"]["images"] == len(labels)
        assert not {"knn", "linear"} & found.keys()
    else:
        assert (found["n_train"], found["n_test"], found["knn"]["k"]) == (3, 2, 3)


@pytest.mark.parametrize("fraction", [1 / 2, 1])
def test_rows_without_a_label_are_left_out_and_counted(
    infomax: Infomax, home: Path, tmp_path: Path, fraction: float
) -> None:
    """A ClassLabel of -1 is no label: a source whose labels are all -1 has none."""
    random = np.random.default_rng(3)
    labels = [-1 if number < 40 * fraction else number % 2 for number in range(40)]
    names = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    table = pa.table({"vector": pa.array(random.normal(size=(40, 3)).tolist()), "label": labels})
    metadata = {"huggingface": json.dumps({"info": {"features": names}})}
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "vectors.parquet")
    ended = infomax("evaluate", tmp_path / "vectors.parquet", "--vectors", "--json", tmp_path / "found.json")
    found = document((tmp_path / "found.json").read_text())
    assert (ended.code, ended.stderr) == (0, "")
    if fraction == 1:
        assert (found["without_label"], found["n_train"] + found["n_test"]) == (0, 40)
        assert ended.stdout.splitlines()[-1] == "the images have no labels, so no accuracies"
    else:
        assert (found["without_label"], found["n_train"] + found["n_test"], found["classes"]) == (20, 20, 2)
        assert "20 images without a label left out" in ended.stdout.splitlines()


@pytest.mark.usefixtures("here")
def test_a_negative_class_number_of_images_is_no_label(infomax: Infomax, tmp_path: Path) -> None:
    generator = Path(__file__).parents[3] / "shared" / "cases" / "label_minus_one.py"
    if not generator.is_file():
        pytest.skip("the generators of the cases are not here")
    subprocess.run([sys.executable, generator, tmp_path], check=True)
    half, hidden = tmp_path / "half.parquet", tmp_path / "hidden.parquet"
    found = document(infomax("evaluate", half, "--model", "first", "-k", 3, "--json", "-").stdout)
    assert (found["without_label"], found["n_train"] + found["n_test"], found["classes"]) == (12, 12, 3)
    words = ("evaluate", "--model", "first", "--train", hidden, "--test", hidden, "-k", 3)
    ended = infomax(*words)
    assert ended.code == 0
    assert "no labels in both splits, so no accuracies" in ended.stdout.splitlines()


@pytest.mark.usefixtures("here")
def test_a_number_that_is_not_finite_is_null_in_the_json(infomax: Infomax, monkeypatch: pytest.MonkeyPatch) -> None:
    proxies = Proxies(
        MineEstimate(1.0, math.nan, 5.0, 0.5, math.inf, "the code"),
        NeuralDependency(1.0, 0.1, 0.5),
        Reconstruction(0.5, 0.1, 1, 0.4, 0.1, np.zeros((1, 8, 8, 3), np.uint8)),
    )
    monkeypatch.setattr("infomax.evaluation.proxies.measure.measure_proxies", lambda *_, **__: proxies)
    words = ("evaluate", "train", "--model", "first", "--proxies")
    ended = infomax(*words, "--json", "-")
    found = json.loads(ended.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (found["mine"]["standard_error"], found["mine"]["at_most"], found["mine"]["value"]) == (None, None, 1.0)
    assert ended.stderr.splitlines() == [
        f"infomax: mine.{name} is not a finite number: it is null in the JSON" for name in ("standard_error", "at_most")
    ]
    assert "1.00 (too few images for a spread) nats by a critic" in infomax(*words).stdout


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("more", [("train", "--train", "train"), ("train", "--test", "test"), ("--test", "test"), ()])
def test_one_source_or_two(infomax: Infomax, more: tuple[object, ...]) -> None:
    ended = infomax("evaluate", "--model", "first", *more)
    assert (ended.code, ended.stdout) == (2, "")
    assert "SOURCE, which is split by itself, or --train and --test" in " ".join(ended.stderr.split()).replace("│ ", "")


@pytest.mark.usefixtures("here")
def test_several_sources_are_split_as_one(infomax: Infomax) -> None:
    ended = infomax("evaluate", "train", "test", "--model", "first", "--json", "-")
    assert (ended.code, ended.stderr) == (0, "")
    found = document(ended.stdout)
    assert (found["train"], found["split"]) == (["train", "test"], "itself")
    assert (found["n_train"], found["n_test"], found["classes"]) == (72, 18, 2)


@pytest.mark.usefixtures("here")
def test_a_column_of_vectors_is_wrong_usage(infomax: Infomax) -> None:
    assert infomax("evaluate", "x.parquet", "--vectors", "--label-column", "kind").code == 2
