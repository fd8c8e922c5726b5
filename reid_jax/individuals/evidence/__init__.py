"""Evidence that a person can follow: which points of two photos agree, and what that is worth."""
