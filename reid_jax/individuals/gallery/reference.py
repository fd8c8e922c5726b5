"""What a gallery keeps of its run: what the network was trained on, and photos it never saw."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from reid_jax.data.digests import DTYPE, file_digest
from reid_jax.data.parallel import parallel_map
from reid_jax.data.photos import Dataset, Splits
from reid_jax.data.photos.content import content_digests
from reid_jax.data.photos.reading import SIDE
from reid_jax.errors import UserError
from reid_jax.files import as_text
from reid_jax.individuals.gallery.value import DIGEST, TRAINED, Gallery
from reid_jax.individuals.model import TrainedModel
from reid_jax.platforms import with_slashes
from reid_jax.remote.storage import is_url

_MOST_HELD_OUT = 1000
_MOST_TRAINING = 4000


@dataclass(frozen=True)
class TrainedOn:
    """Attributes:
    photos: digests of the content of the photos that a network was trained on.
    individuals: their individuals.
    """

    photos: frozenset[bytes] = field(default_factory=frozenset)
    individuals: frozenset[str] = field(default_factory=frozenset)

    def marks(self, digests: np.ndarray, identities: np.ndarray) -> np.ndarray:
        """``(N,)`` str: "photo", "individual" (by other photos of it), "no", or "": not known.

        Args:
          digests: ``(N,)``, see :func:`reid_jax.data.photos.content.content_digests`.
        """
        if not self.photos:
            return np.full(len(digests), "")
        photo = np.array([digest in self.photos for digest in digests.tolist()], bool)
        individual = np.array([name in self.individuals for name in identities.tolist()], bool)
        return np.where(photo, "photo", np.where(individual, "individual", "no"))


@dataclass(frozen=True)
class RunPhotos:
    """The photos of a run, where they can be read.

    Attributes:
      trained_on: what its network was trained on.
      dataset, splits: None where the photos cannot be read; then nothing is known of them.
    """

    trained_on: TrainedOn
    dataset: Dataset | None
    splits: Splits | None

    @staticmethod
    def of(model: TrainedModel) -> "RunPhotos":
        """Reads what there is."""
        try:
            dataset, splits = model.load_data()
        except UserError:
            return RunPhotos(TrainedOn(), None, None)
        train = dataset.subset(splits.train)
        names = frozenset(_names(train).tolist())
        digests = frozenset(content_digests(train).tolist())
        return RunPhotos(TrainedOn(digests, names), dataset, splits)

    def embedded(self, model: TrainedModel) -> dict[str, np.ndarray]:
        """Some of the photos as arrays that a gallery keeps; empty where there are none.

        ``training`` (T, D) and ``held_out`` (H, D) are float16 embeddings. ``trained_identities``
        says whose the first are; of the others there are ``identities`` and ``paths`` (str),
        ``dates`` (datetime64[s]), ``marks`` (:meth:`TrainedOn.marks`) and ``sides`` (str).
        """
        if self.dataset is None or self.splits is None:
            return {}
        splits = self.splits
        apart = splits.test if splits.validation is None else splits.validation
        rng = np.random.default_rng(0)
        rows = np.setdiff1d(np.concatenate(apart), splits.train)
        rows = np.sort(rng.permutation(rows)[:_MOST_HELD_OUT])
        trained = np.sort(rng.permutation(splits.train)[:_MOST_TRAINING])
        dataset = self.dataset.subset(rows)
        names, paths = _names(dataset), stored_paths(dataset)
        never = np.full(len(dataset), np.datetime64("NaT", "s"))
        return {
            "training": model.embed(self.dataset, trained).astype(np.float16),
            "trained_identities": _names(self.dataset.subset(trained)).astype(np.str_),
            "held_out": model.embed(dataset).astype(np.float16),
            "identities": names.astype(np.str_),
            "paths": paths.astype(np.str_),
            "dates": dataset.columns.get("date", never).astype("datetime64[s]"),
            "marks": self.trained_on.marks(content_digests(dataset), names),
            "sides": dataset.columns.get(SIDE, np.full(len(dataset), "")).astype(np.str_),
        }

    def known_to(self, gallery: Gallery, model: TrainedModel) -> Gallery:
        """A gallery of an earlier version with what is kept now; others as they are."""
        if DIGEST not in gallery.columns:

            def digest(path: str) -> bytes:
                with contextlib.suppress(OSError):
                    return file_digest(path)
                return b""

            digests = np.array(
                parallel_map(digest, gallery.paths.tolist(), "Reading photos"), DTYPE
            )
            gallery = replace(gallery, columns={**gallery.columns, DIGEST: digests.astype(np.str_)})
        if gallery.reference or self.dataset is None:
            return gallery
        digests = gallery.columns[DIGEST].astype(DTYPE)
        columns = {**gallery.columns, TRAINED: self.trained_on.marks(digests, gallery.identities)}
        return replace(gallery, columns=columns, reference=self.embedded(model))


def _names(dataset: Dataset) -> np.ndarray:
    return np.array([as_text(name) for name in dataset.identities], object)[dataset.labels]


def stored_paths(dataset: Dataset) -> np.ndarray:
    """``(N,)`` objects: how a gallery names the photos."""
    stored = stored_path if dataset.pixels is None else as_text
    return np.array([stored(path) for path in dataset.paths.tolist()], object)


def stored_path(path: str) -> str:
    """An absolute path as text, with `/`; a URL as it is."""
    return as_text(path if is_url(path) else with_slashes(os.path.abspath(path)))


def held_out(reference: Mapping[str, np.ndarray], dimension: int) -> dict[str, np.ndarray]:
    """The photos of the run that it was not trained on, as arrays; none where there are none."""
    if "held_out" in reference:
        return {name: reference[name] for name in _HELD_OUT}
    empty = np.zeros(0, np.str_)
    return dict(
        zip(
            _HELD_OUT,
            (np.zeros((0, dimension)), empty, empty, np.zeros(0, "datetime64[s]"), empty),
            strict=True,
        )
    )


def of_one_side(reference: Mapping[str, np.ndarray], side: str) -> dict[str, np.ndarray]:
    """The same arrays, with those photos alone that were held out and are known to be of a side."""
    if "held_out" not in reference:
        return dict(reference)
    unsaid = np.full(len(reference["held_out"]), "")
    rows = np.flatnonzero(reference.get("sides", unsaid) == side)
    there = {name: reference[name][rows] for name in (*_HELD_OUT, "sides") if name in reference}
    return {**reference, **there}


_HELD_OUT = ("held_out", "identities", "paths", "dates", "marks")
