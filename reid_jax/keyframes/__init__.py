"""Which frames of a video matter? All that belongs to this question alone."""
