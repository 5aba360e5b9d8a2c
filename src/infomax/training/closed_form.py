"""Learning in closed form: no gradient descent, two passes over some of the images, two eigenproblems.

The story: whitening and atoms come from a sample of patches. Then the same question is asked twice, and answered by the
optimum of the Pearson chi2 bound for a separable critic (infomax.information.closed_form):

- regions: which linear maps of a cell's word counts tell best whether two cells lie in one image?
- views: which linear maps of the whole feature map tell best whether two views, of other crops, colors, slants and
  sides, are of one image? The mirror image is a view unless the collection looks otherwise in the mirror.

The answers to the first become the channels of the feature map, those to the second the code, each weighted by its
value, so that what changes from view to view counts little. What is accumulated, two matrices a question, is saved in
last.ckpt as it grows: a fit that was killed and resumed ends with the same numbers.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from infomax.errors import InfoMaxError
from infomax.information.closed_form import CanonicalDirections, PairMoments, canonical_directions
from infomax.progress import progress_bar
from infomax.representation.augmentation import CropPolicy, Warp, augment, warp
from infomax.representation.encoders.spectral import WHOLE, Box, SpectralEncoder, symmetric_parts
from infomax.training.interruption import TrainingInterrupted, catch_signals, interruption_message
from infomax.training.run_folder import Checkpoint, Run
from infomax.training.schedule import numbered_generator
from infomax.training.trainer import CHECKPOINT_SECONDS, validate_count

BATCH = 256  # images between two looks at the clock
HELD_OUT = 10  # one image in so many is kept from the moments, to judge the bound on
SAMPLE = 4_000  # images that whitening and atoms come from
MIRRORED = 1_000  # images that are compared with their mirror images
EPSILON = 1e-12  # variance of counts below which there is nothing but rounding
CHIRAL = 0.7  # of images told from their mirror images, the part from which on the two are not alike

SampleViews = Callable[[UInt8[Tensor, "n h w 3"], torch.Generator], Iterable[Float[Tensor, "n k dim"]]]
"""Images -> the draws that each of some moments counts."""


@dataclass(frozen=True)
class CcaSettings:
    """How a question is asked: over how many images at most, with what ridge, for how many directions.

    pairs: which cells of an image are paired, by name out of PAIRS; views are all paired with each other.
    rounds: how many times at most a collection of fewer images is gone over to make up for it, with other views.
    """

    images: int
    ridge: float
    rank: int
    pairs: str = "all"
    rounds: int = 1


CELL_PAIRS: Mapping[str, Callable[[Float[Tensor, "cells cells"]], Bool[Tensor, "cells cells"]]] = {
    "all": lambda distance: distance > 0,
    "neighbors": lambda distance: distance == 1,
    "distant": lambda distance: distance >= 2,
}
"""Distances between the cells of a grid, in cells -> which of them are pairs."""

MIRROR = ("auto", "invariant", "chiral")
"""Whether the mirror image is a view: as the collection says, always, never."""


@final
@dataclass(frozen=True)
class ViewSettings:
    """What counts as a view of an image: itself, crops of it and of recolored copies, and one crop of a gray copy.

    mirror: whether the mirror image of each does, by name out of MIRROR.

    copies: recolored ones. crops: of the image and of each of these, taken from the feature map, which costs little;
    images that are encoded together are cropped alike. A gray copy has one, lest words of shape, the same in every
    copy, have all the say. side: the least side of a crop, as a fraction. brightness, contrast, saturation, hue: as in
    infomax.representation.augmentation.View. warp: of the copies, the gray one too.
    """

    mirror: str = "auto"
    copies: int = 1
    crops: int = 4
    side: float = 0.6
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.8
    hue: float = 0.1
    warp: Warp = field(default_factory=Warp)


def fit(
    encoder: SpectralEncoder,
    pixels: UInt8[np.ndarray, "n h w 3"],
    regions: CcaSettings,
    views: CcaSettings,
    settings: ViewSettings,
    *,
    power: float = 1.0,
    seed: int = 0,
    device: torch.device | None = None,
    run: Run | None = None,
    progress: bool = False,
) -> None:
    """Learn the maps of the encoder in place, from the checkpoint of `run` on if it has one.

    power: the k-th number of the code is weighted by value_k to this power.

    log.jsonl gets a line for each question: the Pearson chi2 bound reached on the images that were learned from, and
    on others, where there are enough. last.ckpt is written every CHECKPOINT_SECONDS, and on SIGINT or SIGTERM.

    Raises InfoMaxError for fewer than 2 images or images that are all alike, TrainingInterrupted.
    """
    validate_count(len(pixels))
    ClosedFormTrainer(encoder, pixels, settings, power, seed, device or torch.device("cpu"), run, progress).learn(
        regions, views
    )


@final
class ClosedFormTrainer:
    """Everything that grows while learning, and how it is saved and restored."""

    def __init__(
        self,
        encoder: SpectralEncoder,
        pixels: UInt8[np.ndarray, "n h w 3"],
        settings: ViewSettings,
        power: float,
        seed: int,
        device: torch.device,
        run: Run | None,
        progress: bool,
    ) -> None:
        self.encoder, self.pixels, self.settings, self.power = encoder, pixels, settings, power
        self.seed, self.device, self.run, self.progress = seed, device, run, progress
        self.order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(seed)).numpy()
        self.stage, self.began = 0, time.perf_counter()

    def learn(self, regions: CcaSettings, views: CcaSettings) -> None:
        """Both questions, one after the other."""
        with catch_signals() as self.stop, torch.inference_mode():
            self.encoder.prepare(torch.from_numpy(np.array(self.pixels[np.sort(self.order[:SAMPLE])])))
            self.encoder.to(self.device).eval()
            self._refuse_without_words()
            saved = self._resume()
            if self.stage == 0:
                told = self._look_into_the_mirror()
                pairs = self._pairs(regions.pairs)
                moments = [
                    PairMoments(words.pairs, self.device, pairs) for words in self.encoder.codebooks for _ in "eo"
                ]
                self._accumulate("regions", regions, moments, self._regions, saved)
                self._map_regions(moments, regions, told)
                self.stage, saved = 1, None
                self._save([])
            moments = [PairMoments(len(self.encoder.code_projection.mean), self.device)]
            self._accumulate("views", views, moments, self._views, saved)
            self._map_views(moments[0], views)

    def _refuse_without_words(self) -> None:
        if not any(words.atoms.any() for words in self.encoder.codebooks):
            raise InfoMaxError("every image is of one color: there is nothing to learn from; choose other images")

    def _look_into_the_mirror(self) -> float | None:
        """Whether the collection is chiral, and where it was asked, which part is told from the mirror images.

        An image differs from its mirror image by its odd counts, the mirror image from it by minus these. Each half of
        the images is told by the linear discriminant of the other half, ridge and all: w = (E t t^T + ridge)^-1 E t.
        """
        asked = self.settings.mirror == "auto"
        told = mirror_classification_accuracy(self._odd_counts(np.sort(self.order[:MIRRORED]))) if asked else None
        self.encoder.chiral.fill_(self.settings.mirror == "chiral" if told is None else told > CHIRAL)
        return told

    def _odd_counts(self, rows: Int[np.ndarray, " n"]) -> Float[Tensor, "n numbers"]:
        """The odd half of the words of whole images, of all kinds of patches."""
        parts = self.encoder.micro_batches(self._images(rows))
        counted = [
            torch.cat([symmetric_parts(each)[1] for each in self.encoder.histograms(part, grid=1)], -1)
            for part in parts
        ]
        return torch.cat(counted)[:, 0, 0]

    def _accumulate(
        self,
        question: str,
        how: CcaSettings,
        moments: list[PairMoments],
        draws: SampleViews,
        saved: Checkpoint | None,
    ) -> None:
        """Add up the moments of the images that are learned from; a batch draws by its number alone."""
        rows = self._learned_from(how)
        done = 0
        if saved is not None:
            done = saved["step"]
            for each, state in zip(moments, saved["moments"], strict=True):
                each.load(state)
        written = time.monotonic()
        with progress_bar(question, len(rows), done=done, shown=self.progress) as advance:
            for start in range(done, len(rows), BATCH):
                batch = self._images(rows[start : start + BATCH])
                self._add(moments, draws(batch, numbered_generator(self.seed, start, self.device)))
                advance(len(batch))
                if self.stop.is_set():
                    self._save(moments, start + len(batch))
                    raise TrainingInterrupted(interruption_message(f"stopped while asking about {question}", self.run))
                if time.monotonic() - written > CHECKPOINT_SECONDS:
                    self._save(moments, start + len(batch))
                    written = time.monotonic()

    def _add(self, moments: list[PairMoments], draws: Iterable[Float[Tensor, "n k dim"]]) -> None:
        for each, these in zip(moments, draws, strict=True):
            each.add(these)

    def _pairs(self, named: str) -> Float[Tensor, "cells cells"]:
        """Which cells of an image are paired."""
        places = torch.cartesian_prod(*(torch.arange(self.encoder.grid, dtype=torch.float32),) * 2)
        return CELL_PAIRS[named](torch.cdist(places, places)).float().to(self.device)

    def _regions(
        self, images: UInt8[Tensor, "n h w 3"], _: torch.Generator
    ) -> Iterator[Float[Tensor, "n cells pairs"]]:
        """The word counts of the cells: for each kind of patch the even and the odd half."""
        parts = [self.encoder.histograms(part) for part in self.encoder.micro_batches(images)]
        for counts in zip(*parts, strict=True):
            yield from symmetric_parts(torch.cat(counts)[:, 0])

    def _views(
        self, images: UInt8[Tensor, "n h w 3"], generator: torch.Generator
    ) -> Iterator[Float[Tensor, "n views numbers"]]:
        """The folded feature maps of the views."""
        s = self.settings
        colors = CropPolicy(
            size=self.encoder.size,
            count=s.copies,
            scale=(1.0, 1.0),
            ratio=(1.0, 1.0),
            flip=0.0,
            jitter=1.0,
            brightness=s.brightness,
            contrast=s.contrast,
            saturation=s.saturation,
            hue=s.hue,
            gray=0.0,
        )
        gray = replace(colors, count=1, jitter=0.0, gray=1.0)
        copies = list(torch.split(augment((colors,), images, generator)[0], len(images)))
        copies += augment((gray,), images, generator)
        copies = [images.float(), *(warp(copy, s.warp, generator) for copy in copies)]
        parts = zip(*map(self.encoder.micro_batches, copies), strict=True)
        folded = []
        for copies_of_part in parts:
            views = []
            for number, copy in enumerate(copies_of_part):
                boxes = [_box(s.side, generator) for _ in range(s.crops if number < s.copies + 1 else 1)]
                boxes = [WHOLE, *boxes] if number == 0 else boxes
                views.append(self.encoder.mirror_average(self.encoder.features(copy, boxes)))
            folded.append(torch.cat(views, 1))
        yield torch.cat(folded)

    def _map_regions(self, moments: list[PairMoments], how: CcaSettings, told: float | None) -> None:
        """Of both halves together the leading directions become the channels."""
        rank = min(how.rank, self.encoder.n_channels)
        others = self._held_out(moments, how.images, self._regions)
        learned = held_out = 0.0
        for place in range(len(self.encoder.codebooks)):
            pair = moments[2 * place : 2 * place + 2]
            variance = torch.stack([each.variance for each in pair]).mean()
            found = [canonical_directions(each, rank, ridge=how.ridge, variance=variance) for each in pair]
            values = torch.cat([each.correlations for each in found])
            cut = values.sort(descending=True).values[:rank][-1:].sum()  # 0 where there are none
            even, odd = (_cut(each, int((each.correlations >= cut).sum())) for each in found)
            maps = self.encoder.local_projections[place]
            split, end = len(even.correlations), len(even.correlations) + len(odd.correlations)
            maps.mean.copy_(even.mean)
            maps.weights.zero_()
            maps.weights[0, :, :split], maps.weights[1, :, split:end] = even.directions, odd.directions
            maps.sign[split:] = -1
            maps.sign[:split] = 1
            maps.values.zero_()[:end] = torch.cat([even.correlations, odd.correlations])
            for each, now, then in zip((even, odd), pair, others[2 * place : 2 * place + 2], strict=True):
                learned += each.bound_on(now)
                held_out += each.bound_on(then) if then.groups else math.nan
        self._refuse_alike_if(not any(maps.values.any() for maps in self.encoder.local_projections))
        self._tell(
            "regions",
            learned,
            held_out,
            len(self.encoder.local_projections) * rank,
            mirror_classification_accuracy=told,
        )

    def _map_views(self, moments: PairMoments, how: CcaSettings) -> None:
        """The leading directions, each times value^power, become the code."""
        (others,) = self._held_out([moments], how.images, self._views)
        found = canonical_directions(moments, how.rank, ridge=how.ridge)
        self._refuse_alike_if(not len(found.correlations))
        summary = self.encoder.code_projection
        summary.mean.copy_(found.mean)
        summary.weights.zero_()[:, : len(found.correlations)] = found.directions * found.correlations**self.power
        held_out = found.bound_on(others) if others.groups else math.nan
        self._tell("views", found.bound_on(moments), held_out, len(found.correlations))

    def _refuse_alike_if(self, nothing: bool) -> None:
        if nothing:
            raise InfoMaxError(
                f"the {len(self.pixels)} images are all alike: there is nothing to learn from; choose other images"
            )

    def _learned_from(self, how: CcaSettings) -> Int[np.ndarray, " n"]:
        """The rows that the moments come from: all but the held-out ones, drawn by the seed, over and over again."""
        rows = self.order[len(self.order) // HELD_OUT :]
        return np.resize(rows, min(how.images, how.rounds * len(rows)))

    def _held_out(self, like: list[PairMoments], most: int, draws: SampleViews) -> list[PairMoments]:
        """Moments of images that were not learned from, a tenth as many as those that were."""
        others = [PairMoments(len(each.first), self.device, each.pairs) for each in like]
        rows = self.order[: min(len(self.order), most) // HELD_OUT]
        for start in range(0, len(rows), BATCH):
            generator = numbered_generator(self.seed, -1, self.device)
            self._add(others, draws(self._images(rows[start : start + BATCH]), generator))
        return others

    def _images(self, rows: Int[np.ndarray, " n"]) -> UInt8[Tensor, "n h w 3"]:
        return torch.from_numpy(self.pixels[rows]).to(self.device)

    def _save(self, moments: list[PairMoments], done: int = 0) -> None:
        if self.run is not None:
            self.run.write_checkpoint(
                {
                    "encoder": self.encoder.state_dict(),
                    "epoch": self.stage,
                    "batch": 0,
                    "step": done,
                    "moments": [each.state() for each in moments],
                }
            )

    def _resume(self) -> Checkpoint | None:
        """The last checkpoint, its maps taken over; whitening and atoms follow from the seed."""
        if self.run is None:
            return None
        checkpoint = self.run.read_checkpoint()
        if checkpoint is not None:
            self.stage = checkpoint["epoch"]
            self.encoder.load_state_dict(checkpoint["encoder"])
        self.run.rewind_log(checkpoint["step"] if checkpoint else 0, self.stage)
        return checkpoint if checkpoint and checkpoint["moments"] else None

    def _tell(self, question: str, learned: float, held_out: float, rank: int, **more: float | None) -> None:
        if self.run is not None:
            line = {"kind": "epoch", "step": 0, "epoch": self.stage + 1, "question": question, "rank": rank}
            bounds = {"chi2": learned, "chi2_held_out": None if math.isnan(held_out) else held_out}
            self.run.log(line | bounds | more | {"seconds": round(time.perf_counter() - self.began, 3)})


def mirror_classification_accuracy(odd: Float[Tensor, "n numbers"]) -> float:
    """Which part of the rows, each beside its negative, is told from that by the other half of the rows; 1/2 is chance.

    By the linear discriminant, w = (E t t^T + ridge)^-1 E t, with the mean variance for a ridge.
    """
    right = 0.0
    for one, other in (odd.double().chunk(2), odd.double().chunk(2)[::-1]):
        second = one.T @ one / len(one)
        ridge = second.diagonal().mean().clamp(min=EPSILON) * torch.eye(len(second)).to(second)
        side = other @ torch.linalg.solve(second + ridge, one.mean(0))
        right += float((side > 0).double().sum() + (side == 0).double().sum() / 2)
    return right / len(odd)


def _cut(found: CanonicalDirections, rank: int) -> CanonicalDirections:
    return CanonicalDirections(found.correlations[:rank], found.directions[:, :rank], found.mean)


def _box(least: float, generator: torch.Generator) -> Box:
    """A square crop: its side uniform from `least` to 1, its place uniform."""
    side, top, left = torch.rand(3, generator=generator, device=generator.device).tolist()
    return Box(top, left, least + (1 - least) * side)
