"""Who may ask a server for what: people who sign in, programs with a token."""
