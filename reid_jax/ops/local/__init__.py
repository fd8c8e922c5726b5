"""Local features of photos: what matches between two of them, and whether it fits together."""
