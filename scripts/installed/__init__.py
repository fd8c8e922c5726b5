"""What is installed with the package and was fitted to data: made anew, and judged, by anyone."""
