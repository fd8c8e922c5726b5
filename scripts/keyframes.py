"""Finds the frames of videos that matter."""

from reid_jax.commands.main import main

if __name__ == "__main__":
    main("keyframes")
