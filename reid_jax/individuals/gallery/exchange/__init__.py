"""A gallery handed to other programs and to people, and taken back from them."""
