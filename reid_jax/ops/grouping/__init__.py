"""Groups of photos without names: how they are joined, and how well they agree with the truth."""
