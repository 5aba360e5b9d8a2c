"""The article's Tiny ImageNet script: pictures of 64 pixels, scaled to -1..1.

    infomax fit tiny-imagenet-200/train --recipe seed-tiny-imagenet --out RUN

Not measured on Tiny ImageNet, which was not at hand; encoder and loss at 64 pixels are tested against an oracle.
"""

from infomax.recipes.deep_infomax import DeepInfoMax

SEED_TINY_IMAGENET = DeepInfoMax(
    name="seed-tiny-imagenet",
    size=64,
    blocks=(32, 64, 128, 256),
    scale=1 / 127.5,
    shift=-1.0,
    epochs=100,
    batch=100,
)
