"""Where pictures come from, and how they lie on the disk."""
