"""Act on duplicates: choose the best image of each group, and move the others so that they can be moved back."""
