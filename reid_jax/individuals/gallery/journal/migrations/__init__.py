"""How the tables of a journal come to be, step by step."""
