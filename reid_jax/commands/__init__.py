"""The command `reid-jax`, a file a group: the only room that knows tyro."""
