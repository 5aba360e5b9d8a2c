"""One image: from the content of a file in any format to pixels, upright and in 8 bits."""
