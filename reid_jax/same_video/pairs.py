"""Pairs of clips of videos: of one shot, of one video, copies, and of other videos.

A clip is a window of a video's rows of features, thinned to at most T of them. The two clips of a
pair share no row, so that features that say nothing find no pair. Everything that is drawn is a
pure function of (seed, step).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from reid_jax.data.videos.features import VideoFeatures
from reid_jax.errors import UserError

Kind = Literal["same shot", "same video", "near-duplicate", "same category", "other video"]
POSITIVE: tuple[Kind, ...] = ("same shot", "same video", "near-duplicate")
NEGATIVE: tuple[Kind, ...] = ("same category", "other video")

# What leads from the seed to the draws of a step and to those of a set for evaluation.
_STEP, _SET = 11, 12
_FEWEST_ROWS = 4
FEWEST_ROWS_OF_A_VIDEO = 3 * _FEWEST_ROWS  # two clips that share none, wherever they are cut
_DOUBLE_SPEED_ROWS = 4 * _FEWEST_ROWS  # of a window whose copy at double speed has enough
_ROWS = (8, 33)  # of a window of the original, about 4 to 16 seconds at two rows a second
_COPIED_ROWS = (4, 11)  # of a window of a copy, whose rows lie farther apart


@dataclass(frozen=True)
class Track:
    """Features (P, D) float32 of frames (P,) int64 of a video, as it is or edited; or the frames
    themselves, uint8 (P, H, W, 3)."""

    features: np.ndarray
    frames: np.ndarray


@dataclass(frozen=True)
class PairVideo:
    """What pairs are drawn from.

    Attributes:
      segments: (S, 2) int64, first and last frame of each shot.
      category: None where the file names none.
      copies: tracks of edited copies by the edit's name.
      listed: the features of the file, where `original` is another track.
      widths: how many numbers of a row are of which file, where several files are fused.
    """

    key: str
    original: Track
    segments: np.ndarray
    category: str | None = None
    copies: Mapping[str, Track] = field(default_factory=dict)
    listed: Track | None = None
    widths: tuple[int, ...] = ()

    @property
    def in_file(self) -> Track:
        """What the file has of it."""
        return self.listed or self.original


def too_short(video: PairVideo) -> bool:
    """Whether no two clips can be drawn from it."""
    return len(video.original.frames) < FEWEST_ROWS_OF_A_VIDEO


class Clip(NamedTuple):
    """Rows (at most T) of a track ("" for the original, else the edit) of a video.

    `edit` is what was done to the rows themselves: "speed" or nothing.
    """

    video: int
    track: str
    rows: np.ndarray
    edit: str = ""


def pair_videos(
    videos: Sequence[VideoFeatures], copies: Mapping[str, Mapping[str, Track]]
) -> tuple[PairVideo, ...]:
    """Videos to draw pairs from, with the copies that there are of them, by key and edit.

    Without change points the two-second shots stand in; without those too, runs of 16 rows.
    """
    result = []
    for video in videos:
        segments = video.change_points if video.change_points is not None else video.shots_2s
        if segments is None:
            starts = video.picks[::16]
            segments = np.stack([starts, np.append(starts[1:], video.n_frames) - 1], axis=1)
        track = Track(video.features, video.picks)
        own = copies.get(video.key, {})
        made = PairVideo(video.key, track, segments, video.category, own, widths=video.widths)
        result.append(made)
    return tuple(result)


def close_videos(videos: Sequence[PairVideo]) -> tuple[list[np.ndarray], bool]:
    """For each video those that are hard to tell from it, and whether categories said so.

    They are the other videos of its category; where no video names one, the two with the nearest
    mean features by cosine.
    """
    if any(video.category is not None for video in videos):
        categories = np.array([video.category or "" for video in videos])
        same = (categories[:, None] == categories[None, :]) & (categories != "")[:, None]
        np.fill_diagonal(same, False)
        return [np.flatnonzero(row) for row in same], True
    means = np.stack([video.in_file.features.mean(axis=0) for video in videos])
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    cosines = means @ means.T
    np.fill_diagonal(cosines, -np.inf)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, : min(2, len(videos) - 1)]
    return list(order), False


def assemble(
    videos: Sequence[PairVideo], clips: Sequence[Clip], length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, length, ...) of clips, padded with zeros, and mask bool (N, length)."""
    some = videos[0].original.features
    features = np.zeros((len(clips), length, *some.shape[1:]), some.dtype)
    mask = np.zeros((len(clips), length), bool)
    for place, clip in enumerate(clips):
        video = videos[clip.video]
        track = video.copies[clip.track] if clip.track else video.original
        features[place, : len(clip.rows)] = track.features[clip.rows]
        mask[place, : len(clip.rows)] = True
    return features, mask


