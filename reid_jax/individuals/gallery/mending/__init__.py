"""What people look over in a gallery, and set right."""
