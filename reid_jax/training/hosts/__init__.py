"""Several processes that make one training."""
