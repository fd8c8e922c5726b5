"""What is read: photos of individuals and videos, and the names, tables and threads of both."""
