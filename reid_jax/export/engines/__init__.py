"""Other engines: how each is written for, and how each is asked."""
