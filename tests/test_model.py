"""InfoMax as a person uses it from Python."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import infomax
from infomax import InfoMax, InfoMaxError
from infomax.recipes import RECIPES
from tests.conftest import SMALL, colored
from tests.images.conftest import put

IMAGES = colored(40)


def model(**changes: Any) -> InfoMax:
    return InfoMax(**{"recipe": SMALL, "device": "cpu", **changes})


def same(one: InfoMax, other: InfoMax) -> bool:
    return all(
        torch.equal(a, b)
        for part in ("encoder_", "objective_")
        for a, b in zip(
            getattr(one, part).state_dict().values(), getattr(other, part).state_dict().values(), strict=True
        )
    )


def test_the_public_names() -> None:
    assert {"InfoMax", "InfoMaxError"} <= {*infomax.__all__}
    assert infomax.InfoMax is InfoMax
    with pytest.raises(AttributeError):
        _ = infomax.InfoMin


def test_fit_returns_self_and_transform_gives_vectors() -> None:
    made = model()
    assert made.fit(IMAGES) is made
    vectors = made.transform(IMAGES)
    assert vectors.shape == (40, 8)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert np.array_equal(vectors, made.transform(IMAGES))
    assert len(np.unique(vectors, axis=0)) == 40


def test_the_constructor_only_stores() -> None:
    made = InfoMax("no such recipe", epochs=-1, device="abacus", seed=-1)
    assert (made.recipe, made.epochs, made.device, made.seed) == ("no such recipe", -1, "abacus", -1)
    with pytest.raises(InfoMaxError, match="unknown device 'abacus'"):
        made.fit(IMAGES)


def test_codes_are_the_posterior_means_in_the_order_of_the_source() -> None:
    made = model().fit(IMAGES)
    with torch.inference_mode():
        means = made.encoder_(torch.from_numpy(IMAGES)).mean.numpy()
    np.testing.assert_allclose(made.transform(IMAGES), means, atol=1e-6)
    np.testing.assert_allclose(made.transform(IMAGES[::-1].copy()), means[::-1], atol=1e-5)


def test_codes_do_not_depend_on_how_the_collection_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    made = model().fit(IMAGES)
    whole = made.transform(IMAGES)
    monkeypatch.setattr("infomax.devices.embedding_batch_size", lambda _: 7)
    np.testing.assert_allclose(made.transform(IMAGES), whole, atol=1e-5)


def test_images_of_any_size_and_gray_ones() -> None:
    made = model().fit(IMAGES)
    assert made.transform(colored(3, side=20)).shape == (3, 8)
    gray = colored(3)[..., 0].copy()
    np.testing.assert_array_equal(made.transform(gray), made.transform(np.repeat(gray[..., None], 3, axis=3)))
    assert model().fit(colored(20)[..., 0].copy()).transform(gray).shape == (3, 8)


def test_a_seed_says_it_all() -> None:
    assert same(model(seed=5).fit(IMAGES), model(seed=5).fit(IMAGES))
    assert not same(model(seed=5).fit(IMAGES), model(seed=6).fit(IMAGES))


def test_saving_on_the_way_changes_nothing(tmp_path: Path) -> None:
    assert same(model().fit(IMAGES), model().fit(IMAGES, out=tmp_path))


def test_random_numbers_of_the_caller_are_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    made = model().fit(IMAGES, out=tmp_path)
    made.transform(IMAGES)
    InfoMax.load(tmp_path)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # type: ignore[index]  # noqa: NPY002


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    made = model(seed=3).fit(IMAGES)
    made.save(tmp_path / "a" / "b")
    loaded = InfoMax.load(tmp_path / "a" / "b", device="cpu")
    assert same(made, loaded)
    assert (loaded.recipe_, loaded.config_, loaded.seed) == (made.recipe_, made.config_, 3)
    assert np.array_equal(loaded.transform(IMAGES), made.transform(IMAGES))
    loaded.save(tmp_path / "again")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "a" / "b" / name).read_bytes()


def test_fitted_again_it_starts_afresh() -> None:
    made = model().fit(IMAGES)
    assert same(made.fit(IMAGES), model().fit(IMAGES))


def test_what_a_run_holds(tmp_path: Path) -> None:
    model(seed=9).fit(IMAGES, out=tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["recipe"], config["seed"], config["device"]) == (SMALL.to_dict(), 9, "cpu")
    assert config["versions"].keys() == {"infomax", "torch", "python"}
    assert (config["data"]["images"], config["data"]["skipped"]) == (40, 0)
    assert len(config["data"]["fingerprint"]) == 32
    assert (tmp_path / "run" / "skipped.csv").read_text() == "where,reason\n"


@pytest.mark.parametrize("name", ["plain", "Zürich 東京", "a\nb", "\udcff\udcfe"])
def test_sources_and_runs_of_any_name(tmp_path: Path, name: str) -> None:
    for index, image in enumerate(colored(6)):
        put(tmp_path / name / f"{index}.png", image)
    made = model().fit(tmp_path / name, out=tmp_path / f"{name} run")
    loaded = InfoMax.load(tmp_path / f"{name} run")
    assert loaded.config_["data"]["source"] == str(tmp_path / name)
    assert same(made, loaded)


def test_before_fit_there_is_nothing() -> None:
    for use in (
        lambda: model().transform(IMAGES),
        lambda: model().save("nowhere"),
        lambda: model().load_images("digits"),
    ):
        with pytest.raises(InfoMaxError, match=r"is not fitted yet: call fit, or load a run"):
            use()
    assert not Path("nowhere").exists()


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_images(tmp_path: Path, n: int) -> None:
    with pytest.raises(InfoMaxError):
        model().fit(IMAGES[:n], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_sound_image_among_broken_ones(tmp_path: Path) -> None:
    put(tmp_path / "a.png", IMAGES[0])
    put(tmp_path / "b.png", b"no image")
    with pytest.raises(InfoMaxError, match=r"1 image \(1 broken ones aside\) is too few to learn from"):
        model().fit(tmp_path)


def test_what_cannot_be_is_refused_before_a_run_is_touched(tmp_path: Path) -> None:
    model().fit(IMAGES, out=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for wrong, images in ((model(epochs=0), IMAGES), (model(), IMAGES[:1]), (model(device="tpu"), IMAGES)):
        with pytest.raises(InfoMaxError):
            wrong.fit(images, out=tmp_path, overwrite=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_overwriting_takes_our_files_and_no_others(tmp_path: Path) -> None:
    model(epochs=3).fit(IMAGES, out=tmp_path)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "montage.png").write_bytes(b"old")
    (tmp_path / "notes.txt").write_text("mine")
    model(epochs=1).fit(IMAGES[:20], out=tmp_path, overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.json", "last.ckpt", "log.jsonl", "model.safetensors", "notes.txt", "skipped.csv"
    }  # fmt: skip
    assert [line["epoch"] for line in map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())] == [1]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"resume": True}, "resume continues the run in `out`"),
        ({"resume": True, "out": "run", "overwrite": True}, "resume continues the run in `out`"),
        ({"resume": True, "out": "run"}, r"run holds no run \(no config.json\): make one with infomax fit"),
    ],
)
def test_resuming_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InfoMaxError, match=reason):
        model().fit(IMAGES, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_finished_run_is_not_written_over(tmp_path: Path) -> None:
    model().fit(IMAGES, out=tmp_path)
    with pytest.raises(
        InfoMaxError, match="holds a finished run: choose another --out, or replace it with --overwrite"
    ):
        model().fit(IMAGES, out=tmp_path)


DAMAGES = {
    "no folder": (None, None, "holds no run"),
    "no config": ("config.json", None, r"holds no run \(no config.json\): make one with infomax fit"),
    "config cut off": ("config.json", 40, "config.json is damaged .*: fit again with --overwrite"),
    "config empty": ("config.json", 0, "config.json is damaged"),
    "weights gone": ("model.safetensors", None, "has no model yet: finish it with infomax fit --resume"),
    "weights cut off": ("model.safetensors", 1000, "model.safetensors is damaged .*: fit again with --overwrite"),
    "weights empty": ("model.safetensors", 0, "model.safetensors is damaged"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_loading_a_damaged_run(tmp_path: Path, damage: str) -> None:
    name, kept, reason = DAMAGES[damage]
    run = tmp_path / "run"
    if name is not None:
        model().fit(IMAGES, out=run)
        content = (run / name).read_bytes()
        (run / name).unlink()
        if kept is not None:
            (run / name).write_bytes(content[:kept])
    with pytest.raises(InfoMaxError, match=reason) as raised:
        InfoMax.load(run)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("[]", "is no configuration of a run"),
        ("{}", "is no configuration of a run"),
        ('{"recipe": {"x": 3}, "seed": 0, "device": "cpu", "precision": "", "data": {}}', "has format None, and"),
        (
            '{"format": 2, "recipe": {"x": 3}, "seed": 0, "world_size": 1, "device": "", "precision": "", "data": {}}',
            "settings of an unknown kind of recipe: known kinds are spectral, multiview, deep-infomax",
        ),
        (
            '{"format": 2, "recipe": {"kind": "spectral", "x": 3}, "seed": 0, "world_size": 1, "device": "", '
            '"precision": "", "data": {}}',
            "settings of another kind of recipe",
        ),
    ],
)
def test_loading_a_config_that_is_not_ours(tmp_path: Path, config: str, reason: str) -> None:
    model().fit(IMAGES, out=tmp_path)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(InfoMaxError, match=reason):
        InfoMax.load(tmp_path)


def test_weights_of_another_recipe(tmp_path: Path) -> None:
    model().fit(IMAGES, out=tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["recipe"]["dim"] = 9
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InfoMaxError, match=r"model\.safetensors does not fit .*config\.json: fit again"):
        InfoMax.load(tmp_path)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_survives_its_config(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.name == name
    assert type(recipe).from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_an_unknown_device() -> None:
    with pytest.raises(InfoMaxError, match="unknown device 'tpu': use auto, cpu or cuda"):
        model(device="tpu").fit(IMAGES)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there() -> None:
    with pytest.raises(InfoMaxError, match="no usable NVIDIA GPU was found; use --device cpu"):
        model(device="cuda").fit(IMAGES)
