"""Are these clips of one video? All that belongs to this question alone."""
