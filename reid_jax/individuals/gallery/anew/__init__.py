"""A gallery by another network, or by its own once more."""
