"""Views for one GPU and three minutes: ResNet-18 from small views to whole ones.

    infomax fit 'train-*.parquet' --recipe views --out RUN

Unmeasured: no GPU was at hand. On a CPU an epoch takes an hour of two cores. `--set compiled=true` may pay.
"""

from infomax.recipes.view_infomax import ViewInfoMax

VIEWS = ViewInfoMax(
    name="views",
    network="resnet18",
    widths=(64,),
    dim=512,
    epochs=50,
    batch=1024,
    view_size=24,
    late=0.5,
    late_size=32,
    hidden=1024,
)
