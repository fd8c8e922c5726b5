"""Embeddings of known individuals on disk, search, identification with rejection of unknowns."""