class PairSource:
    """Draws pairs of clips from some videos, but for those that are too short for two clips."""

    def __init__(self, videos: Sequence[PairVideo], length: int):
        """`length`: the most rows of a clip.

        Raises:
          UserError: fewer than two videos, not counting those that are too short.
        """
        videos = [video for video in videos if not too_short(video)]
        if len(videos) < 2:
            raise UserError(
                f"Pairs need at least two videos with {FEWEST_ROWS_OF_A_VIDEO} rows of features or "
                f"more, and found {len(videos)}."
            )
        self.videos, self.length = tuple(videos), length
        self._close, self.by_category = close_videos(videos)
        self._with_close = np.array([i for i, close in enumerate(self._close) if len(close)], int)
        self._shots = [_shots(video) for video in videos]

    @property
    def of_images(self) -> bool:
        """Whether clips show frames, not features of them."""
        return self.videos[0].original.features.ndim == 4

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of pairs that there are: without two videos of a category one is missing."""
        negative = NEGATIVE if len(self._with_close) else NEGATIVE[1:]
        return (*POSITIVE, *negative)

    def draw(
        self, kind: Kind, rng: np.random.Generator, video: int | None = None
    ) -> tuple[Clip, Clip]:
        """Two clips of a kind; `video`: which the first is of, else any.

        same shot: two windows of one segment (KTS) that do not overlap. same video: windows that
        do not overlap, of different segments where there are any. near-duplicate: a window and the
        same time of an edited copy, or every second row of a window and the rows between them at
        half or double speed. same category, other video: windows of two videos; the second is of a
        copy half the time, so that edits do not give positives away.
        """
        if video is None:
            some = self._with_close if kind == "same category" else np.arange(len(self.videos))
            video = int(rng.choice(some))
        if kind == "same shot":
            return self._same_shot(video, rng)
        if kind == "same video":
            return self._same_video(video, rng)
        if kind == "near-duplicate":
            return self._copy(video, rng)
        if kind == "same category":
            other = int(rng.choice(self._close[video]))
        else:
            far = np.setdiff1d(np.arange(len(self.videos)), [video, *self._close[video]])
            others = far if len(far) else np.setdiff1d(np.arange(len(self.videos)), [video])
            other = int(rng.choice(others))
        first, second = self._window(video, rng), self._window(other, rng)
        if rng.integers(2):
            second = self._copy(other, rng)[1]
        return first, second

    def assemble(self, clips: Sequence[Clip]) -> tuple[np.ndarray, np.ndarray]:
        """Features (N, T, ...) and mask (N, T), see the function `assemble`."""
        return assemble(self.videos, clips, self.length)

    def _same_shot(self, video: int, rng: np.random.Generator) -> tuple[Clip, Clip]:
        shots = self._shots[video]
        start, stop = shots[rng.integers(len(shots))]
        cut = int(rng.integers(start + _FEWEST_ROWS, stop - _FEWEST_ROWS + 1))
        parts = self._part(video, start, cut, rng), self._part(video, cut, stop, rng)
        return parts if rng.integers(2) else parts[::-1]

    def _part(self, video: int, start: int, stop: int, rng: np.random.Generator) -> Clip:
        most = stop - start
        size = int(rng.integers(max(_FEWEST_ROWS, most // 2), most + 1))
        first = start + int(rng.integers(most - size + 1))
        return Clip(video, "", self._thin(np.arange(first, first + size)))

    def _same_video(self, video: int, rng: np.random.Generator) -> tuple[Clip, Clip]:
        frames = self.videos[video].original.frames
        segment = np.searchsorted(self.videos[video].segments[:, 0], frames, side="right")
        number = len(frames)
        # Wherever a third of the rows lies, another third is free beside it.
        size = min(int(rng.integers(*_ROWS)), number // 3)
        first = int(rng.integers(number - size + 1))
        rows = np.arange(number)
        free = (rows < first) | (rows >= first + size)
        apart = free & ((segment < segment[first]) | (segment > segment[first + size - 1]))
        starts = _starts(apart, size)
        second = int(rng.choice(starts if len(starts) else _starts(free, size)))
        windows = (rows[start : start + size] for start in (first, second))
        one, other = (Clip(video, "", self._thin(window)) for window in windows)
        return one, other

    def _copy(self, video: int, rng: np.random.Generator) -> tuple[Clip, Clip]:
        names = ["speed", *sorted(self.videos[video].copies)]
        name = names[rng.integers(len(names))]
        if name == "speed":
            return self._at_another_speed(video, rng)
        copied = self._copied_window(video, rng, name)
        seen = self.videos[video].copies[name].frames[copied.rows]
        frames = self.videos[video].original.frames
        start = int(np.searchsorted(frames, seen[0]))
        stop = int(np.searchsorted(frames, seen[-1], side="right"))
        start = min(start, len(frames) - _FEWEST_ROWS)
        rows = np.arange(start, max(stop, start + _FEWEST_ROWS))
        return Clip(video, "", self._thin(rows)), copied

    def _at_another_speed(self, video: int, rng: np.random.Generator) -> tuple[Clip, Clip]:
        """Every second row of a window, and a copy at half or double speed of those between."""
        rows = self._rows(video, rng)
        between = rows[1::2]
        if len(rows) >= _DOUBLE_SPEED_ROWS and rng.integers(2):
            copied = between[::2]
        else:
            copied = np.repeat(between[: len(between) // 2], 2)
        return (
            Clip(video, "", self._thin(rows[::2])),
            Clip(video, "", self._thin(copied), "speed"),
        )

    def _window(self, video: int, rng: np.random.Generator) -> Clip:
        return Clip(video, "", self._thin(self._rows(video, rng)))

    def _rows(self, video: int, rng: np.random.Generator) -> np.ndarray:
        number = len(self.videos[video].original.frames)
        size = min(int(rng.integers(*_ROWS)), number)
        first = int(rng.integers(number - size + 1))
        return np.arange(first, first + size)

    def _copied_window(self, video: int, rng: np.random.Generator, name: str) -> Clip:
        copies = self.videos[video].copies
        number = len(copies[name].frames)
        size = min(int(rng.integers(*_COPIED_ROWS)), number)
        first = int(rng.integers(number - size + 1))
        return Clip(video, name, self._thin(np.arange(first, first + size)))

    def _thin(self, rows: np.ndarray) -> np.ndarray:
        if len(rows) <= self.length:
            return rows
        return rows[np.linspace(0, len(rows) - 1, self.length).round().astype(int)]


class ClipSampler:
    """Batches of clips in pairs (rows 2i and 2i + 1); their label is their video."""

    def __init__(
        self, source: PairSource, batch_size: int, clips_per_video: int, seed: int
    ) -> None:
        """`clips_per_video`: 0 draws half the pairs from one video and half from two, of which
        half of one category; an even number K draws batch_size / K videos and K clips of each.

        Raises:
          UserError: the numbers do not go together, or there are too few videos.
        """
        if clips_per_video and (clips_per_video % 2 or batch_size % clips_per_video):
            raise UserError(
                f"data.clips_per_video is {clips_per_video} with a data.batch_size of "
                f"{batch_size}; it must be even and divide it."
            )
        if batch_size % 4:
            raise UserError(f"data.batch_size is {batch_size}; it must be a multiple of 4.")
        number = len(source.videos)
        if clips_per_video and batch_size // clips_per_video > number:
            raise UserError(
                f"A batch asks for {batch_size // clips_per_video} videos, there are {number} to "
                "train on: lower data.batch_size or raise data.clips_per_video."
            )
        self.source, self.batch_size = source, batch_size
        self._clips_per_video, self._seed = clips_per_video, seed

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """ "features" float32 (B, T, D) or "image" uint8 (B, T, H, W, 3), "frames" bool (B, T),
        "label" int32 (B,), "mask" (B,)."""
        rng = np.random.default_rng([self._seed, _STEP, step])
        pairs = self._videos(rng) if self._clips_per_video else self._pairs(rng)
        clips = [clip for pair in pairs for clip in pair]
        features, frames = self.source.assemble(clips)
        return {
            "image" if self.source.of_images else "features": features,
            "frames": frames,
            "label": np.array([clip.video for clip in clips], np.int32),
            "mask": np.ones(len(clips), bool),
        }

    def _videos(self, rng: np.random.Generator) -> list[tuple[Clip, Clip]]:
        number = self.batch_size // self._clips_per_video
        chosen = rng.choice(len(self.source.videos), number, replace=False)
        order = rng.permutation(len(POSITIVE))
        kinds = [POSITIVE[order[i % len(order)]] for i in range(self._clips_per_video // 2)]
        return [self.source.draw(kind, rng, int(video)) for video in chosen for kind in kinds]

    def _pairs(self, rng: np.random.Generator) -> list[tuple[Clip, Clip]]:
        negative = [kind for kind in self.source.kinds if kind in NEGATIVE]
        kinds = [
            kind
            for i in range(self.batch_size // 4)
            for kind in (POSITIVE[i % len(POSITIVE)], negative[i % len(negative)])
        ]
        return [self.source.draw(kind, rng) for kind in kinds]


def evaluation_pairs(source: PairSource, number: int, seed: int) -> dict[str, Any]:
    """`number` pairs of each kind that there is.

    Returns:
      "features" float32 (N, 2, T, D), "frames" bool (N, 2, T), "kind" (N,) str, "edit" (N,) str:
      how the second clip was edited, "" if not, "same" (N,) bool, "video" int64 (N, 2), "named"
      (N, 2) str, the keys of the videos.
    """
    clips, kinds = [], []
    for kind in source.kinds:
        rng = np.random.default_rng([seed, _SET, (*POSITIVE, *NEGATIVE).index(kind)])
        clips += [source.draw(kind, rng) for _ in range(number)]
        kinds += [kind] * number
    features, frames = source.assemble([clip for pair in clips for clip in pair])
    video = np.array([[clip.video for clip in pair] for pair in clips])
    return {
        "features": features.reshape(len(kinds), 2, *features.shape[1:]),
        "frames": frames.reshape(len(kinds), 2, -1),
        "kind": np.array(kinds),
        "edit": np.array([pair[1].edit or pair[1].track for pair in clips]),
        "same": np.isin(kinds, POSITIVE),
        "video": video,
        "named": np.array([video.key for video in source.videos])[video],
    }


def _shots(video: PairVideo) -> np.ndarray:
    """First row and end of the segments that have rows for two clips; else the whole video."""
    bounds = np.searchsorted(video.original.frames, video.segments + np.array([[0, 1]]))
    long = bounds[:, 1] - bounds[:, 0] >= 2 * _FEWEST_ROWS
    return bounds[long] if long.any() else np.array([[0, len(video.original.frames)]])


def _starts(free: np.ndarray, size: int) -> np.ndarray:
    """Where a window of `size` rows fits into what is free."""
    total = np.concatenate([[0], np.cumsum(free)])
    return np.flatnonzero(total[size:] - total[:-size] == size)
