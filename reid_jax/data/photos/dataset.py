"""A set of photos of individuals, as plain arrays."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from reid_jax.data.parallel import parallel_map

_KINDS = 12  # of what was passed over, named on the screen


@dataclasses.dataclass(frozen=True)
class Dataset:
    """N photos of known individuals.

    Attributes:
      paths: str (N,), the file of each photo, or its name where the source is in memory.
      labels: int32 (N,), index into `identities`.
      identities: the individuals' names. A subset keeps all of them.
      columns: optional facts about each photo, each (N,): "date" datetime64[s], "orientation",
        "camera", "place", "sex", "latitude" and "longitude" in degrees (float64), "split",
        "alphabet", "drawer", and "digest" of its file (see `content.content_digests`).
      pixels: uint8 (N, H, W, C) where the source is in memory, else None.
      mirrored: bool (N,), which photos are loaded with left and right exchanged; None for none.
      skipped: (path, reason) of each photo that could not be used.
      passed_over: how many files and folders are no photos, by what they are: ".txt", "@eaDir/".
      notes: sentences about what was read that a person should know.
      unread: by column, a sentence that names all values that could not be read and are missing.
    """

    paths: np.ndarray
    labels: np.ndarray
    identities: tuple[str, ...]
    columns: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    pixels: np.ndarray | None = None
    mirrored: np.ndarray | None = None
    skipped: tuple[tuple[str, str], ...] = ()
    passed_over: Mapping[str, int] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unread: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        arrays = {"paths": self.paths, **self.columns}
        for name in ("pixels", "mirrored"):
            if (given := getattr(self, name)) is not None:
                arrays[name] = given
        for name, array in arrays.items():
            if len(array) != len(self.labels):
                raise ValueError(f"{name} has {len(array)} rows, labels has {len(self.labels)}.")

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: np.ndarray) -> "Dataset":
        """The photos at `indices` (int (M,)), in that order."""
        return dataclasses.replace(
            self,
            paths=self.paths[indices],
            labels=self.labels[indices],
            columns={name: column[indices] for name, column in self.columns.items()},
            pixels=None if self.pixels is None else self.pixels[indices],
            mirrored=None if self.mirrored is None else self.mirrored[indices],
        )

    def load(
        self, indices: np.ndarray, size: int, channels: int = 3, *, progress: str | None = None
    ) -> np.ndarray:
        """Pixels of the photos at `indices`: uint8 (len(indices), size, size, channels).

        The whole photo is squashed to a square with antialiasing, see `images.read_image`.
        `progress` is what a progress bar says, should it take long.

        Raises:
          UserError: a file that was readable when the source was loaded no longer is.
        """
        from reid_jax.data.photos.images import read_image, resize

        indices = np.asarray(indices)
        if self.mirrored is not None:
            plain = dataclasses.replace(self, mirrored=None)
            batch = plain.load(indices, size, channels, progress=progress)
            turned = self.mirrored[indices][:, None, None, None]
            return np.where(turned, batch[:, :, ::-1], batch)
        if self.pixels is not None and self.pixels.shape[1:] == (size, size, channels):
            return self.pixels[indices]
        batch = np.empty((len(indices), size, size, channels), np.uint8)

        def fill(row: int) -> None:
            index = indices[row]
            if self.pixels is None:
                batch[row] = read_image(str(self.paths[index]), size, channels)
            else:
                batch[row] = resize(self.pixels[index], size, channels)

        parallel_map(fill, range(len(indices)), progress)
        return batch


def describe(dataset: Dataset, listed: str = "") -> str:
    """A short aligned text: photos, individuals, photos each, dates, and what was not used.

    `listed` is the file that names all that was skipped, if there is one.
    """
    counts = np.bincount(dataset.labels, minlength=len(dataset.identities))
    counts = counts[counts > 0]
    rows = [("photos", f"{len(dataset):,}"), ("individuals", f"{len(counts):,}")]
    if len(counts):
        each = f"{counts.min()} / {np.median(counts):g} / {counts.max()}  (min / median / max)"
        rows.append(("photos each", each))
    if "date" in dataset.columns:
        dates = dataset.columns["date"]
        known = dates[~np.isnat(dates)].astype("datetime64[D]")
        if len(known):
            missing = len(dates) - len(known)
            note = f"  ({missing} without)" if missing else ""
            rows.append(("dates", f"{known.min()} to {known.max()}{note}"))
    rows.append(("skipped", f"{len(dataset.skipped):,}"))
    shown = dataset.skipped[:5]
    rows.extend(("", f"{path}: {reason}") for path, reason in shown)
    if len(dataset.skipped) > len(shown):
        place = f", listed in {listed}" if listed else ""
        rows.append(("", f"... and {len(dataset.skipped) - len(shown):,} more{place}"))
    rows += remarks(dataset)
    return "\n".join(f"{name:<12}{value}" for name, value in rows)


def remarks(dataset: Dataset) -> list[tuple[str, str]]:
    """What a person should know of a source beside its photos and those skipped: (what, text)."""
    rows = [("passed over", counts_text(dataset.passed_over))] if dataset.passed_over else []
    return rows + [("note", text) for text in (*dataset.notes, *dataset.unread.values())]


def counts_text(passed_over: Mapping[str, int]) -> str:
    """What was passed over, the most frequent first: `40 hidden, 12 @eaDir/, 3 .txt`."""
    ordered = sorted(passed_over.items(), key=lambda item: (-item[1], item[0]))
    listed = [f"{number:,} {what}" for what, number in ordered[:_KINDS]]
    if len(ordered) > _KINDS:
        listed.append(f"{sum(number for _, number in ordered[_KINDS:]):,} others")
    return ", ".join(listed)
