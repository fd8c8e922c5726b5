"""From photos without names to groups: which photos are compared, what joins them, who is sure."""
