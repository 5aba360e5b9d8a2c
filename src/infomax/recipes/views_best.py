"""Views for one GPU and twenty minutes, in pieces of under ten: two large views and four small ones, ResNet-18.

    timeout -s TERM 570 infomax fit 'train-*.parquet' --recipe views-best --out RUN
    timeout -s TERM 570 infomax fit 'train-*.parquet' --recipe views-best --out RUN --resume      # until it is done

Stopped by the signal it saves within a step, and goes on bit for bit. Unmeasured: no GPU was at hand, and the epochs
are a guess at twenty minutes of an H100.
"""

from infomax.recipes.view_infomax import ViewInfoMax

VIEWS_BEST = ViewInfoMax(
    name="views-best",
    network="resnet18",
    widths=(64,),
    dim=512,
    epochs=150,
    batch=1024,
    view_size=32,
    small_views=4,
    hidden=2048,
    blur=0.2,
)
