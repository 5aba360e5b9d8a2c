"""Exact numerics on vectors: nearest neighbors, distances, groups, effective rank, and projection to the plane."""
