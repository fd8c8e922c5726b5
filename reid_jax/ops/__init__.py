"""Pure functions of arrays: distances, mining, losses, ranking and augmentation."""
