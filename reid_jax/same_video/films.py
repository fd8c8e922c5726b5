"""Of every two clips, whether they are of one video."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.compilations import keep_compilations
from reid_jax.console import say
from reid_jax.data.videos.frames import indices_at_rate
from reid_jax.data.videos.named import named_videos, pass_over
from reid_jax.data.videos.open import open_video
from reid_jax.data.videos.walk import features_at
from reid_jax.errors import UserError
from reid_jax.files import as_text, check_destinations, write_text
from reid_jax.reporting.plain_json import plain_json
from reid_jax.reporting.table import Table
from reid_jax.same_video.looks import Clip, Looking
from reid_jax.same_video.model import (
    INSTALLED,
    SimilarityRun,
    compare_clips,
    encoder_of_run,
    load_similarity_run,
)
from reid_jax.same_video.verdict import Calibration, through_others
from reid_jax.training.hosts.films import PROBLEM, collect_films, made_of_each, shared_digests
from reid_jax.training.hosts.shares import Piece, Shares, sharing
from reid_jax.weights.frozen import FrameEncoder


def compare_films(
    videos: Sequence[Path],
    workdir: Path,
    *,
    json: Path | None = None,
    backbone: str = "",
    weights: str = "",
    rate: float = 2.0,
    coordinator: str = "",
) -> None:
    """Prints of every two clips what `reid-jax same-video` promises.

    Several processes share the videos where a `coordinator` names the first one, see `sharing`.

    Raises:
      UserError: for a run that cannot be used, or fewer than two videos that can.
    """
    keep_compilations()
    if not rate > 0:
        raise UserError(f"--rate is {rate}; it must be above 0.")
    place = Path() if workdir == Path(INSTALLED) else workdir
    with sharing(coordinator, json or place / "same_video") as shares:
        check_destinations(json)
        paths = named_videos(videos)
        if len(paths) < 2:
            raise UserError(
                f"Clips are compared by twos; {len(paths)} was given, name two or more."
            )
        run = load_similarity_run(workdir)
        encoder = encoder_of_run(run, backbone, weights)
        _compare(run, encoder, paths, rate, json, shares)


def _compare(
    run: SimilarityRun,
    encoder: FrameEncoder,
    paths: Sequence[Path],
    rate: float,
    json: Path | None,
    shares: Shares | None,
) -> None:
    clips = dict(_each_clip(paths, encoder, rate, shares))
    if len(clips) < 2:
        raise UserError(f"Only {len(clips)} of {len(paths)} videos could be used; it takes two.")
    features, looks = zip(*clips.values(), strict=True)
    found = compare_clips(run, features, looks)
    used = [paths[place] for place in clips]
    joined = through_others(found)
    calibration = run.judge.calibration
    print(_table(found, used, joined, calibration))
    if calibration is None:
        by = "network" if run.labelled else "Chamfer"
        about = (
            f"{run.said_of_same.capitalize()} from {run.threshold:.3f} of {by} on, which is for "
            "videos like those that the run was trained on."
        )
    else:
        about = calibration.about
    print(about)
    if json is not None:
        names = [as_text(path) for path in used]
        installed = run.calibration is not None
        content = {
            "run": str(run.workdir) if installed else run.workdir.resolve().as_posix(),
            "step": run.step,
            "features_by": encoder.name,
            "verdict_by": str(run.judge.workdir),
            "about": about,
            "threshold": run.judge.threshold,
            "different_below": calibration.different if calibration else run.threshold,
            "pairs": [
                {
                    **pair,
                    "first": names[pair["first"]],
                    "second": names[pair["second"]],
                    "joined_by": _named(names, joined.get((pair["first"], pair["second"]))),
                }
                for pair in found
            ],
        }
        write_text(json, plain_json(content))


def _each_clip(
    paths: Sequence[Path], encoder: FrameEncoder, rate: float, shares: Shares | None
) -> Iterator[tuple[int, Clip]]:
    """Place in `paths` and what is seen of each video that can be used; says why of the others."""

    def see(place: int, path: Path) -> Piece:
        del place
        video = open_video(path, rate)
        looking = Looking(encoder)
        features = features_at(video, indices_at_rate(video.times, rate), looking)
        said = np.array(as_text(video.problem or ""))
        return {"features": features, "looks": looking.looks, "said": said}

    clips: Iterable[Piece]
    if shares is None:
        clips = made_of_each(paths, see)
    else:
        films = list(zip(paths, shared_digests(paths, shares), strict=True))
        asked = {"what makes features": encoder.name, "frames a second": rate}
        clips = collect_films(shares, films, asked, see)
    for place, (path, clip) in enumerate(zip(paths, clips, strict=True)):
        if PROBLEM in clip:
            pass_over(str(clip[PROBLEM]), len(paths) - 2)
            continue
        if str(clip["said"]):
            say(f"{path}: {clip['said']}")
        yield place, Clip(clip["features"], clip["looks"])


def _named(names: Sequence[str], place: int | None) -> str | None:
    return None if place is None else names[place]


def _table(
    found: Sequence[Mapping[str, Any]],
    paths: Sequence[Path],
    joined: Mapping[tuple[int, int], int],
    calibration: Calibration | None,
) -> str:
    short = [path.name for path in paths]
    names = short if len(set(short)) == len(set(paths)) else [str(path) for path in paths]
    rows = []
    for pair in found:
        verdict = pair["verdict"]
        if (other := joined.get((pair["first"], pair["second"]))) is not None:
            verdict = f"share nothing, but both are of {names[other]}"
        row = [f"{names[pair['first']]} and {names[pair['second']]}", verdict]
        if calibration is not None:
            row += [f"{share:.0%}" for share in calibration.as_alike(pair["alike"])]
        row.append(f"{pair['chamfer']:.3f}")
        rows.append([*row, *([] if pair["network"] is None else [f"{pair['network']:.3f}"])])
    shares = [] if calibration is None else ["different films as alike", "copies less alike"]
    network = [] if found[0]["network"] is None else ["network"]
    return Table(["", "verdict", *shares, "Chamfer", *network], rows).as_text()
