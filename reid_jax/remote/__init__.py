"""What lies at a URL: files, and folders of runs and galleries."""
