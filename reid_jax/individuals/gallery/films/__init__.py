"""Individuals in films: frames become tracks, and each track gets one answer."""
