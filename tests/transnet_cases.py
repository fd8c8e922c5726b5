"""Frames for which `data/transnet.npz` holds what TransNet V2 computes, drawn from a seed."""

import numpy as np

LENGTH = 60
FIRST_OF_SHOTS = (0, 17, 31, 52)


def drawn_shots() -> np.ndarray:
    """uint8 (60, 27, 48, 3): shots of one blurred picture each, that moves, with noise."""
    rng = np.random.default_rng(7)
    frames = np.empty((LENGTH, 27, 48, 3), np.uint8)
    for first, end in zip(FIRST_OF_SHOTS, (*FIRST_OF_SHOTS[1:], LENGTH), strict=True):
        coarse = rng.integers(0, 256, (4, 8, 3))
        picture = np.repeat(np.repeat(coarse, 10, 0), 12, 1).astype(np.float64)
        for axis in (0, 1):
            picture = sum(np.roll(picture, shift, axis) for shift in range(-2, 3)) / 5
        for i in range(first, end):
            moved = picture[:27, i - first : i - first + 48]
            noisy = moved + rng.normal(0, 3, moved.shape)
            frames[i] = np.clip(np.rint(noisy), 0, 255)
    return frames
