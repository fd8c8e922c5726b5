"""Photos of individuals: sources, splits, samplers and input paths."""

from reid_jax.data.photos.dataset import Dataset, describe
from reid_jax.data.photos.samplers import IdentitySampler, PairSampler, UniformSampler
from reid_jax.data.photos.sources import load_dataset
from reid_jax.data.photos.splits import QueryGallery, Splits, make_splits

__all__ = [
    "Dataset",
    "IdentitySampler",
    "PairSampler",
    "QueryGallery",
    "Splits",
    "UniformSampler",
    "describe",
    "load_dataset",
    "make_splits",
]
