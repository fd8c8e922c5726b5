"""Embeddings of a gallery in 8 bits, and what is found otherwise then."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from reid_jax.console import say
from reid_jax.individuals.gallery.value import Gallery
from reid_jax.individuals.search import gallery_search
from reid_jax.ops.ranking.eight import EightBit

Store = Literal["float32", "int8"]

_ASKED = 1000
_NEAREST = 10


def store_of(gallery: Gallery) -> Store:
    """How the embeddings of a gallery are kept."""
    return "int8" if isinstance(gallery.embeddings, EightBit) else "float32"


def stored_as(gallery: Gallery, store: Store, metric: str) -> Gallery:
    """A new gallery whose embeddings are kept so; says what 8 bits cost.

    Args:
      metric: by which they are compared.
    """
    if store == "float32":
        return gallery
    eight = EightBit.of(gallery.embeddings)
    wide = np.asarray(gallery.embeddings)
    say(f"int8: embeddings take {eight.nbytes / 1e6:,.1f} MB, not {wide.nbytes / 1e6:,.1f}")
    if len(gallery) > 1:
        say(recall(wide, eight, metric).as_text())
    return replace(gallery, embeddings=eight)


@dataclass(frozen=True)
class Recall:
    """What 8 bits leave of what float32 finds.

    Attributes:
      asked: photos that were searched for.
      first: the share whose most similar photo is the same.
      nearest: of the most similar ones, the share that is still among them.
      number: of these.
    """

    asked: int
    first: float
    nearest: float
    number: int

    def as_text(self) -> str:
        """A sentence."""
        return (
            f"int8: of {self.asked:,} photos searched for, {self.first:.1%} find the same photo "
            f"first, and {self.nearest:.1%} of the {self.number} most similar ones stay (recall)"
        )


def recall(wide: np.ndarray, eight: EightBit, metric: str) -> Recall:
    """Searches some photos of a gallery in the others, in float32 and in 8 bits.

    Args:
      wide: (N, D), N at least 2; eight: the same.
    """
    rows = np.random.default_rng(5).permutation(len(wide))[:_ASKED]
    nobody, itself = np.zeros(len(wide), np.int32), np.arange(len(wide))
    number = min(_NEAREST, len(wide) - 1)

    def near(embeddings: Any) -> np.ndarray:
        search = gallery_search(embeddings, nobody, metric)
        return search.photos_like(wide[rows], number, [(rows, itself)])[1]

    before, after = near(wide), near(eight)
    stay = (before[:, :, None] == after[:, None, :]).any(axis=2)
    first = float((before[:, 0] == after[:, 0]).mean())
    return Recall(len(rows), first, float(stay.mean()), number)
