"""What a step costs on devices: measured, counted in compiled programs, and foretold."""
