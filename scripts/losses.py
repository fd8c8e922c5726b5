"""Draws what every objective costs, where it pulls, and what its margin does."""

from reid_jax.commands.main import main

if __name__ == "__main__":
    main("losses")
