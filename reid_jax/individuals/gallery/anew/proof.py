"""What a gallery stores of photos, beside what is made of their files anew."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_jax.console import counted, counting
from reid_jax.errors import UserError
from reid_jax.individuals.evidence.features import chosen_evidence, photo_rows
from reid_jax.individuals.gallery.members import model_of
from reid_jax.individuals.gallery.stored.check import not_as_they_were
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.value import Gallery
from reid_jax.ops.batching import blocks

SAMPLE = 32
"""Photos that are embedded anew where not all are."""

_APART = 0.02
"""Of the length of an embedding: what rounding on another device or another decoder may make."""

_MOST = 10  # photos that are named
_BLOCK = 256  # photos at a time


@dataclass(frozen=True)
class Proof:
    """Attributes:
    looked: how many photos were embedded anew: those whose file is as it was.
    of: how many photos there are.
    largest: the largest difference, as a part of an embedding's length.
    wrong: sentences about what differs.
    why_not: why nothing was embedded; "" where it was.
    """

    looked: int
    of: int
    largest: float
    wrong: tuple[str, ...]
    why_not: str = ""


def prove(folder: Path, *, every: bool = False, workdir: Path | None = None) -> Proof:
    """Embeds photos of a gallery anew, by its own network, and compares with what it stores.

    Args:
      every: all of them; else some, other ones each time that the gallery has changed.
      workdir: of the run, should it have moved.

    Raises:
      UserError: there is no gallery, or `workdir` is another network.
    """
    gallery = read_gallery(folder, thumbnails=False, marked=True)
    try:
        model = model_of(folder, gallery, workdir)
    except (UserError, LookupError) as error:
        if workdir is not None:
            raise
        why = str(error) if isinstance(error, UserError) else "nobody knows by which network"
        return Proof(0, len(gallery), 0.0, (), why)
    rows = np.arange(len(gallery))
    if not every:
        rows = np.sort(np.random.default_rng(gallery.position).permutation(rows)[:SAMPLE])
    some = gallery.take(rows)
    some = some.take(np.flatnonzero([not why for why in not_as_they_were(some)]))
    if not len(some):
        why = "none of the photos that were drawn has a file that is as it was"
        return Proof(0, len(gallery), 0.0, (), why)
    paths = [str(path) for path in some.paths]
    # Not as a data set, of which what was embedded before is kept.
    parts = counting([paths[part] for part in blocks(len(paths), _BLOCK)], "embedding anew")
    made = np.concatenate([model.embed(part) for part in parts])
    kept = np.asarray(some.embeddings, np.float32)
    if made.shape != kept.shape:
        other = f"embeddings are {made.shape[1]} numbers, {kept.shape[1]} are stored"
        return Proof(len(some), len(gallery), float("inf"), (other,))
    length = np.maximum(np.linalg.norm(made, axis=1), 1e-12)
    apart = np.linalg.norm(made - kept, axis=1) / length
    wrong = [
        f"{paths[row]}: its embedding is {apart[row]:.0%} of its length away from what is stored"
        for row in np.flatnonzero(~(apart <= _APART))
    ]
    wrong += _of_features(some, paths)
    return Proof(len(some), len(gallery), float(np.max(apart)), tuple(_first(wrong)))


def _of_features(some: Gallery, paths: list[str]) -> list[str]:
    """Sentences about local features that are found otherwise now."""
    if some.local is None or chosen_evidence(None) == "none":
        return []
    other = (photo_rows(paths) != np.asarray(some.local.rows)).any(axis=1)
    if not other.any():
        return []
    photos = counted(int(other.sum()), "photo has", "photos have")
    return [f"{photos} other local features than are stored, as by another version of OpenCV"]


def _first(sentences: list[str]) -> list[str]:
    rest = len(sentences) - _MOST
    return [*sentences[:_MOST], f"{rest:,} more differ"] if rest > 0 else sentences


def proof_text(proof: Proof) -> str:
    """What was embedded anew and how much it differs at most, a line."""
    if proof.why_not:
        return f"nothing was embedded anew: {proof.why_not}"
    which = "all" if proof.looked == proof.of else f"{proof.looked:,} of"
    return (
        f"{which} {counted(proof.of, 'photo')} embedded anew: at most {proof.largest:.1%} of an "
        "embedding's length away from what is stored"
    )
