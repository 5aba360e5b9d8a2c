"""Search by picture."""
