"""Objectives of embeddings: each a function of a batch, with what a configuration may set."""
