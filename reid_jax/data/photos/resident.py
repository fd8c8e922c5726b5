"""The whole set as one array, for batches that are gathered on the device."""

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.data.photos.dataset import Dataset


def load_resident(dataset: Dataset, size: int, channels: int = 3) -> np.ndarray:
    """All photos, uint8 (N, size, size, channels), on the host; with a progress bar if it is long.

    Raises:
      UserError: a photo that was readable when the source was loaded no longer is.
    """
    return dataset.load(np.arange(len(dataset)), size, channels, progress="Loading photos")


def gather(images: jax.Array, labels: jax.Array, indices: jax.Array) -> dict[str, jax.Array]:
    """The batch at `indices`: what the stream yields for the same sampler and step.

    Args:
      images: uint8 (N, H, W, C).
      labels: int32 (N,).
      indices: int32 (B,), all below N.

    Returns:
      image uint8 (B, H, W, C), label int32 (B,), mask bool (B,), all true.
    """
    # The default mode of take fills what is out of bounds: a select over all pixels.
    return {
        "image": jnp.take(images, indices, axis=0, mode="clip"),
        "label": jnp.take(labels, indices, axis=0, mode="clip"),
        "mask": jnp.ones(indices.shape, jnp.bool_),
    }
