"""Learning in closed form: against the oracle, mirrored, resumed, and on collections that have little to teach."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from infomax import InfoMax
from infomax.errors import InfoMaxError
from infomax.recipes import SPECTRAL_FAST, Spectral
from infomax.representation.color import LUMA
from infomax.representation.encoders import SpectralEncoder
from infomax.training import closed_form, moments
from infomax.training.closed_form import CELL_PAIRS, ClosedFormTrainer
from infomax.training.context import TrainingContext, numbered_generator
from infomax.training.interruption import TrainingInterrupted
from infomax.training.moments import CcaSettings
from infomax.training.spectral_views import ViewSettings, mirror_classification_accuracy
from tests.training import spectral_oracle as oracle

LITTLE = Spectral(
    name="little",
    size=16,
    patches=("4/2", "6/2", "gray4@8"),
    components=20,
    atoms=32,
    channels=8,
    grid=3,
    chiral_grid=4,
    dim=12,
    cell_images=300,
    view_images=300,
)


def textured(n: int, side: int = 16, seed: int = 0) -> NDArray[np.uint8]:
    """Images of gratings, each of one direction, wavelength and color: something for patches to tell apart."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    angle, wave, phase = random.uniform(0, np.pi, n), random.uniform(3, 9, n), random.uniform(0, 6, n)
    along = np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y
    grating = np.sin(2 * np.pi * along / wave[:, None, None] + phase[:, None, None])
    colors = random.uniform(0.2, 1, (n, 1, 1, 3))
    images = 127 + 100 * grating[..., None] * colors + random.normal(0, 6, (n, side, side, 3))
    levels: NDArray[np.uint8] = images.clip(0, 255).astype(np.uint8)
    return levels


def leaning(n: int, seed: int = 0) -> NDArray[np.uint8]:
    """Gratings that all lean one way, as handwriting does; in the mirror they lean the other way."""
    many = textured(8 * n, seed=seed)
    gray = many.mean(3)
    slope = (np.diff(gray, axis=1)[:, :, 1:] * np.diff(gray)[:, 1:]).mean((1, 2))
    chosen: NDArray[np.uint8] = many[slope > 100][:n]
    assert len(chosen) == n
    return chosen


def fitted(images: NDArray[np.uint8], recipe: Spectral = LITTLE, **options: Any) -> InfoMax:
    return InfoMax(recipe, seed=3).fit(images, **options)


@pytest.fixture
def precise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products in float32, wherever the tests run."""
    monkeypatch.setattr("infomax.representation.encoders.spectral.bfloat16_is_fast", lambda _: False)


def trainer_of(encoder: SpectralEncoder, images: NDArray[np.uint8]) -> ClosedFormTrainer:
    """A trainer of seed 3 that knows the images."""
    settings = CcaSettings(1, 1.0, 1)
    trainer = ClosedFormTrainer(encoder, settings, settings, ViewSettings(), TrainingContext(seed=3))
    trainer.use(images)
    return trainer


def together(places: list[tuple[int, int]], pairs: str) -> list[tuple[int, int]]:
    """Which cells are paired, by number, once each."""
    least, most = {"all": (1, 99), "neighbors": (1, 1), "distant": (4, 99)}[pairs]
    return [
        (i, j)
        for i, one in enumerate(places)
        for j, other in enumerate(places)
        if i < j and least <= (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2 <= most
    ]


@pytest.mark.usefixtures("precise")
@pytest.mark.parametrize("mirror", ["invariant", "chiral"])
@pytest.mark.parametrize("pairs", CELL_PAIRS)
def test_regions_and_features_are_the_oracles(pairs: str, mirror: str) -> None:
    """Of 500 images, as many as a question takes: the values of the regions' eigenproblem, and every feature."""
    images = textured(500)
    one = LITTLE.with_settings(patches=("4/2",), cell_images=500, cell_pairs=pairs, mirror=mirror)
    grid, channels = (3, 8) if mirror == "invariant" else (4, 3)  # 3 * 2 * 8 numbers, for 4 * 4 cells
    model = fitted(images, one)
    encoder = model.encoder_
    assert isinstance(encoder, SpectralEncoder)
    words, maps = encoder.codebooks[0], encoder.local_projections[0]
    weights = {name: buffer.double().numpy() for name, buffer in words.named_buffers()}
    counted = [oracle.cells(oracle.histograms(each, weights, 4, 2, one.threshold), grid) for each in images]
    learned_from = trainer_of(encoder, images)._learned_from(CcaSettings(500, 1.0, 8))
    chosen = together([(row, column) for row in range(grid) for column in range(grid)], pairs)
    halved = []
    for half in (0, 1):
        cells = [oracle.halves(counted[row])[half].reshape(grid**2, -1) for row in learned_from]
        halved.append([each[list(pair)] for each in cells for pair in chosen])
    variance = float(np.mean([np.concatenate(groups).var(0).mean() for groups in halved]))
    found = []
    for groups in halved:
        values, vectors, mean = oracle.directions(groups, one.cell_ridge, variance)
        found.append((values, vectors, mean))
    leading = np.sort(np.concatenate([found[0][0], found[1][0]]))[::-1][:channels]
    even = int((maps.sign > 0).sum())
    assert even == int((found[0][0] >= leading[-1] - 1e-9).sum())
    expected = []
    for each in counted[:20]:
        halves = oracle.halves(each)
        parts = [(halves[0] - found[0][2]) @ found[0][1][:, :even], halves[1] @ found[1][1][:, : channels - even]]
        feature = np.concatenate(parts, -1).reshape(grid**2, -1)
        expected.append(feature / np.linalg.norm(feature, axis=1, keepdims=True))
    with torch.inference_mode():
        local = encoder(torch.from_numpy(images[:20])).local.double().numpy()
    turned = np.sign((local * np.array(expected)).sum((0, 1)))  # an eigenvector has no sign of its own
    np.testing.assert_allclose(local * turned, expected, atol=1e-4)


