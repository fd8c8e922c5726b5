"""What a source of photos holds, before anything is learnt from it."""
