"""Exact numerics on vectors: nearest neighbors, distances, groups, and projection to the plane."""
