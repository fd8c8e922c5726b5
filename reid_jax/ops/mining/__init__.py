"""Which tuples of a batch count: positives, negatives, the hardest, in blocks."""
