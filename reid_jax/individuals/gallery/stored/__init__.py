"""How a gallery lies on the disk: generations, segments, and what a change of one is."""
