"""The article's CIFAR-10 script.

infomax fit 'cifar10/train-*.parquet' --recipe seed-cifar10 --out RUN
"""

from infomax.recipes.deep_infomax import DeepInfoMax

SEED_CIFAR10 = DeepInfoMax(name="seed-cifar10", size=32, blocks=(64, 128, 256), epochs=50, batch=64)
