"""Tests runs of video similarity, and their ensemble, on the same pairs of held-out videos."""

from reid_jax.commands.main import main

if __name__ == "__main__":
    main("pairs")
