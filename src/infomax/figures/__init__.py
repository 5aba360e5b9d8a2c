"""All that draws: the montage, matches, heat maps, and the report with its plots."""
