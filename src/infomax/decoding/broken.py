"""Why an image is not decoded."""


class BrokenImage(Exception):
    """An image that cannot be decoded.

    Args:
        reason: Why, in plain words, without the name of the image.

    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnreadableImage(BrokenImage):
    """An image that could not be read this time (permission, a failing disk). It is worth trying again later."""


class MissingExtraImage(UnreadableImage):
    """An image whose format needs an optional dependency. It is tried again, since that may be installed meanwhile.

    Args:
        what: What the image is: "HEIF", say.
        remedy: What to type to install the dependency.

    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}: {remedy}")


class TooLargeImage(BrokenImage):
    """A sound image with too many pixels, or a decompression bomb.

    Args:
        size: Width and height in pixels.
        limit: Largest number of pixels that is decoded.
        factor: How many values a pixel of this kind counts as, 1 for all common images.

    """

    def __init__(self, size: tuple[int, int], limit: int | float, factor: int = 1) -> None:
        pixels = size[0] * size[1] * factor
        self.size = f"too large: {size[0]} x {size[1]} pixels, above the limit of {limit:.0f}"
        super().__init__(f"{self.size} (--max-pixels {pixels} lets it in)")
