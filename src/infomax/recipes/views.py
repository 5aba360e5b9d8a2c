"""Views for one GPU and three minutes: ResNet-18 from small views to whole ones.

    infomax fit 'train-*.parquet' --recipe views --out RUN

Unmeasured: no GPU was at hand, and the epochs are a guess at three minutes of an H100 with all that comes before and
after the training. `--set compiled=true` may pay; `benchmarks/record.py` says.
"""

from infomax.recipes.view_infomax import ViewInfoMax

VIEWS = ViewInfoMax(
    name="views",
    network="resnet18",
    widths=(64,),
    dim=512,
    epochs=45,
    batch=1024,
    view_size=24,
    late=0.5,
    late_size=32,
    hidden=1024,
)
