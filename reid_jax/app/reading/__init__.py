"""How a server reads its gallery: all of it once, and then what changed."""
