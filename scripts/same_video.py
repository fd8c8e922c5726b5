"""Says whether clips are of the same video."""

from reid_jax.commands.main import main

if __name__ == "__main__":
    main("same-video")
