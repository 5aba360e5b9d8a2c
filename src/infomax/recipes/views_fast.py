"""Views for a CPU: small ones, the whitened encoder, Muon.

    infomax fit 'train-*.parquet' --recipe views-fast --out RUN

TODO measured
"""

from infomax.recipes.view_infomax import ViewInfoMax

VIEWS_FAST = ViewInfoMax(name="views-fast", epochs=14, view_size=16, late=0.3, late_size=24)
