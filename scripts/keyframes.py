"""Finds the frames of videos that matter."""

from reid_jax import cli
from reid_jax.video.keyframes import keyframes

if __name__ == "__main__":
    cli.run(keyframes, flags=True)
