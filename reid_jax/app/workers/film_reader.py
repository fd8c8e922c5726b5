"""The child program that finds keyframes of films and compares films."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.app.places import OFFERED, OFFERED_LIST
from reid_jax.app.workers.answering import Request, Tell, answer_requests
from reid_jax.compilations import keep_compilations
from reid_jax.data.videos.frames import Frame, Video, indices_at_rate
from reid_jax.data.videos.keyframe_folders import read_mark
from reid_jax.data.videos.open import open_video
from reid_jax.data.videos.walk import features_at
from reid_jax.errors import UserError
from reid_jax.files import atomic_write, make_folder, write_text
from reid_jax.keyframes.ensemble import Ensemble, load_ensemble
from reid_jax.keyframes.films.by_hand import chosen_by_hand
from reid_jax.keyframes.films.choice import Choice
from reid_jax.keyframes.films.destination import new_folder
from reid_jax.keyframes.films.features import describe
from reid_jax.keyframes.films.find import find_keyframes
from reid_jax.keyframes.films.keyframe_files import write_keyframes
from reid_jax.platforms import replace
from reid_jax.same_video.looks import Clip, Looking
from reid_jax.same_video.model import (
    SimilarityRun,
    compare_clips,
    encoder_of_run,
    load_similarity_run,
)

_RATE = 2.0  # frames a second that are compared
_ALIGNED = 8  # pairs of frames that are shown
_OFFERED = 60  # frames that may be chosen
_SIDE = 320  # pixels of a small picture


def _answer(request: Request, tell: Tell) -> Request:
    """Keyframes of `path` into `folder` by `run`; of these, those that were `chosen`, if so asked.

    Or `first` and `second` compared by it, with `pictures` of frames that are alike.

    Raises:
      UserError: a run or a film cannot be used.
    """
    del tell
    run = Path(request["run"])
    if "chosen" in request:
        return _chosen(Path(request["path"]), Path(request["folder"]), run, request["chosen"])
    if "path" in request:
        return _keyframes(Path(request["path"]), Path(request["folder"]), run)
    films = Path(request["first"]), Path(request["second"])
    return _compared(*films, run, Path(request["pictures"]))


@cache
def _ensemble(run: Path) -> Ensemble:
    return load_ensemble([run])


def _keyframes(path: Path, folder: Path, run: Path) -> Request:
    runs = _ensemble(run)
    described = describe(path, runs.encoder, runs.rate)
    found = find_keyframes(runs, described, Choice())
    with new_folder(folder.parent) as new:
        write_keyframes(found, new, runs, digest=folder.name, clip=True)
        _offer(described.video, described.picks, new / OFFERED)
        shutil.rmtree(folder, ignore_errors=True)
        replace(new, folder)
    return {
        "keyframes": len(found.chosen),
        "found": described.picks[found.chosen].tolist(),
        "scenes": len(described.scenes),
        "seconds": float(described.video.times[-1]),
        "problem": described.video.problem or "",
    }


def _chosen(path: Path, folder: Path, run: Path, frames: Sequence[int]) -> Request:
    """Writes the folder anew for other frames: their pictures, the sheet and the summary."""
    mark = read_mark(folder)
    if mark is None:
        raise UserError("There are no keyframes of this film.")
    found = chosen_by_hand(path, mark, frames)
    with new_folder(folder.parent) as new:
        write_keyframes(found, new, _ensemble(run), digest=folder.name, clip=True)
        if (folder / OFFERED).is_dir():
            shutil.copytree(folder / OFFERED, new / OFFERED)
        shutil.rmtree(folder, ignore_errors=True)
        replace(new, folder)
    return {"keyframes": len(found.chosen)}


def _offer(video: Video, picks: np.ndarray, folder: Path) -> None:
    """Draws frames that may be chosen, evenly over those that were scored, small."""
    folder.mkdir()
    some = np.unique(np.linspace(0, len(picks) - 1, _OFFERED).round().astype(int))
    offered = [
        [frame.index, frame.time]
        for frame in _drawn(video, picks[some], lambda index: folder / f"{index}.jpg")
    ]
    write_text(folder / OFFERED_LIST, json.dumps(offered))


def _drawn(video: Video, indices: np.ndarray, place: Callable[[int], Path]) -> Iterator[Frame]:
    """Frames, each after a small picture of it was written to its place."""
    from PIL import Image

    for frame in video.frames_at(indices):
        picture = Image.fromarray(frame.draw(None))
        picture.thumbnail((_SIDE, _SIDE))
        with atomic_write(place(frame.index)) as file:
            picture.save(file, format="jpeg", quality=80)
        yield frame


@cache
def _similarity(run: Path) -> tuple[SimilarityRun, Any]:
    found = load_similarity_run(run)
    return found, encoder_of_run(found)


def _compared(first: Path, second: Path, run: Path, pictures: Path) -> Request:
    similarity, encoder = _similarity(run)
    clips, times, videos = [], [], []
    for path in (first, second):
        video = open_video(path, _RATE)
        picks = indices_at_rate(video.times, _RATE)
        looking = Looking(encoder)
        clips.append(Clip(features_at(video, picks, looking), looking.looks))
        times.append(video.times[picks])
        videos.append((video, picks))
    features, looks = zip(*clips, strict=True)
    [pair] = compare_clips(similarity, features, looks)
    calibration = similarity.judge.calibration
    shares = calibration.as_alike(pair["alike"]) if calibration else None
    rows, others, cosines = _aligned(*features)
    shutil.rmtree(pictures, ignore_errors=True)
    make_folder(pictures)
    for side, (video, picks), which in zip(
        ("first", "second"), videos, (rows, others), strict=True
    ):
        _draw_each(video, picks[which], pictures, side)
    return {
        "verdict": pair["verdict"],
        "alike": pair["alike"],
        "different_as_alike": shares[0] if shares else None,
        "copies_less_alike": shares[1] if shares else None,
        "about": calibration.about if calibration else "",
        "aligned": [
            [float(times[0][row]), float(times[1][other]), float(cosine)]
            for row, other, cosine in zip(rows, others, cosines, strict=True)
        ],
    }


def _aligned(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the first film, of the most similar frames of the second, and their cosines."""
    rows, columns = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (first, second))
    cosines = rows @ columns.T
    some = np.unique(np.linspace(0, len(rows) - 1, _ALIGNED).round().astype(int))
    nearest = cosines[some].argmax(axis=1)
    return some, nearest, cosines[some, nearest]


def _draw_each(video: Video, indices: np.ndarray, folder: Path, side: str) -> None:
    """Small pictures of frames, of which one may be there several times, by their places."""
    drawn = folder / f".{side}.jpg"
    for frame in _drawn(video, indices, lambda _: drawn):
        for place in np.flatnonzero(indices == frame.index):
            shutil.copyfile(drawn, folder / f"{place}-{side}.jpg")
    drawn.unlink(missing_ok=True)


if __name__ == "__main__":
    keep_compilations()
    answer_requests(_answer)
