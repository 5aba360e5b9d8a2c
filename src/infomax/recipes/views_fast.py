"""Views for a CPU: the whitened encoder, two small views and late ones of 24 px, Muon; a quarter hour of two cores.

    infomax fit 'train-*.parquet' --recipe views-fast --out RUN

Six of the epochs (`--epochs 6`), CIFAR-10's test pictures named by a majority of the 20 nearest of the 50,000 training
pictures: 67.3 % after 313 seconds of two cores of an AMD EPYC, torch 2.13, from the start of the process
(docs/benchmarks.md). The whole is unmeasured. The settings rest on short trainings, one seed each, by CPU time of one
core: 5,000 of the training pictures held out, named by a weighted vote of the 20 nearest of 10,000 others.

| CPU seconds | optimiser, batch, rate | views | kNN |
|---|---|---|---|
| 40 | AdamW, 256, 0.002 | 24 px | 42.9 % |
| 40 | AdamW, 256, 0.002 | 16 px | 48.5 % |
| 40 | Muon, 256, 0.02 | 16 px | 53.2 % |
| 40 | Muon, 512, 0.03 | 16 px | 53.7 % |
| 40 | Muon, 512, 0.03 | 16 px, the last quarter of the time 24 px | 54.0 % |
| 180 | Muon, 256, 0.02 | 16 px | 59.4 % |
"""

from infomax.recipes.view_infomax import ViewInfoMax

VIEWS_FAST = ViewInfoMax(
    name="views-fast", epochs=16, batch=512, learning_rate=0.03, view_size=16, late=0.25, late_size=24
)
