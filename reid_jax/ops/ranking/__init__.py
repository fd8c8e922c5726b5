"""Exact search and the measures of retrieval, in blocks."""
