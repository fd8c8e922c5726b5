"""A file for each step; a later one never changes an earlier one."""
