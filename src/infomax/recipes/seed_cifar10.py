"""The article's CIFAR-10 script.

    infomax fit 'cifar10/train-*.parquet' --recipe seed-cifar10 --out RUN

Measured on the test pictures (majority of the 20 nearest training codes, cosine): 47.4 % right after 50 epochs, 39.2 %
after 10, raw pixels 43.5 %; seed 0, two cores of an AMD EPYC, torch 2.13. docs/benchmarks.md has the rest.
"""

from infomax.recipes.deep_infomax import DeepInfoMax

SEED_CIFAR10 = DeepInfoMax(name="seed-cifar10", size=32, blocks=(64, 128, 256), epochs=50, batch=64)
