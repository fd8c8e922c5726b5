"""Turns videos into features, to train a keyframe scorer on them."""

from reid_jax.commands.main import main

if __name__ == "__main__":
    main("extract")
