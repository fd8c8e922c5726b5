"""Files with the keyframes of a video: pictures, a sheet of them, the scores over time, JSON."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.console import clock
from reid_jax.data.videos.keyframe_folders import MARK
from reid_jax.files import as_text, atomic_write, write_text
from reid_jax.keyframes.ensemble import Ensemble
from reid_jax.keyframes.films.clip import parts, write_clip
from reid_jax.keyframes.films.destination import SHEET, SUMMARY, TIMELINE, keyframe_name
from reid_jax.keyframes.films.features import Described
from reid_jax.keyframes.films.pictures import contact_sheet, thumbnail_width, timeline

_QUALITY = 92


@dataclass(frozen=True, eq=False)
class Keyframes:
    """What was found in a video.

    Attributes:
      described: the video, and the frames that were scored.
      scores: float32 (P,), of these.
      chosen: int64 (K,), indices into them, rising.
      chosen_by: how, in words.
      summary: bool (N,), frames of the summary video.
    """

    described: Described
    scores: np.ndarray
    chosen: np.ndarray
    chosen_by: str
    summary: np.ndarray


def write_keyframes(
    found: Keyframes,
    folder: Path,
    runs: Ensemble,
    *,
    digest: str,
    clip: bool,
) -> None:
    """Writes what the command promises into a new folder, its mark last.

    Args:
      digest: of the content of the video.
      clip: also the summary video.
    """
    described, video = found.described, found.described.video
    indices = described.picks[found.chosen]
    width = thumbnail_width(len(indices))
    entries: list[dict[str, Any]] = []
    thumbnails = []
    for number, frame in enumerate(video.frames_at(indices), 1):
        pixels = frame.draw(None)
        name = keyframe_name(number, frame.time)
        _save(folder / name, pixels)
        height = max(1, round(width * pixels.shape[0] / pixels.shape[1]))
        thumbnails.append(frame.draw((width, min(height, 2 * width))))
        row = int(np.searchsorted(described.picks, frame.index))
        scene = int(np.searchsorted(described.scenes[:, 0], frame.index, side="right"))
        entries.append(
            {
                "file": name,
                "frame": frame.index,
                "seconds": round(frame.time, 3),
                "score": round(float(found.scores[row]), 6),
                "scene": scene,
            }
        )
    name = as_text(video.path.name)
    captions = [f"{i}   {clock(e['seconds'])}   {e['score']:.2f}" for i, e in enumerate(entries, 1)]
    title = f"{name}   {clock(float(video.times[-1]))}"
    if runs.about:
        title += f"   by {', '.join(str(each.workdir) for each in runs.scorers)}"
    _save(folder / SHEET, contact_sheet(thumbnails, captions, title))
    kept = parts(found.summary)
    if clip:
        write_clip(folder / SUMMARY, video, found.summary)
    content = {
        "video": as_text(video.path.resolve().as_posix()),
        "digest": digest,
        "problem": video.problem or None,
        "frames": described.n_frames,
        "seconds": round(float(video.times[-1]), 3),
        **_by(runs),
        "scenes_by": described.scenes_by,
        "chosen_by": found.chosen_by,
        "keyframes": entries,
        "scenes": described.scenes.tolist(),
        "summary": kept.tolist() if clip else None,
        "scored_frames": described.picks.tolist(),
        "scores": [round(float(score), 6) for score in found.scores],
    }
    _write_timeline(found, folder / TIMELINE, name, kept if clip else kept[:0])
    write_text(folder / MARK, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _by(runs: Ensemble) -> dict[str, Any]:
    """Which run answered; of several together, lists, and how scores were put together."""
    workdirs = [
        str(scorer.workdir) if scorer.about else scorer.workdir.resolve().as_posix()
        for scorer in runs.scorers
    ]
    steps = [scorer.step for scorer in runs.scorers]
    names = [encoder.name for encoder in runs.encoders]
    about = " ".join(runs.about) or None
    if len(workdirs) == 1:
        return {"run": workdirs[0], "about": about, "step": steps[0], "features_by": names[0]}
    several = {"run": workdirs, "about": about, "step": steps, "features_by": names}
    return {**several, "average": runs.average}


def _write_timeline(found: Keyframes, path: Path, title: str, clip: np.ndarray) -> None:
    """Draws the scores; `clip` (C, 2) are first and last frames of the summary's parts."""
    described, times = found.described, found.described.video.times
    scenes = _seconds(times, described.scenes)
    picture = timeline(
        times[described.picks], found.scores, scenes, found.chosen, _seconds(times, clip), title
    )
    with atomic_write(path) as file:
        file.write(picture)


def _seconds(times: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """(S, 2) start and end in seconds of spans (S, 2) of frames: one ends where the next begins."""
    after = np.append(times, times[-1])
    return np.stack([times[spans[:, 0]], after[spans[:, 1] + 1]], axis=1)


def _save(path: Path, pixels: np.ndarray) -> None:
    from PIL import Image

    with atomic_write(path) as file:
        Image.fromarray(pixels).save(file, format="jpeg", quality=_QUALITY)
