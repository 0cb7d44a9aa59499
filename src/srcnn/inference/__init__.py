"""Model files, where they are found, and pictures through them."""
