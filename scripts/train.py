"""Trains what a configuration describes: scripts/train.py CONFIG --workdir DIR [fields]."""

from reid_jax.commands.main import main

if __name__ == "__main__":
    main("train")
