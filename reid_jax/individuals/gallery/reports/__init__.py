"""What a gallery says of a population, and how sure it is: numbers, tables, files of programs."""
