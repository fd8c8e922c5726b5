"""Scores the frames of videos with a trained keyframe scorer."""

from reid_jax.commands.main import main

if __name__ == "__main__":
    main("score")
