"""Results recorded, and the tables of README.md and scripts/results/ written from them."""
