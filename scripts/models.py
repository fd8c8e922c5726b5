"""What each network costs; with a name, that network layer by layer."""

from reid_jax.commands.main import main

if __name__ == "__main__":
    main("models")
