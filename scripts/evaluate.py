"""Evaluates a trained run on what it held out, or on other photos or videos."""

from reid_jax.commands.main import main

if __name__ == "__main__":
    main("evaluate")
