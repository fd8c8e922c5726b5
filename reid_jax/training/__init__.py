"""From a configuration to a trained run: the step, the loop, checkpoints, several machines."""
