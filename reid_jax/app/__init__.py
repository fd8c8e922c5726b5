"""The page where people decide: a server on this machine, and the programs that work for it."""
