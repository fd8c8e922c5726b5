"""Turns videos into features, to train a keyframe scorer on them."""

from reid_jax import cli
from reid_jax.video.extract import extract

if __name__ == "__main__":
    cli.run(extract)
