"""Convolution and pooling that are fast on a CPU too, and how networks are compiled."""
