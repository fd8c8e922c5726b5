"""What can be trained: a task is its initialisation, its loss and its evaluation."""
