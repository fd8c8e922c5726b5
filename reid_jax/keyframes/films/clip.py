"""A summary of a video as a video: some of its frames, one part after the other, without sound."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.data.videos.frames import Size, Video, frame_edges, usual_gap
from reid_jax.keyframes.selection import SHARE, knapsack, to_frames
from reid_jax.platforms import replace
from reid_jax.weights.scenes import divide

_SHOT = 2.0  # seconds, the shots that TVSum's annotators rated
_CLOCK = 90_000  # ticks a second
_LONGEST_SIDE = 1920


def summary_shots(
    scores: np.ndarray,
    picks: np.ndarray,
    scenes: np.ndarray,
    times: np.ndarray,
    share: float = SHARE,
) -> np.ndarray:
    """int64 (C, 2), first and last frame: the shots of greatest total score in a share of it.

    Shots are scenes, and where these are longer than two seconds, parts of them, taken whole by an
    exact knapsack. The value of a shot is the integral of the score over its time (the community's
    evaluation takes the mean, which makes many short shots worth more than a long one and a video
    that flickers). Of a video that is too short for any shot its best frame is left.

    Args:
      scores, picks: (P,) float and the frame indices that they are of.
      scenes: (S, 2) first and last frame of each.
      times: (N,) seconds of every frame.
      share: of the time, rounded down to a frame where the rate is constant.
    """
    edges = frame_edges(times)
    capacity = int(share * edges[-1])
    rate = edges[-2] / times[-1] if times[-1] > 0 else 1.0  # ticks a second
    longest = min(round(_SHOT * rate), capacity)
    if longest >= 1:
        shots = divide(scenes, longest, edges)
        weighted = to_frames(scores, picks, len(times)) * np.diff(edges)
        values = np.add.reduceat(weighted, shots[:, 0])
        lengths = np.maximum(edges[shots[:, 1] + 1] - edges[shots[:, 0]], 1)
        taken = shots[knapsack(values, lengths, capacity)]
        if len(taken):
            return taken
    return np.full((1, 2), picks[np.argmax(scores)])


def shots_with(frames: np.ndarray, scenes: np.ndarray, times: np.ndarray) -> np.ndarray:
    """int64 (C, 2), first and last frame: the shots that hold frames, of two seconds at most.

    Args:
      frames: (F,) indices.
      scenes: (S, 2) first and last frame of each.
      times: (N,) seconds of every frame.
    """
    edges = frame_edges(times)
    rate = edges[-2] / times[-1] if times[-1] > 0 else 1.0  # ticks a second
    shots = divide(scenes, max(round(_SHOT * rate), 1), edges)
    held = np.unique(np.searchsorted(shots[:, 0], frames, side="right") - 1)
    return shots[held]


def best_of_shots(scores: np.ndarray, picks: np.ndarray, shots: np.ndarray) -> np.ndarray:
    """Indices, rising, into scores (P,): the best of each of the shots (C, 2), each index once.

    A shot without a frame that was scored has the score, and the frame, of the last one before it.
    """
    found = set()
    for first, last in shots.tolist():
        start, end = np.searchsorted(picks, [first, last + 1])
        inside = start + int(np.argmax(scores[start:end])) if end > start else max(start - 1, 0)
        found.add(int(inside))
    return np.array(sorted(found), np.int64)


def frames_of(shots: np.ndarray, n_frames: int) -> np.ndarray:
    """bool (n_frames,): the frames of the shots (C, 2)."""
    kept = np.zeros(n_frames, bool)
    for first, last in shots.tolist():
        kept[first : last + 1] = True
    return kept


def parts(kept: np.ndarray) -> np.ndarray:
    """int64 (C, 2): first and last frame of each run of True in (N,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]]).astype(np.int8)))
    return np.stack([edges[::2], edges[1::2] - 1], axis=1)


def write_clip(path: Path, video: Video, kept: np.ndarray) -> None:
    """Writes the frames where `kept` (N,) holds, each as long as it lasted in the video.

    The file appears when it is complete.
    """
    import av

    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    usual = usual_gap(video.times)
    lasts = np.append(np.diff(video.times), usual)
    unfinished = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        with av.open(str(unfinished), "w") as container:
            stream: Any = container.add_stream(
                codec, rate=Fraction(1 / usual).limit_denominator(1001)
            )
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = Fraction(1, _CLOCK)
            at = 0.0
            size: Size | None = None
            for frame in video.frames_at(np.flatnonzero(kept)):
                if size is None:
                    size = _even(frame.draw(None).shape)
                    stream.width, stream.height = size
                pixels = frame.draw(size)
                encoded = av.VideoFrame.from_ndarray(pixels, "rgb24")
                encoded.pts, encoded.time_base = round(at * _CLOCK), Fraction(1, _CLOCK)
                at += lasts[frame.index]
                for packet in stream.encode(encoded):
                    container.mux(packet)
            for packet in stream.encode(None):
                container.mux(packet)
        replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _even(shape: tuple[int, ...]) -> Size:
    """Width and height for a picture of this shape: even, as the colours have half the size."""
    height, width = shape[:2]
    scale = min(1.0, _LONGEST_SIDE / max(height, width))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
