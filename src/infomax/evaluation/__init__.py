"""How good the features are."""
