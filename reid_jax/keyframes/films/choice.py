"""Which of the frames that were scored are keyframes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reid_jax.data.videos.frames import frame_edges, is_steady
from reid_jax.errors import UserError
from reid_jax.keyframes.films.clip import best_of_shots, summary_shots
from reid_jax.keyframes.films.features import Described
from reid_jax.keyframes.selection import SHARE, adaptive, top_share

_PER_SCENE = 3  # keyframes
_SPACING = 2.0  # seconds between keyframes


@dataclass(frozen=True)
class Choice:
    """How keyframes are chosen; see `choose`.

    Raises:
      UserError: a number is out of range, or does not belong to the way of choosing.
    """

    select: Literal["adaptive", "share", "shots"] = "adaptive"
    count: int | None = None
    share: float = SHARE
    per_scene: int | None = None
    spacing: float | None = None

    def __post_init__(self) -> None:
        for name, number in {"--count": self.count, "--per-scene": self.per_scene}.items():
            if number is not None and number < 1:
                raise UserError(f"{name} is {number}; it must be 1 or more.")
        if self.spacing is not None and not self.spacing >= 0:
            raise UserError(f"--spacing is {self.spacing:g}; it must be 0 seconds or more.")
        if not 0 < self.share <= 1:
            raise UserError(f"--share is {self.share:g}; it must be above 0 and at most 1.")
        given = {"--count": self.count, "--per-scene": self.per_scene, "--spacing": self.spacing}
        for name, value in given.items():
            if self.select != "adaptive" and value is not None:
                raise UserError(
                    f"{name} is for --select adaptive; with --select {self.select}, --share says "
                    "how many keyframes there are."
                )


def choose(choice: Choice, scores: np.ndarray, described: Described) -> tuple[np.ndarray, str]:
    """Chooses among the frames that were scored.

    - adaptive: those that stand out, at least `spacing` seconds apart (2) and at most `per_scene` a
      scene (3). With `count`, so many: the best of each scene first, then the best of the others;
      what is not given of the other two gives way, so that a short video has room for them.
    - share: the best `share` of the frames; at a variable rate, those that stand for that share of
      the time, each for that up to the next.
    - shots: the best frame of each shot of the summary that has `share` of the time.

    Args:
      scores: float32 (P,), of the frames at `described.picks`.

    Returns:
      int64 (K,), indices into the scores, rising; and how they were chosen, in words.
    """
    times, picks = described.video.times, described.picks
    percent = f"{100 * choice.share:g}%"
    if choice.select == "share":
        if is_steady(times):
            return top_share(scores, choice.share), f"the best {percent} of the frames scored"
        stands_for = np.diff(frame_edges(times)[np.append(picks, len(times))])
        words = f"the best of the frames scored, {percent} of the time"
        return top_share(scores, choice.share, stands_for), words
    if choice.select == "shots":
        shots = summary_shots(scores, picks, described.scenes, times, choice.share)
        words = f"the best frame of each shot of the best summary in {percent} of the video"
        return best_of_shots(scores, picks, shots), words
    return _adaptive(choice, scores, described)


def _adaptive(choice: Choice, scores: np.ndarray, described: Described) -> tuple[np.ndarray, str]:
    times, count = described.video.times, choice.count
    spacing = choice.spacing
    if spacing is None:
        spacing = _SPACING if count is None else min(_SPACING, float(times[-1]) / (2 * count))
    most = choice.per_scene or (_PER_SCENE if count is None else count)
    per_scene, even = (most, 0) if count is None else (1, -(-count // len(described.scenes)))
    chosen = np.zeros(0, np.int64)
    while True:
        chosen = adaptive(
            scores,
            positions=times[described.picks],
            scenes=times[described.scenes],
            count=count,
            per_scene=per_scene,
            spacing=spacing,
            first=chosen,
        )
        if count is None or len(chosen) == count or per_scene >= most:
            break
        per_scene = min(max(2 * per_scene, even), most)
    which = "scores that stand out" if count is None else f"the best {count}, one a scene first"
    return chosen, f"{which}, at least {spacing:.3g} s apart, at most {per_scene} a scene"
