"""Programs that work for a server, each in a process of its own, and how they are asked."""
