"""Features from unlabelled pictures by maximising mutual information."""
