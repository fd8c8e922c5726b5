"""Modules over time: features (B, T, D) and mask (B, T) in; frames or the video out."""
