"""Does a run know whom it does not know?"""

from reid_jax.commands.main import main

if __name__ == "__main__":
    main("open-set")
