"""What was decided about the photos of a gallery, in the order in which it was decided."""
