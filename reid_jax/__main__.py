"""`python -m reid_jax` is `reid-jax`."""

from reid_jax.commands.main import main

main()
