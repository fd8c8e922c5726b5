"""Programs in 8-bit integers: how each engine makes them, what is kept, and what they are worth."""
