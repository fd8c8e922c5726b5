"""What a server answers, by subject."""
