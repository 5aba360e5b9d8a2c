"""The article's method on scikit-learn's 1,797 handwritten digits of 8 x 8 pixels: what the demo learns in seconds.

infomax fit digits --recipe seed-digits --out RUN
"""

from infomax.recipes.deep_infomax import DeepInfoMax

SEED_DIGITS = DeepInfoMax(name="seed-digits", size=16, blocks=(32, 64), dim=64, epochs=20, batch=64)
