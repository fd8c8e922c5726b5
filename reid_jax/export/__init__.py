"""What was trained, out of JAX: one program for another engine, checked before it is there."""
