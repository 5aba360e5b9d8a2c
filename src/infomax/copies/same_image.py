"""Find copies of one image, verified on pixels: encoded again, scaled, brightened, gray, or cropped by a little.

Candidates are registered, so that a crop or a slight turn does no harm, first as miniatures and then at 64 x 64 pixels,
where the details must agree. Drawings are compared at their full resolution. Images are taken in an order that their
pixels give, so that the result does not depend on names. The bounds were set on one half of 2,573 photos of clothing;
see docs/duplicates.md.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import combinations, groupby
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8

from infomax.copies import drawings
from infomax.copies.agreement import SOME_DETAIL, VERIFIED_SIDE, Bounds, register_miniatures, verify
from infomax.copies.candidates import candidate_pairs, composed_turn, gray, inverse_turn, turn
from infomax.copies.miniatures import Miniatures, Rectangle
from infomax.copies.registration import AffineMaps, compose, identity_maps, invert, stretch
from infomax.copies.trimmed import TrimmedViews

STRICT = Bounds(0.85, 0.92, 0.958, 0.94, 0.975, 0.975, 0.985, 1.0, SOME_DETAIL)
"""For two images of which nothing else is known."""

SHARED = Bounds(0.6, 0.7, 0.9, 0.85, 0.975, 0.94, 0.975, 2.5, SOME_DETAIL)
"""For two images that both are the same as a third one, such as a small and a blurred copy of it."""

SMALL_THUMBNAIL = 48
"""Shorter side of a thumbnail, in pixels, that is much smaller than `VERIFIED_SIDE`."""

MUCH = 1.5
"""Ratio of the sides of two thumbnails from which on the smaller one shows less detail."""

NEARLY = 0.85
"""Agreement of details from which on two images that are not the same are compared in other ways, too."""

STRETCH = 1.15
"""Largest ratio of the factors by which a copy is scaled along two directions, unless all of it was squeezed."""

AT_ONCE = 500
DRAWINGS_AT_ONCE = 50
MOST_SQUARES = 5000
"""Squares that are kept, so that a thumbnail is not decoded again for each of its copies."""

MOST_COPIES = 64
"""Copies of one image of which all pairs are compared, in addition to the candidates."""

Squares = Callable[[Sequence[int], Sequence[Rectangle], int], UInt8[np.ndarray, "n side side 3"]]
"""Maps rows, a box for each, and a side in pixels to squares of that side made from their thumbnails."""


_Chosen: TypeAlias = Int[np.ndarray, " m"]


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

    def kind(self) -> tuple[int, bool]:
        """How it is turned, and whether it is neither turned nor without a frame."""
        return self.how, not (self.how or self.cut_p or self.cut_q)


class SameImageFinder:
    """Finds the pairs of images that are the same.

    Args:
        miniatures: Small versions of n images.
        squares: Where larger versions come from.

    """

    def __init__(self, miniatures: Miniatures, squares: Squares) -> None:
        self._order = _order_of_content(miniatures)
        self._miniatures = miniatures.take(self._order)
        self._squares = squares
        self._kept: OrderedDict[tuple[int, Rectangle], UInt8[np.ndarray, "side side 3"]] = OrderedDict()
        self._found: dict[tuple[int, int], SamePair] = {}
        self._maps: dict[tuple[int, int], Float[torch.Tensor, "2 3"]] = {}
        self._plain_copies: dict[int, set[int]] = defaultdict(set)  # neither turned nor without a frame

    def find(self, *, mirrored: bool = False, turned: bool = False, framed: bool = False) -> list[SamePair]:
        """Find the pairs. Blank images are in none.

        Args:
            mirrored: Whether mirrored copies count, too.
            turned: Whether copies turned by 90, 180 or 270 degrees count, too.
            framed: Whether copies with a frame count, too.

        Returns:
            The pairs, each once. They do not depend on the order of the images.

        """
        views = TrimmedViews(self._miniatures, framed=framed)
        for how in range(8):
            if (turned or how % 4 == 0) and (mirrored or how < 4):
                for a, b in candidate_pairs(views.pixels, views.pixels if how == 0 else turn(views.pixels, how)):
                    self._verify_new(views, a, b, how)
        self._complete(framed)
        return sorted(map(self._in_given_order, self._found.values()), key=lambda pair: (pair.a, pair.b))

    def _in_given_order(self, pair: SamePair) -> SamePair:
        a, b = int(self._order[pair.a]), int(self._order[pair.b])
        if a < b:
            return replace(pair, a=a, b=b)
        return SamePair(b, a, pair.agreement, inverse_turn(pair.turns), pair.framed_b, pair.framed_a)

    def _verify_new(self, views: TrimmedViews, a: _Chosen, b: _Chosen, how: int) -> None:
        """Verify candidates, views of different rows that are not known to be the same."""
        rows = zip(views.rows[a].tolist(), views.rows[b].tolist(), strict=True)
        new = np.array([p != q and (p, q) not in self._found for p, q in rows], np.bool_)
        a, b = a[new], b[new]
        waiting = self._waiting(views, a, b) if how == 0 else np.zeros(len(a), np.bool_)
        for part in (~waiting, waiting):
            self._verify_by_copies(views, a[part], b[part], how)

    def _waiting(self, views: TrimmedViews, a: _Chosen, b: _Chosen) -> Bool[np.ndarray, " m"]:
        """Which pairs may have a copy in common once the others are verified; that saves their registration."""
        pairs = list(zip(views.rows[a].tolist(), views.rows[b].tolist(), strict=True))
        before: dict[int, set[int]] = defaultdict(set)
        for p, q in pairs:
            before[q].add(p)
        for q in {row for pair in pairs for row in pair}:
            before[q] |= {p for p in self._plain_copies[q] if p < q}
        return np.array([not before[p].isdisjoint(before[q]) for p, q in pairs], np.bool_)

    def _verify_by_copies(self, views: TrimmedViews, a: _Chosen, b: _Chosen, how: int) -> None:
        """Verify pairs of views, where a common copy vouches for them by weaker bounds and with its map."""
        maps: list[Float[torch.Tensor, "2 3"] | None] = [None] * len(a)
        if how == 0:
            whole = ~(views.trimmed[a] | views.trimmed[b])
            for i in np.flatnonzero(whole).tolist():
                p, q = int(views.rows[a[i]]), int(views.rows[b[i]])
                if common := self._plain_copies[p] & self._plain_copies[q]:
                    maps[i] = self._map_by(p, min(common), q)
        known = np.array([each is not None for each in maps], np.bool_)
        self._verify_all(views, a[~known], b[~known], how, None, STRICT)
        if known.any():
            self._verify_all(
                views, a[known], b[known], how, torch.stack([each for each in maps if each is not None]), SHARED
            )

    def _verify_all(
        self, views: TrimmedViews, a: _Chosen, b: _Chosen, how: int, maps: AffineMaps | None, bounds: Bounds
    ) -> None:
        """Verify pairs of views, drawings apart from photos, some at a time."""
        drawn = self._are_drawings(views, a, b, shared=bounds is SHARED)
        for which in (~drawn, drawn):
            rows = np.flatnonzero(which)
            for start in range(0, len(rows), AT_ONCE):
                part = rows[start : start + AT_ONCE]
                some = None if maps is None else maps[part]
                if which is drawn:
                    self._verify_drawings(views, a[part], b[part], how, some, shared=bounds is SHARED)
                else:
                    self._verify(views, a[part], b[part], how, some, bounds)

    def _are_drawings(self, views: TrimmedViews, a: _Chosen, b: _Chosen, *, shared: bool) -> Bool[np.ndarray, " m"]:
        """Which pairs are compared as drawings. Few pixels of a small one are even, so there the larger one tells."""
        rows = np.stack([views.rows[each] for each in (a, b)])
        drawn, sides = self._miniatures.drawn[rows], self._miniatures.sides[rows]
        told = np.where(sides[0] == sides[1], drawn.any(0), np.where(sides[0] > sides[1], *drawn))
        small = self._is_small(views, a, b)
        are_drawings: Bool[np.ndarray, " m"] = np.where(small, told, drawn.all(0))
        if shared:  # a photo whose bright parts were clipped to white only looks drawn
            for i in np.flatnonzero(are_drawings & small).tolist():
                common = self._plain_copies[int(rows[0, i])] & self._plain_copies[int(rows[1, i])]
                are_drawings[i] = not any(self._is_large_photo(row) for row in common)
        return are_drawings

    def _is_large_photo(self, row: int) -> bool:
        return bool(self._miniatures.sides[row] >= SMALL_THUMBNAIL and not self._miniatures.drawn[row])

    def _verify(
        self, views: TrimmedViews, a: _Chosen, b: _Chosen, how: int, maps: AffineMaps | None, bounds: Bounds
    ) -> None:
        """Keep those of some pairs of photos that are the same."""
        if maps is None:
            kept, maps = register_miniatures(views.pixels[a], turn(views.pixels[b], how), bounds)
            a, b = a[kept], b[kept]
        if not len(a):
            return
        p, q = views.rows[a], views.rows[b]
        first, second = self._larger(views, a), turn(self._larger(views, b), how)
        sides = np.stack([self._miniatures.sides[p], self._miniatures.sides[q]])
        small = (sides.min(0) < SMALL_THUMBNAIL) & (sides.max(0) > MUCH * sides.min(0))
        inside = views.inside(a) * turn(views.inside(b), how)
        both = (views.framed[a] & views.framed[b])[:, None, None, None]
        mask = torch.from_numpy(np.where(both, inside, 1)[..., 0]).float()
        agreement, same, maps = verify(first, second, maps, small, mask, bounds)
        again = (~same & (agreement >= NEARLY)).nonzero()[:, 0]
        for swapped, by_channel in ((True, False), (False, True), (True, True)):
            i = again.numpy()
            if len(i):
                views_of_i = (second[i], first[i], invert(maps[i])) if swapped else (first[i], second[i], maps[i])
                agreement[i], same[i], found = verify(*views_of_i, small[i], mask[i], bounds, by_channel=by_channel)
                maps[i] = invert(found) if swapped else found
                again = again[~same[i]]
        aspects = views.aspects[a], views.aspects[b] ** (-1 if how % 2 else 1)
        same &= stretch(maps, *map(torch.from_numpy, aspects)) <= STRETCH
        self._keep(views, a, b, how, agreement, same, maps)

    def _verify_drawings(
        self, views: TrimmedViews, a: _Chosen, b: _Chosen, how: int, known: AffineMaps | None, *, shared: bool
    ) -> None:
        """Keep those of some pairs of drawings that are the same: at `VERIFIED_SIDE` pixels, then closely."""
        if not len(a):
            return
        first, second = self._larger(views, a), turn(self._larger(views, b), how)
        one, other = gray(first), gray(second)
        starts = [identity_maps(len(a)), drawings.profile_maps(one, other), *([] if known is None else [known])]
        agreement, maps = drawings.closest(one, other, starts)
        rest = (agreement < drawings.LEAST_LIKELY).nonzero()[:, 0].numpy()
        if len(rest):  # a photo with a clear sky passes for a drawing, and may be cropped in any way
            kept, registered = register_miniatures(views.pixels[a[rest]], turn(views.pixels[b[rest]], how), STRICT)
            some = rest[kept]
            agreement[some], maps[some] = drawings.closest(one[some], other[some], [registered])
        likely = np.flatnonzero((agreement >= drawings.LEAST_LIKELY).numpy())
        light = drawings.light_bounds(self._is_small(views, a, b), shared=shared)
        likely = likely[drawings.may_be_same(one[likely], other[likely], maps[likely], light[likely]).numpy()]
        a, b, agreement, maps, light = a[likely], b[likely], agreement[likely], maps[likely], light[likely]
        self._keep(views, a, b, how, agreement, self._same_drawings(views, a, b, how, maps, light), maps)

    def _same_drawings(
        self,
        views: TrimmedViews,
        a: _Chosen,
        b: _Chosen,
        how: int,
        maps: AffineMaps,
        light: Float[torch.Tensor, " m"],
    ) -> Bool[torch.Tensor, " m"]:
        """Compare drawings at the resolution of the smaller thumbnail."""
        same = torch.zeros(len(a), dtype=torch.bool)
        least = np.minimum(self._miniatures.sides[views.rows[a]], self._miniatures.sides[views.rows[b]])
        whole = drawings.DRAWING_SIDE
        sides = np.select([least > whole / 2, least > whole / 4], [whole, whole // 2], VERIFIED_SIDE)
        for side in np.unique(sides).tolist():
            every = np.flatnonzero(sides == side)
            for rows in np.array_split(every, -(-len(every) // DRAWINGS_AT_ONCE)):
                first, second = (
                    self._squares(self._order[views.rows[each[rows]]].tolist(), views.boxes(each[rows]), side)
                    for each in (a, b)
                )
                same[rows] = drawings.same_drawing(first, turn(second, how), maps[rows], light[rows])
        return same

    def _is_small(self, views: TrimmedViews, a: _Chosen, b: _Chosen) -> Bool[np.ndarray, " m"]:
        """Whether one thumbnail of a pair is much smaller than `VERIFIED_SIDE`."""
        sides = np.minimum(*(self._miniatures.sides[views.rows[each]] for each in (a, b)))
        small: Bool[np.ndarray, " m"] = sides < SMALL_THUMBNAIL
        return small

    def _keep(
        self,
        views: TrimmedViews,
        a: _Chosen,
        b: _Chosen,
        how: int,
        agreement: Float[torch.Tensor, " m"],
        same: Bool[torch.Tensor, " m"],
        maps: AffineMaps,
    ) -> None:
        """Remember the pairs that are the same, and their maps."""
        for i in same.nonzero()[:, 0].tolist():
            p, q = a[i], b[i]
            pair = SamePair(
                *(int(views.rows[p]), int(views.rows[q]), float(agreement[i]), how),
                *(bool(views.trimmed[p]), bool(views.trimmed[q])),
            )
            if (pair.a, pair.b) not in self._found:
                self._found[pair.a, pair.b], self._maps[pair.a, pair.b] = pair, maps[i]
                if not (how or pair.framed_a or pair.framed_b):
                    self._plain_copies[pair.a].add(pair.b)
                    self._plain_copies[pair.b].add(pair.a)

    def _larger(self, views: TrimmedViews, chosen: Int[np.ndarray, " m"]) -> UInt8[np.ndarray, "m side side 3"]:
        """Squares of `VERIFIED_SIDE` pixels; a thumbnail is decoded once, however often its view is chosen."""
        each, place = np.unique(chosen, return_inverse=True)
        keys = list(zip(views.rows[each].tolist(), views.boxes(each), strict=True))
        missing = [key for key in keys if key not in self._kept]
        if missing:
            rows = self._order[[row for row, _ in missing]].tolist()
            made = self._squares(rows, [box for _, box in missing], VERIFIED_SIDE)
            self._kept.update(zip(missing, made, strict=True))
        squares = np.stack([self._kept[key] for key in keys])
        while len(self._kept) > MOST_SQUARES:
            self._kept.popitem(last=False)
        larger: UInt8[np.ndarray, "m side side 3"] = squares[place]
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
                    how = composed_turn(first.how, second.how)
                    asked[p, q] = _Triple(p, q, middle, how, first.cut_p, second.cut_q)
        views = TrimmedViews(self._miniatures, framed=framed)
        place = {key: view for view, key in enumerate(zip(views.rows.tolist(), views.trimmed.tolist(), strict=True))}
        for (how, plain), group in groupby(sorted(asked.values(), key=_Triple.kind), key=_Triple.kind):
            triples = list(group)
            a = np.array([place[each.p, each.cut_p] for each in triples])
            b = np.array([place[each.q, each.cut_q] for each in triples])
            maps = torch.stack([self._map_by(each.p, each.middle, each.q) for each in triples]) if plain else None
            self._verify_all(views, a, b, how, maps, SHARED)

    def _leg(self, p: int, q: int) -> "_Triple":
        """How q is turned to match p, of a pair that was found in either order."""
        if p < q:
            pair = self._found[p, q]
            return _Triple(p, q, q, pair.turns, pair.framed_a, pair.framed_b)
        pair = self._found[q, p]
        return _Triple(p, q, q, inverse_turn(pair.turns), pair.framed_b, pair.framed_a)

    def _map_by(self, p: int, middle: int, q: int) -> Float[torch.Tensor, "2 3"]:
        """The map from p to q by way of their common copy."""
        return compose(self._map(middle, q)[None], self._map(p, middle)[None])[0]

    def _map(self, p: int, q: int) -> Float[torch.Tensor, "2 3"]:
        return self._maps[p, q] if p < q else invert(self._maps[q, p][None])[0]


def _order_of_content(miniatures: Miniatures) -> Int[np.ndarray, " n"]:
    """Rows in an order that the pixels give, whatever the order of the images."""
    keys = [
        (sha256(pixels.tobytes()).digest(), side)
        for pixels, side in zip(miniatures.pixels, miniatures.sides.tolist(), strict=True)
    ]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
