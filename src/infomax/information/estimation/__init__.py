"""Mutual information of samples: preprocessing, critics, cross-fitting, nearest neighbors, and the estimate itself."""
