"""Videos in, their keyframes out."""

from collections.abc import Sequence
from pathlib import Path

from reid_jax.compilations import keep_compilations
from reid_jax.data.names import composed
from reid_jax.data.videos.named import distinct, name_of, named_videos, pass_over
from reid_jax.errors import UserError
from reid_jax.files import check_destinations
from reid_jax.keyframes.films.choice import Choice, choose
from reid_jax.keyframes.films.clip import frames_of, summary_shots
from reid_jax.keyframes.films.destination import new_folder, publish
from reid_jax.keyframes.films.features import Described, each_video
from reid_jax.keyframes.films.keyframe_files import Keyframes, write_keyframes
from reid_jax.keyframes.films.pictures import clock
from reid_jax.keyframes.model import TrainedScorer, encoder_of, load_scorer


def write_keyframes_of(
    videos: Sequence[Path],
    workdir: Path,
    out: Path,
    choice: Choice,
    *,
    clip: bool = False,
    backbone: str = "",
    weights: str = "",
) -> None:
    """Writes into a folder of each video what `reid-jax keyframes` promises, and says so.

    Raises:
      UserError: for a run or a choice that cannot be used, or when no video can be.
    """
    keep_compilations()
    check_destinations(folder=out)
    scorer = load_scorer(workdir)
    encoder = encoder_of(scorer, backbone, weights)
    paths = named_videos(videos)
    done = 0
    digests: dict[Path, str] = {}
    rate = scorer.config.data.features_rate
    for path, described in each_video(distinct(paths, digests), encoder, rate):
        if isinstance(described, str):
            pass_over(described, len(paths) - 1)
            continue
        found = find_keyframes(scorer, described, choice)
        with new_folder(out) as folder:
            write_keyframes(found, folder, scorer, encoder, digest=digests[path], clip=clip)
            place = publish(folder, out, path, digests[path])
        print(_summary(found, place, choice.count))
        done += 1
    if not done:
        raise UserError(f"None of {len(paths)} videos could be used.")


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
    named = folder.with_name(name_of(video.path))
    other = "" if composed(folder.name) == named.name else f", as {named} holds something else"
    lines.append(f"  {folder}{other}")
    return "\n".join(lines)
