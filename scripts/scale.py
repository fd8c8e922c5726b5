"""A training step on several devices: measured here, and what more devices would give."""

from reid_jax.commands.main import main

if __name__ == "__main__":
    main("scale")
