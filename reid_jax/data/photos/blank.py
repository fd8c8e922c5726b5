"""Photos that show nothing: one colour all over, or noise."""

import numpy as np

_SIDE = 32  # pixels that a photo is looked at with: noise averages out, contents stay
_PLAIN = 1.5  # grey levels of 256 that the channels vary by; the murkiest real photos seen have 2.7
_UNRELATED = 0.45  # correlation of neighbours: below 0.4 in noise, above 0.6 in real photos


def without_content(pixels: np.ndarray) -> str | None:
    """Why there is nothing to see on a photo, or None where there may be something.

    Args:
      pixels: ``(H, W, C)`` uint8, of one or three channels.
    """
    from reid_jax.data.photos.images import resize

    small = resize(pixels, _SIDE, pixels.shape[-1]).astype(np.float32)
    if small.std(axis=(0, 1)).max() < _PLAIN:
        return "there is nothing to see on it, it is of one colour"
    grey = small.mean(axis=-1)
    grey -= grey.mean()
    variance = max(float(np.mean(grey * grey)), 1e-9)
    across, down = grey[:, 1:] * grey[:, :-1], grey[1:] * grey[:-1]
    if max(across.mean(), down.mean()) < _UNRELATED * variance:
        return "there is nothing to see on it, it is noise"
    return None
