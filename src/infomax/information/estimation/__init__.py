"""Estimating mutual information from samples: preprocessing, critics, nearest neighbors, and the estimate itself."""
