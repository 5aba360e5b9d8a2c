"""The views of images that are compared: each whole, and perhaps a second time without its frame."""

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from infomax.copies.agreement import VERIFIED_SIDE
from infomax.copies.miniatures import UNCUT, Miniatures, Rectangle

FRAME_EDGE = 5
"""Pixels within a frame that its edge still shows in."""


class TrimmedViews:
    """Images that are not blank, whole and perhaps without their frames, as one list in the order of the rows.

    Args:
        miniatures: Small versions of n images.
        framed: Whether images with a frame come a second time without it.

    Attributes:
        rows: Row of the image of each view.
        trimmed: Which views lack the frame of their image.
        framed: Which views have a frame.
        aspects: Width of what each view shows by its height.
        pixels: Miniatures of the views, shape (views, 32, 32, 3).

    """

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
        left, top, right, bottom = np.where(self.trimmed[:, None], self._boxes, UNCUT).T
        self.aspects: Float[np.ndarray, " views"] = miniatures.aspects[self.rows] * (right - left) / (bottom - top)

    def boxes(self, views: Int[np.ndarray, " m"]) -> list[Rectangle]:
        """Say what is compared of the images.

        Args:
            views: Some views, shape (m,).

        Returns:
            Left, top, right and bottom of each, as parts of the sides.

        """
        return [tuple(self._boxes[view].tolist()) if self.trimmed[view] else UNCUT for view in views]

    def inside(self, views: Int[np.ndarray, " m"]) -> UInt8[np.ndarray, "m side side 1"]:
        """Mask the frames of some views.

        Args:
            views: Some views, shape (m,).

        Returns:
            1 within the frames, well away from their edges, and 0 elsewhere, shape (m, 64, 64, 1).

        """
        inside = np.zeros((len(views), VERIFIED_SIDE, VERIFIED_SIDE, 1), np.uint8)
        for mask, (left, top, right, bottom) in zip(inside, self._boxes[views].tolist(), strict=True):
            mask[_edge(top) : VERIFIED_SIDE - _edge(1 - bottom), _edge(left) : VERIFIED_SIDE - _edge(1 - right)] = 1
        return inside


def _edge(part: float) -> int:
    """Pixels from the side of a square to well within a frame that takes a part of it."""
    return round(part * VERIFIED_SIDE) + FRAME_EDGE if part > 0 else 0
