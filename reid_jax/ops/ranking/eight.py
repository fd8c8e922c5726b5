"""Embeddings in 8 bits: a quarter of the memory, searched exactly as they are then."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_MOST = 127


@dataclass(frozen=True, eq=False)
class EightBit:
    """Rows of 8-bit integers, each with a scale of its own: x = scale * codes, symmetric.

    Stands for an array (N, D) float32: `np.asarray` and an index give numbers of that.

    Attributes:
      codes: (N, D) int8, from -127 to 127.
      scales: (N,) float32.
    """

    codes: np.ndarray
    scales: np.ndarray

    @classmethod
    def of(cls, embeddings: "np.ndarray | EightBit") -> "EightBit":
        """Rounds (N, D) float; the largest number of a row becomes 127."""
        if isinstance(embeddings, EightBit):
            return embeddings
        rows = np.asarray(embeddings, np.float32)
        scales = np.abs(rows).max(axis=1, initial=0.0) / _MOST
        codes = np.rint(rows / np.maximum(scales, 1e-30)[:, None])
        return cls(codes.astype(np.int8), scales.astype(np.float32))

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, D)."""
        return self.codes.shape

    @property
    def ndim(self) -> int:
        """2."""
        return self.codes.ndim

    @property
    def nbytes(self) -> int:
        """In memory, or mapped from the disk."""
        return self.codes.nbytes + self.scales.nbytes

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Any) -> np.ndarray:
        codes, scales = self.codes[rows], np.asarray(self.scales[rows])
        found: np.ndarray = codes.astype(np.float32) * scales[..., None]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        del copy  # it is one in any case
        return self[:].astype(dtype or np.float32, copy=False)

    def take(self, rows: np.ndarray) -> "EightBit":
        """Some of the rows, as they are."""
        return EightBit(self.codes[rows], self.scales[rows])


Embeddings = np.ndarray | EightBit


def taken(embeddings: Embeddings, rows: np.ndarray) -> Embeddings:
    """Some of the rows (N, D), in the form that they have."""
    if isinstance(embeddings, EightBit):
        return embeddings.take(rows)
    return np.asarray(embeddings)[rows]


def joined(parts: Sequence[Embeddings]) -> Embeddings:
    """Rows of several, in the form of the first."""
    if not isinstance(parts[0], EightBit):
        return np.concatenate([np.asarray(part, np.float32) for part in parts])
    eight = [EightBit.of(part) for part in parts]
    return EightBit(
        np.concatenate([part.codes for part in eight]),
        np.concatenate([part.scales for part in eight]),
    )


def alike(first: Embeddings, second: Embeddings) -> bool:
    """Whether both are the same rows in the same form."""
    if isinstance(first, EightBit) and isinstance(second, EightBit):
        same = np.array_equal(first.codes, second.codes)
        return same and np.array_equal(first.scales, second.scales)
    both = isinstance(first, EightBit) == isinstance(second, EightBit)
    return both and np.array_equal(np.asarray(first), np.asarray(second))