@pytest.mark.usefixtures("precise")
def test_the_code_is_the_oracles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "BATCH_IMAGES", 300)
    images = textured(500)
    model = fitted(images)
    encoder = model.encoder_
    assert isinstance(encoder, SpectralEncoder)
    learning = trainer_of(encoder, images)
    rows = learning._learned_from(CcaSettings(300, LITTLE.view_ridge, 12))
    with torch.inference_mode():
        batch = torch.from_numpy(images[rows])
        (views,) = learning._view_samples(batch, numbered_generator(3, 0))
        values, weights, mean = oracle.directions(list(views.double().numpy()), LITTLE.view_ridge)
        whole = encoder(torch.from_numpy(images[:20]))
        folded = encoder.mirror_average(whole.local).double().numpy()
    expected = (folded - mean) @ weights[:, :12] * values[:12]
    code = whole.mean.double().numpy()
    turned = np.sign((code * expected).sum(0))
    np.testing.assert_allclose(code * turned, expected, atol=1e-4)


def test_few_images_are_gone_over_again_in_other_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 images, of which 90 are learned from, 4 times at most, and 300 at most."""
    drawn: list[torch.Tensor] = []
    views = ClosedFormTrainer._view_samples

    def noted(self: ClosedFormTrainer, images: torch.Tensor, generator: torch.Generator) -> Iterator[torch.Tensor]:
        for each in views(self, images, generator):
            drawn.append(each)
            yield each

    monkeypatch.setattr(ClosedFormTrainer, "_view_samples", noted)
    monkeypatch.setattr(moments, "BATCH_IMAGES", 90)
    fitted(textured(100), LITTLE.with_settings(view_rounds=4))
    *rounds, held_out = drawn
    assert [len(each) for each in rounds] == [90, 90, 90, 30]
    assert len(held_out) == 10
    torch.testing.assert_close(rounds[0][:30, 0], rounds[3][:, 0])  # the images themselves
    assert all((rounds[0][:30, view] - rounds[3][:, view]).abs().amax() > 0.1 for view in range(5, 10))  # copies
    drawn.clear()
    fitted(textured(100), LITTLE.with_settings(view_rounds=2))
    assert [len(each) for each in drawn] == [90, 90, 10]


def test_a_mirrored_image_has_the_same_code() -> None:
    images = textured(200)
    model = fitted(images)
    codes, mirrored = model.transform(images), model.transform(np.ascontiguousarray(images[:, :, ::-1]))
    spread = codes.std()
    assert np.abs(codes - mirrored).max() < 0.02 * spread  # but for bfloat16, the same
    assert np.abs(codes - codes[::-1]).max() > spread


def test_features_find_the_same_texture_again() -> None:
    """Two crops of one large grating are each other's nearest among those of 200."""
    large = textured(200, side=24)
    first, second = large[:, :16, :16], large[:, 8:, 8:]
    model = fitted(textured(400, seed=1))
    a, b = (model.transform(np.ascontiguousarray(each)) for each in (first, second))
    a, b = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (a, b))
    found = (a @ b.T).argmax(1) == np.arange(200)
    pixels = first.reshape(200, -1) / 255 - 0.5, second.reshape(200, -1) / 255 - 0.5
    p, q = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in pixels)
    by_pixels = (p @ q.T).argmax(1) == np.arange(200)
    assert found.mean() > 1.5 * by_pixels.mean(), (found.mean(), by_pixels.mean())


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(tmp_path: Path) -> None:
    images = textured(150)
    one, two = fitted(images).transform(images), fitted(images).transform(images)
    other = InfoMax(LITTLE, seed=4).fit(images).transform(images)
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    images = textured(100)
    model = fitted(images, out=tmp_path / "run")
    again = InfoMax.load(tmp_path / "run")
    np.testing.assert_array_equal(model.transform(images), again.transform(images))
    assert again.fingerprint == model.fingerprint
    assert again.recipe_ == LITTLE


