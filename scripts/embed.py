"""Embeds photos with a trained run."""

from reid_jax.commands.main import main

if __name__ == "__main__":
    main("embed")
