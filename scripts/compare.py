"""Compares runs that hold out the same photos or videos: metrics, size, speed, what is no luck."""

from reid_jax.commands.main import main

if __name__ == "__main__":
    main("compare")