def test_the_log_tells_the_bound_on_images_learned_from_and_on_others(tmp_path: Path) -> None:
    fitted(textured(300), out=tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines] == ["cells", "views"]
    for line in lines:
        assert 0 < line["chi2_held_out"] < line["chi2"] < line["rank"]
    assert 0 < lines[1]["nats_held_out"] < lines[1]["nats"]


class _Stop:
    """An event that is set when it has been asked so many times."""

    def __init__(self, after: int) -> None:
        self.left = after

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize(("after", "make"), [*((after, textured) for after in range(6)), (4, leaning)])
def test_stopped_anywhere_and_resumed_it_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, make: Callable[[int], NDArray[np.uint8]]
) -> None:
    monkeypatch.setattr(moments, "BATCH_IMAGES", 80)
    images = make(260)
    whole = fitted(images, out=tmp_path / "whole")

    def stopping() -> Iterator[_Stop]:
        yield _Stop(after)

    with monkeypatch.context() as patched:
        from contextlib import contextmanager

        patched.setattr(closed_form, "catch_signals", contextmanager(stopping))
        with pytest.raises(TrainingInterrupted, match="--resume"):
            fitted(images, out=tmp_path / "run")
    resumed = fitted(images, out=tmp_path / "run", resume=True)
    np.testing.assert_array_equal(whole.transform(images), resumed.transform(images))
    assert resumed.fingerprint == whole.fingerprint
    logs = [
        [line["stage"] for line in map(json.loads, (tmp_path / run / "log.jsonl").read_text().splitlines())]
        for run in ("whole", "run")
    ]
    assert logs[0] == logs[1]


COLLECTIONS = {
    "200 images": textured(200),
    "two images": textured(2),
    "twenty images": textured(20),
    "fewer patches than atoms": textured(3),
    "plain images of many colors": np.repeat(np.repeat(textured(30, 1), 16, 1), 16, 2),
}


@pytest.mark.parametrize("name", COLLECTIONS)
def test_a_small_collection_gives_finite_codes(name: str) -> None:
    images = COLLECTIONS[name]
    codes = fitted(images, LITTLE.with_settings(atoms=512, channels=60, dim=300)).transform(images)
    assert codes.shape == (len(images), 300)
    assert np.isfinite(codes).all()
    assert codes.std(0).max() > 0


ALIKE = {
    "one color": np.full((30, 16, 16, 3), 90, np.uint8),
    "one image": textured(1),
}


@pytest.mark.parametrize("name", ALIKE)
def test_nothing_to_learn_from_is_said(name: str) -> None:
    with pytest.raises(InfoMaxError, match=r"one color|all alike|too few to learn from"):
        fitted(ALIKE[name])


def test_identical_images_give_finite_codes_or_a_clear_error() -> None:
    images = np.repeat(textured(1), 30, 0)
    codes = fitted(images).transform(images)  # crops of one image still differ
    assert np.isfinite(codes).all()


