"""Find copies of one image, verified on pixels: encoded again, scaled, brightened, gray, or cropped by a little.

Candidates are registered, so that a crop or a slight turn does no harm, first as miniatures and then at 64 x 64 pixels.
There the details, a band of middle frequencies, must agree in most parts of the image that show any. Two photos of one
kind of garment agree in outline and differ in detail. A part that shows nothing says nothing, so white paper or a frame
never makes two images the same. The bounds were set on one half of 2,573 photos of clothing; see docs/duplicates.md.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, groupby
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch.nn.functional import avg_pool2d, pad

from infomax.copies.candidates import candidate_pairs, gray, luma, turn
from infomax.copies.color import same_color
from infomax.copies.miniatures import UNCUT, Miniatures, Rectangle
from infomax.copies.registration import AffineMaps, GrayImages, compose, identity_maps, invert, register, sample

VERIFIED_SIDE = 64
"""Pixels of both sides at which two images are verified."""


class Bounds(NamedTuple):
    """Least agreement, up to 1, of two images that are the same.

    Attributes:
        rough: Of outlines at 16 x 16 pixels, for a candidate to be looked at more closely.
        outline: Of outlines at 32 x 32 pixels.
        detail: Of details at 64 x 64 pixels.
        detail_of_small: The same, where one image is much smaller than that and than the other.
        detail_of_smooth: Of details at 32 x 32 pixels, for images that show no finer ones.
        color: Factor of the differences of color that are allowed, 1 or more.

    """

    rough: float
    outline: float
    detail: float
    detail_of_small: float
    detail_of_smooth: float
    color: float


STRICT = Bounds(0.85, 0.92, 0.958, 0.93, 0.985, 1.0)
"""For two images of which nothing else is known."""

SHARED = Bounds(0.75, 0.8, 0.8, 0.8, 0.95, 1.8)
"""For two images that both are the same as a third one, such as a small and a blurred copy of it."""

SMALL_THUMBNAIL = 48
"""Shorter side of a thumbnail, in pixels, that is much smaller than `VERIFIED_SIDE`."""

MUCH = 1.5
"""Ratio of the sides of two thumbnails from which on the smaller one shows less detail."""

SOME_DETAIL = 4
"""Least number of parts, of 49, that must show detail."""

LEAST_OVERLAP = 0.5
"""Least part of an image that the other one shows, too."""

MARKED = 0.25
"""Part of the detail that may differ: a mark, a line of text."""

FRAME_EDGE = 5
"""Pixels within a frame that its edge still shows in."""

AT_ONCE = 1000
MOST_COPIES = 64
"""Copies of one image of which all pairs are compared, in addition to the candidates."""

Squares = Callable[[Sequence[int], Sequence[Rectangle]], UInt8[np.ndarray, "n side side 3"]]
"""AffineMaps rows, and a box for each, to squares of `VERIFIED_SIDE` pixels made from their thumbnails."""


@dataclass(frozen=True)
class SamePair:
    """Two rows that show the same image.

    Attributes:
        a: First row.
        b: Second row, larger than the first.
        agreement: How well the details agree, up to 1.
        turns: How b is turned to match a, see `candidates.turn`.
        framed_a: Whether a was compared without its frame.
        framed_b: Whether b was compared without its frame.

    """

    a: int
    b: int
    agreement: float
    turns: int
    framed_a: bool
    framed_b: bool

    def change(self, *, to_first: bool = False) -> str:
        """Say how the second image differs from the first: "", or words such as "mirrored" or "turned, framed".

        Args:
            to_first: Say how the first differs from the second instead.

        Returns:
            The words.

        """
        framed, unframed = (self.framed_a, self.framed_b) if to_first else (self.framed_b, self.framed_a)
        words = {
            "turned": self.turns % 4 != 0,
            "mirrored": self.turns >= 4,
            "framed": framed and not unframed,
            "without frame": unframed and not framed,
            "another frame": framed and unframed,
        }
        return ", ".join(word for word, holds in words.items() if holds)


class _Triple(NamedTuple):
    """Two rows and their common copy; how q is turned to match p, and which of both is compared without its frame."""

    p: int
    q: int
    middle: int
    how: int
    cut_p: bool
    cut_q: bool


@cache
def _composed(outer: int, inner: int) -> int:
    """The turn that does the same as an inner and then an outer turn, see `candidates.turn`."""
    corners = np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1)
    turned = turn(turn(corners, inner), outer)
    return next(how for how in range(8) if np.array_equal(turn(corners, how), turned))


class SameImageFinder:
    """Finds the pairs of images that are the same.

    Args:
        miniatures: Small versions of n images.
        squares: Where larger versions come from.

    """

    def __init__(self, miniatures: Miniatures, squares: Squares) -> None:
        self._miniatures = miniatures
        self._squares = squares
        self._found: dict[tuple[int, int], SamePair] = {}
        self._maps: dict[tuple[int, int], Float[torch.Tensor, "2 3"]] = {}

    def find(self, *, mirrored: bool = False, turned: bool = False, framed: bool = False) -> list[SamePair]:
        """Find the pairs. Blank images are in none.

        Args:
            mirrored: Whether mirrored copies count, too.
            turned: Whether copies turned by 90, 180 or 270 degrees count, too.
            framed: Whether copies with a frame count, too.

        Returns:
            The pairs, each once.

        """
        views = _Views(self._miniatures, framed=framed)
        for how in range(8):
            if (turned or how % 4 == 0) and (mirrored or how < 4):
                for a, b in candidate_pairs(views.pixels, views.pixels if how == 0 else turn(views.pixels, how)):
                    self._verify_new(views, a, b, how)
        self._complete(framed)
        return list(self._found.values())

    def _verify_new(self, views: "_Views", a: Int[np.ndarray, " m"], b: Int[np.ndarray, " m"], how: int) -> None:
        """Verify candidates, views of different rows that are not known to be the same."""
        rows = zip(views.rows[a].tolist(), views.rows[b].tolist(), strict=True)
        new = [i for i, (p, q) in enumerate(rows) if p != q and (p, q) not in self._found]
        for start in range(0, len(new), AT_ONCE):
            part = new[start : start + AT_ONCE]
            self._verify(views, a[part], b[part], how, identity_maps(len(part)), STRICT)

    def _verify(
        self,
        views: "_Views",
        a: Int[np.ndarray, " m"],
        b: Int[np.ndarray, " m"],
        how: int,
        maps: AffineMaps,
        bounds: Bounds,
    ) -> None:
        """Keep those of some pairs of views that are the same."""
        kept, maps = _register_miniatures(views.pixels[a], turn(views.pixels[b], how), maps, bounds)
        a, b = a[kept], b[kept]
        if not len(a):
            return
        p, q = views.rows[a], views.rows[b]
        first, second = self._larger(views, a), self._larger(views, b)
        sides = np.stack([self._miniatures.sides[p], self._miniatures.sides[q]])
        small = (sides.min(0) < SMALL_THUMBNAIL) & (sides.max(0) > MUCH * sides.min(0))
        inside = views.inside(a) * turn(views.inside(b), how)
        both = (views.framed[a] & views.framed[b])[:, None, None, None]
        mask = torch.from_numpy(np.where(both, inside, 1)[..., 0]).float()
        agreement, same, maps = verify(first, turn(second, how), maps, small, mask, bounds)
        for i in same.nonzero()[:, 0].tolist():
            pair = SamePair(
                int(p[i]), int(q[i]), float(agreement[i]), how, bool(views.trimmed[a[i]]), bool(views.trimmed[b[i]])
            )
            if (pair.a, pair.b) not in self._found:
                self._found[pair.a, pair.b], self._maps[pair.a, pair.b] = pair, maps[i]

    def _larger(self, views: "_Views", chosen: Int[np.ndarray, " m"]) -> UInt8[np.ndarray, "m side side 3"]:
        """Squares of `VERIFIED_SIDE` pixels; a thumbnail is read once, however often its view is chosen."""
        each, place = np.unique(chosen, return_inverse=True)
        larger: UInt8[np.ndarray, "m side side 3"] = self._squares(views.rows[each].tolist(), views.boxes(each))[place]
        return larger

    def _complete(self, framed: bool) -> None:
        """Compare the pairs that have a copy in common, by weaker bounds: the copy vouches for them."""
        copies: dict[int, list[int]] = defaultdict(list)
        for p, q in self._found:
            copies[p].append(q)
            copies[q].append(p)
        asked: dict[tuple[int, int], _Triple] = {}
        for middle, near in copies.items():
            for p, q in combinations(sorted(near)[:MOST_COPIES], 2):
                if (p, q) in self._found or (p, q) in asked:
                    continue
                first, second = self._leg(p, middle), self._leg(middle, q)
                if not (first.cut_q or second.cut_p):
                    how = _composed(first.how, second.how)
                    asked[p, q] = _Triple(p, q, middle, how, first.cut_p, second.cut_q)
        views = _Views(self._miniatures, framed=framed)
        place = {key: view for view, key in enumerate(zip(views.rows.tolist(), views.trimmed.tolist(), strict=True))}
        for how, group in groupby(sorted(asked.values(), key=lambda triple: triple.how), key=lambda triple: triple.how):
            triples = list(group)
            for start in range(0, len(triples), AT_ONCE):
                part = triples[start : start + AT_ONCE]
                a = np.array([place[each.p, each.cut_p] for each in part])
                b = np.array([place[each.q, each.cut_q] for each in part])
                self._verify(views, a, b, how, torch.stack([self._suggested(each) for each in part]), SHARED)

    def _suggested(self, triple: "_Triple") -> Float[torch.Tensor, "2 3"]:
        """The map from p to q by way of their common copy; the identity where one is turned or lacks its frame."""
        if triple.how or triple.cut_p or triple.cut_q:
            return torch.eye(2, 3)
        onward, to_middle = self._map(triple.middle, triple.q), self._map(triple.p, triple.middle)
        return compose(onward[None], to_middle[None])[0]

    def _leg(self, p: int, q: int) -> "_Triple":
        """How q is turned to match p, of a pair that was found in either order."""
        if p < q:
            pair = self._found[p, q]
            return _Triple(p, q, q, pair.turns, pair.framed_a, pair.framed_b)
        pair = self._found[q, p]
        inverse = next(how for how in range(8) if _composed(how, pair.turns) == 0)
        return _Triple(p, q, q, inverse, pair.framed_b, pair.framed_a)

    def _map(self, p: int, q: int) -> Float[torch.Tensor, "2 3"]:
        return self._maps[p, q] if p < q else invert(self._maps[q, p][None])[0]


class _Views:
    """Images that are not blank, whole and perhaps without their frames, as one list in the order of the rows."""

    def __init__(self, miniatures: Miniatures, *, framed: bool) -> None:
        whole = np.flatnonzero(~miniatures.blank)
        cut = np.flatnonzero(~miniatures.blank & miniatures.framed) if framed else whole[:0]
        order = np.argsort(np.concatenate([whole, cut]), kind="stable")
        self.rows: Int[np.ndarray, " views"] = np.concatenate([whole, cut])[order]
        self.trimmed: Bool[np.ndarray, " views"] = order >= len(whole)
        self.framed: Bool[np.ndarray, " views"] = miniatures.framed[self.rows] & ~self.trimmed
        pixels = miniatures.pixels[self.rows]
        pixels[self.trimmed] = miniatures.trimmed[self.rows[self.trimmed]]
        self.pixels: UInt8[np.ndarray, "views 32 32 3"] = pixels
        self._boxes = miniatures.boxes[self.rows]

    def boxes(self, views: Int[np.ndarray, " m"]) -> list[Rectangle]:
        """What is compared of each image."""
        return [tuple(self._boxes[view].tolist()) if self.trimmed[view] else UNCUT for view in views]

    def inside(self, views: Int[np.ndarray, " m"]) -> UInt8[np.ndarray, "m side side 1"]:
        """1 within the frames, well away from their edges, and 0 elsewhere."""
        inside = np.zeros((len(views), VERIFIED_SIDE, VERIFIED_SIDE, 1), np.uint8)
        for mask, (left, top, right, bottom) in zip(inside, self._boxes[views].tolist(), strict=True):
            mask[_edge(top) : VERIFIED_SIDE - _edge(1 - bottom), _edge(left) : VERIFIED_SIDE - _edge(1 - right)] = 1
        return inside


def _edge(part: float) -> int:
    """Pixels from the side of a square to well within a frame that takes a part of it."""
    return round(part * VERIFIED_SIDE) + FRAME_EDGE if part > 0 else 0


def _register_miniatures(
    a: UInt8[np.ndarray, "m 32 32 3"], b: UInt8[np.ndarray, "m 32 32 3"], maps: AffineMaps, bounds: Bounds
) -> tuple[Int[np.ndarray, " kept"], Float[torch.Tensor, "kept 2 3"]]:
    """Register miniatures, and find the pairs whose outlines agree."""
    fixed, moving = gray(a), gray(b)
    kept = np.arange(len(a))
    for reduction, steps, noise, least in ((4, 4, 30.0, 0.0), (2, 4, 4.0, bounds.rough), (1, 4, 2.0, bounds.outline)):
        maps = register(fixed, moving, maps, reduction, steps, noise)
        if least:
            some, other = (avg_pool2d(each[:, None], reduction)[:, 0] for each in (fixed, moving))
            warped, overlap = sample(other[:, None], maps)
            agreement, parts = _agreement(some, warped[:, 0], overlap.float(), 3.0)
            good = (agreement >= least) & (parts >= SOME_DETAIL / 2)
            fixed, moving, maps = fixed[good], moving[good], maps[good]
            kept = kept[good.numpy()]
    return kept, maps


def verify(
    a: UInt8[np.ndarray, "m side side 3"],
    b: UInt8[np.ndarray, "m side side 3"],
    maps: AffineMaps,
    small: Bool[np.ndarray, " m"],
    inside: Float[torch.Tensor, "m side side"],
    bounds: Bounds,
) -> tuple[Float[torch.Tensor, " m"], Bool[torch.Tensor, " m"], AffineMaps]:
    """Compare the details and the colors of registered images.

    Args:
        a: Pixels of the first images, shape (m, 64, 64, 3).
        b: Pixels of the second images, shape (m, 64, 64, 3).
        maps: AffineMaps from the first to the second images, shape (m, 2, 3), which are refined.
        small: Whether one image of a pair is much smaller than its square, shape (m,).
        inside: 1 for pixels of the first images that count, 0 for others.
        bounds: How well they must agree.

    Returns:
        How well the details agree; which pairs are the same; and the refined maps.

    """
    fixed, moving = gray(a), gray(b)
    maps = register(fixed, moving, maps, 1, 2, 2.0)
    warped, overlap = sample(torch.from_numpy(b).float().permute(0, 3, 1, 2), maps)
    first, other = torch.from_numpy(a).float(), warped.permute(0, 2, 3, 1)
    mask = overlap.float() * inside
    fine, parts = _agreement(_band(fixed), _band(luma(other)), mask, 2.0)
    halved = [avg_pool2d(each[:, None], 2)[:, 0] for each in (fixed, luma(other), mask)]
    coarse, coarse_parts = _agreement(_band(halved[0]), _band(halved[1]), halved[2], 2.0)
    least = torch.from_numpy(np.where(small, bounds.detail_of_small, bounds.detail).astype(np.float32))
    smooth = parts < SOME_DETAIL
    good = torch.where(smooth, (coarse >= bounds.detail_of_smooth) & (coarse_parts >= SOME_DETAIL), fine >= least)
    good &= overlap.float().mean((1, 2)) >= LEAST_OVERLAP
    good &= same_color(first, other, mask, bounds.color)
    return torch.where(smooth, coarse, fine), good, maps


def _band(images: GrayImages) -> GrayImages:
    """Details: what a mean over 3 x 3 pixels leaves, without the mean over 9 x 9."""
    smooth = _box(images, 3)
    return smooth - _box(smooth, 9)


def _box(images: GrayImages, width: int) -> GrayImages:
    half = width // 2
    return avg_pool2d(pad(images[:, None], (half, half, half, half), mode="replicate"), width, 1)[:, 0]


def _agreement(
    a: GrayImages, b: GrayImages, mask: GrayImages, contrast: float
) -> tuple[Float[torch.Tensor, " m"], Int[torch.Tensor, " m"]]:
    """Mean correlation over the overlapping parts that show anything, without the worst; and the number of such parts.

    A part is a quarter of the side wide, and half of it overlaps the next one. A part that only one image shows
    anything in has correlation 0.
    """
    width = a.shape[-1] // 4
    x, y, w = (
        each.unfold(1, width, width // 2).unfold(2, width, width // 2).flatten(1, 2).flatten(2) for each in (a, b, mask)
    )
    total = w.sum(2).clamp(min=1)
    x = x - (x * w).sum(2, keepdim=True) / total[..., None]
    y = y - (y * w).sum(2, keepdim=True) / total[..., None]
    xx, yy, xy = ((each * w).sum(2) / total for each in (x * x, y * y, x * y))
    power = torch.maximum(xx, yy)
    counts = (power > contrast**2) & (w.mean(2) >= 0.5)
    correlation = torch.where(torch.minimum(xx, yy) * 9 > contrast**2, xy / (xx * yy).clamp(min=1e-6).sqrt(), 0)
    correlation, order = correlation.sort(1)
    weights = (power.sqrt() * counts).gather(1, order)
    so_far = weights.cumsum(1)
    weights = weights * (so_far >= MARKED * so_far[:, -1:])
    return (weights * correlation).sum(1) / weights.sum(1).clamp(min=1e-6), counts.sum(1)
