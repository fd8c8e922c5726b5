"""Who is this individual, and do we know it? All that belongs to this question alone."""