def test_a_box_is_a_mean_over_its_part() -> None:
    model = fitted(textured(50))
    encoder = model.encoder_
    assert isinstance(encoder, SpectralEncoder)
    images = textured(3)
    corner = np.ascontiguousarray(images[:, :10, :10])
    words = encoder.codebooks[0]
    with torch.inference_mode():
        planes = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
        boxes = torch.tensor([0.0, 0.0, 4 / 7]).expand(3, 1, 3)  # 4 of 7 places at stride 2: the first 10 of 16 pixels
        seen = words(planes, boxes, 3, bfloat16=False)
        alone = [
            oracle.cells(oracle.histograms(each, _numbers(words), 4, 2, words.threshold), 3).reshape(9, -1)
            for each in corner
        ]
    np.testing.assert_allclose(seen[:, 0].double().numpy(), alone, atol=1e-5)


@pytest.mark.usefixtures("precise")
def test_words_of_a_reduced_image_are_the_oracles() -> None:
    model = fitted(textured(50))
    encoder = model.encoder_
    assert isinstance(encoder, SpectralEncoder)
    words = encoder.codebooks[2]
    weights = _numbers(words)
    assert words.size == 8
    images = textured(3)
    with torch.inference_mode():
        seen = encoder.histograms(torch.from_numpy(images))[2][:, 0]
    for image, histograms in zip(images, seen, strict=True):
        gray = oracle.reduced(image, 8) @ np.array(LUMA)
        codes = oracle.histograms(gray[..., None], weights, 4, 1, words.threshold)
        expected = oracle.cells(codes, encoder.grid).reshape(encoder.grid**2, -1)
        np.testing.assert_allclose(histograms.double().numpy(), expected, atol=1e-5)


def _numbers(words: torch.nn.Module) -> dict[str, NDArray[np.float64]]:
    return {name: buffer.double().numpy() for name, buffer in words.named_buffers()}


BAD = {
    "patches=5/2": "do not end at the edge",
    "patches=4/0": "do not end at the edge",
    "patches=40": "do not end at the edge",
    "patches=": "is no kind of patches",
    "patches=4/2,pink6": "'pink6' is no kind of patches, such as 6, gray9, 6/2 or gray9@96/3",
    "patches=4@64": "are of 64 px, more than the images of 32 px",
    "patches=12@14/2": "have 2 places along a side, and the grid 4 cells",
    "atoms=3": "an even number",
    "grid=20": "grid",
    "grid=1": "a grid of 1 has no neighbors pairs of cells",
    "chiral_grid=0": "chiral_grid is 0: use 1 or more",
    "channels=1": "use 2 or more, or mirror=invariant",
    "cell_pairs=near": "choose one of all, neighbors, distant",
    "similarity=-1": "similarity is -1.0: give a cosine, 0 to 1",
    "threshold=nan": "threshold is nan: give a cosine, 0 to 1",
    "whitening=-1": "whitening is -1.0: use 0 or a small positive number",
    "cell_ridge=inf": "cell_ridge is inf: use 0 or a small positive number",
    "power=nan": "power is nan: use a finite number",
    "mirror=maybe": "choose one of auto, invariant, chiral",
}


@pytest.mark.parametrize(
    ("text", "finest"),
    [
        ("chiral_grid=8", 8),
        ("chiral_grid=20", 13),  # as many as there are places for patches of 8 px
        ("chiral_grid=3", 4),
        ("channels=15", 7),  # 4 * 2 * 15 numbers: 2 for each of 49 cells
        ("channels=2", 4),
        ("grid=9", 9),
    ],
)
def test_a_chiral_grid_is_as_fine_as_patches_and_channels_let_it_be(text: str, finest: int) -> None:
    recipe = SPECTRAL_FAST.with_texts([text, "mirror=chiral"])
    encoder = recipe.encoder()
    encoder.chiral.fill_(True)
    assert encoder.grid == finest
    assert encoder.n_channels >= (2 if finest > recipe.grid else 1)
    with torch.inference_mode():
        seen = encoder(torch.zeros(1, 32, 32, 3))
    assert seen.local.shape == (1, finest**2, 2 * encoder.n_channels)
    assert torch.isfinite(seen.mean).all()


@pytest.mark.parametrize("text", BAD)
def test_settings_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(InfoMaxError, match=BAD[text]):
        SPECTRAL_FAST.with_texts([text])


def test_epochs_are_refused() -> None:
    with pytest.raises(InfoMaxError, match="has no epochs"):
        InfoMax("spectral", epochs=3).fit(textured(20))


