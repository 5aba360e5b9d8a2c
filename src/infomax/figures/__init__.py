"""Figures: montages of matches, maps of pointwise information, and the report of a comparison with its plots."""
