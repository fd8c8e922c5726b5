"""Keeps embeddings of known individuals, and says who is on new photos."""

from reid_jax.commands.main import main

if __name__ == "__main__":
    main("gallery")
