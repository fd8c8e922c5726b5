"""Photos of individuals: sources, splits, samplers and input paths."""

from reid_jax.data.dataset import Dataset, describe
from reid_jax.data.samplers import IdentitySampler, PairSampler, UniformSampler
from reid_jax.data.sources import load_dataset
from reid_jax.data.splits import QueryGallery, Splits, make_splits

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