def test_without_held_out_images_the_log_says_none(tmp_path: Path) -> None:
    fitted(textured(9), out=tmp_path / "run")
    line = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert line["chi2_held_out"] is None


def test_the_regions_critic_prefers_a_images_own_cells() -> None:
    model = fitted(textured(400))
    encoder = model.encoder_
    assert isinstance(encoder, SpectralEncoder)
    images = torch.from_numpy(textured(100, seed=1))
    with torch.inference_mode():
        own = encoder.scores(images, images).mean()
        other = torch.stack([encoder.scores(images, images.roll(shift, 0)) for shift in range(1, 100)]).mean()
    assert own > 10 * abs(other)  # of different images E (r - 1) = 0


def chiral(model: InfoMax) -> bool:
    assert isinstance(model.encoder_, SpectralEncoder)
    return bool(model.encoder_.chiral)


def told(run: Path) -> float:
    """Which part of the images was told from their mirror images."""
    first, *rest = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    assert not any("mirror_classification_accuracy" in line for line in rest)
    return float(first["mirror_classification_accuracy"])


def test_a_collection_that_looks_otherwise_in_the_mirror_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    either, one_way = fitted(textured(300), out=tmp_path / "either"), fitted(leaning(300), out=tmp_path / "one-way")
    assert not chiral(either)
    assert 0.4 < told(tmp_path / "either") < 0.6
    assert chiral(one_way)
    assert told(tmp_path / "one-way") > 0.95
    assert chiral(InfoMax.load(tmp_path / "one-way"))


@pytest.mark.parametrize(("mirror", "images"), [("invariant", leaning(200)), ("chiral", textured(200))])
def test_what_is_said_of_the_mirror_goes(tmp_path: Path, mirror: str, images: NDArray[np.uint8]) -> None:
    model = fitted(images, LITTLE.with_settings(mirror=mirror), out=tmp_path / "run")
    turned = np.ascontiguousarray(images[:, :, ::-1])
    codes, mirrored = model.transform(images), model.transform(turned)
    codes, mirrored = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (codes, mirrored))
    cosines = (codes * mirrored).sum(1)
    assert chiral(model) == (mirror == "chiral")
    assert cosines.mean() > 0.999 if mirror == "invariant" else cosines.mean() < 0.8
    line = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    assert line["mirror_classification_accuracy"] is None


def test_a_chiral_code_is_made_from_finer_cells_of_fewer_channels() -> None:
    encoder = fitted(leaning(100), LITTLE.with_settings(chiral_grid=5, channels=10)).encoder_
    assert isinstance(encoder, SpectralEncoder)
    with torch.inference_mode():
        seen = encoder(torch.from_numpy(leaning(7)))
        folded = encoder.mirror_average(seen.local)
    assert seen.grid == (5, 5)
    assert seen.local.shape == (7, 25, encoder.channels)
    assert encoder.channels == 3 * 2  # three kinds of patches; 3 * 2 * 10 numbers of each, for 5 * 5 cells
    assert seen.local.abs().amax((0, 1)).min() > 0
    torch.testing.assert_close(folded[:, : 25 * 6], seen.local.flatten(1))
    assert folded.shape == (7, 3 * 2 * 10 * 3)
    assert not folded[:, 25 * 6 :].any()


@pytest.mark.parametrize("seed", range(5))
def test_what_is_like_its_mirror_image_is_told_by_chance(seed: int) -> None:
    odd = torch.randn(200, 300, generator=torch.Generator().manual_seed(seed))
    assert 0.35 < mirror_classification_accuracy(odd) < 0.65
    assert mirror_classification_accuracy(odd + 1) > 0.95
    assert mirror_classification_accuracy(torch.zeros(9, 4)) == 0.5


def test_the_words_of_each_kind_are_whitened() -> None:
    """The variances of the components of real patches, from pixels of 0..1, are 1 but for what whitening adds."""
    images = textured(200)
    encoder = LITTLE.encoder()
    with torch.inference_mode():
        encoder.prepare(torch.from_numpy(images))
        planes = encoder.pyramid(torch.from_numpy(images))
        for words in encoder.codebooks:
            patches = words._unfold(words._without_color(planes[words.size])).flatten(0, 1)
            components = (patches - patches.mean(1, keepdim=True) - words.mean) @ words.whitening
            largest = components.var(0)[-3:]
            assert ((largest > 0.8) & (largest < 1.1)).all(), (words.size, words.patch, largest)
