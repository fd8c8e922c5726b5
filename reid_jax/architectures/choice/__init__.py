"""Which network should it be: candidates trained with one budget, measured, and recommended."""
