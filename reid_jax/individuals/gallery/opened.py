"""A gallery as an object: what the commands do with one, given back as values."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from os import PathLike
from pathlib import Path

import numpy as np

from reid_jax.data.photos.given import Photos
from reid_jax.export.program import Known
from reid_jax.individuals.calibration import STRANGERS
from reid_jax.individuals.evidence.features import Evidence
from reid_jax.individuals.gallery import members
from reid_jax.individuals.gallery.calibrating import calibration_of
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.identify import Identification, Index, identify
from reid_jax.individuals.gallery.stored.eight_bits import Store
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.value import Gallery as StoredGallery
from reid_jax.ops.ranking.individuals import Rule
from reid_jax.remote.folders import check_owned, folder_of, mirrored

_NEVER = 1e30  # no score: a gallery that names nobody


class Gallery:
    """Photos of known individuals in a folder, with the network that embedded them.

    Whatever is asked is answered by what is in the folder then, also if another process wrote it.

    Example:
      >>> gallery = rj.Gallery.build("gallery", "folder:photos", run="runs/mine")
      >>> len(gallery), gallery.individuals[:2]
      (18, ['animal 0', 'animal 1'])
      >>> answers = gallery.identify(["photos/animal 1/0.png"])
      >>> answers[0].candidates[0].identity
      'animal 1'
      >>> for answer in answers:
      ...     name, verdict = answer.text, answer.verdict  # "named", "unknown", "close", "unlike"
    """

    def __init__(self, folder: str | PathLike[str], run: str | PathLike[str] | None = None):
        """See `open`."""
        self.folder = folder_of(folder)
        self._run = None if run is None else folder_of(run)
        self._read()

    @classmethod
    def open(cls, folder: str | PathLike[str], run: str | PathLike[str] | None = None) -> Gallery:
        """The gallery in a folder.

        Args:
          folder: that `build`, or `reid-jax gallery build`, wrote.
          run: where its run is now, should it have moved.

        Raises:
          UserError: there is no gallery.

        Example:
          >>> gallery = rj.Gallery.open("gallery", run="runs/mine")
        """
        return cls(folder, run)

    @classmethod
    def build(
        cls,
        folder: str | PathLike[str],
        source: str,
        *,
        run: str | PathLike[str],
        strangers: float = STRANGERS,
        evidence: Evidence | None = None,
        store: Store = "float32",
    ) -> Gallery:
        """Embeds photos of known individuals and writes a gallery; one that is there is replaced.

        Args:
          folder: where the gallery will be.
          source: "folder:PATH" (a folder an individual), "csv:PATH" and so on, as `load_dataset`.
          run: the folder of the run that embeds them.
          strangers: the share of photos to come of individuals that are not in it.
          evidence: by what photos are compared: the network ("none"), points in which they agree
            ("local"), or both ("fused"), which is the default where OpenCV is installed.
          store: embeddings in float32, or in a quarter of the memory ("int8").

        Raises:
          UserError: the run, the source or the folder cannot be used.
        """
        place, trained = folder_of(folder), folder_of(run)
        with mirrored(place, trained, owned=place):
            members.build(*(trained, source, place, strangers), evidence=evidence, store=store)
        return cls(folder, run)

    def __repr__(self) -> str:
        names = self.identities
        held = f"{len(names)} photos of {len(set(names.tolist()))} individuals"
        return f"Gallery({str(self.folder)!r}: {held})"

    def __len__(self) -> int:
        """How many photos."""
        return len(self._read())

    @property
    def individuals(self) -> list[str]:
        """Their names, sorted, each once."""
        return sorted(set(self.identities.tolist()))

    @property
    def identities(self) -> np.ndarray:
        """(N,) whose photo each is."""
        return self._read().identities

    @property
    def embeddings(self) -> np.ndarray:
        """(N, D) float32, mapped from the disk; made of 8 bits where these are kept."""
        return np.asanyarray(self._read().embeddings)

    def exported(self) -> Known:
        """What an exported network needs to name these individuals, see `Exportable.export`."""
        stored = self._read()
        calibration = calibration_of(stored, "max")
        return Known(
            np.asarray(stored.embeddings),
            stored.identities,
            None if calibration is None else min(calibration.threshold, _NEVER),
            stored.settings["fingerprint"],
        )

    def identify(
        self,
        photos: Photos,
        *,
        rule: Rule = "max",
        index: Index = "exact",
        strangers: float | None = None,
        evidence: Evidence | None = None,
        side: str = "",
    ) -> Identification:
        """Says of each photo who it is, that it is nobody of the gallery, or that it is too close.

        Args:
          photos: files or folders of them; or arrays, images, a generator, as the `embed` of a run.
          rule: an individual is as similar as its most similar photo ("max"), as its photos on
            average ("mean"), or the most similar photos vote ("vote").
          index: "exact" compares with all photos, "faiss" with the most promising.
          strangers: the share of these photos of individuals that are not in the gallery; by
            default what the gallery assumes.
          evidence: as for `build`; by default what the gallery was built with.
          side: of the animals that these photos show, which are then compared with photos of that
            side alone; "" where nobody knows.

        Returns:
          A sequence of answers, in order: `answer.text` ("animal 1", "unknown", ...), `.verdict`,
          `.candidates` with `.identity`, `.probability`, `.score`, `.points`; `.skipped` names the
          photos that could not be used, with reasons.

        Raises:
          UserError: the run is not there, or is another one than the gallery was built with.
        """
        with self._there():
            return identify(
                self.folder,
                photos,
                workdir=self._run,
                rule=rule,
                index=index,
                strangers=strangers,
                evidence=evidence,
                side=side,
            )

    def add(
        self, source: str, *, correct: bool = False, evidence: Evidence | None = None
    ) -> members.Added:
        """Adds the photos of a source that are not there, by path or content; says what was done.

        Args:
          source: as for `build`.
          correct: photos that are there get the individual and the facts of the source.
          evidence: as for `build`; by default it stays as it is.
        """
        with self._there(owned=self.folder):
            return members.add(self.folder, source, self._run, correct=correct, evidence=evidence)

    def remove(self, identities: Sequence[str] = (), paths: Sequence[str] = ()) -> int:
        """Takes individuals or single photos out; returns how many photos.

        Raises:
          UserError: one of them is not in the gallery, or nothing would be left.
        """
        with self._there(owned=self.folder):
            return members.remove(self.folder, identities, paths)

    def decisions(self, who: str = "") -> Decisions:
        """Who is who as people decide it: confirm, rename, merge, split, undo and so on.

        Args:
          who: decides; by default what REID_JAX_WHO says, or who is logged in.

        Raises:
          UserError: the gallery is at a URL, where one command at a time decides.
        """
        check_owned(self.folder)
        return Decisions(self.folder, who)

    def _there(self, owned: Path | None = None) -> AbstractContextManager[None]:
        run = [] if self._run is None else [self._run]
        return mirrored(self.folder, *run, owned=owned)

    def _read(self) -> StoredGallery:
        with self._there():
            return read_gallery(self.folder, thumbnails=False)
