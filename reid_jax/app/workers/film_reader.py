"""The child program that finds keyframes of films and compares films."""

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.app.workers.answering import Request, Tell, answer_requests
from reid_jax.compilations import keep_compilations
from reid_jax.data.videos.frames import indices_at_rate
from reid_jax.data.videos.open import open_video
from reid_jax.data.videos.walk import features_at
from reid_jax.keyframes.ensemble import Ensemble, load_ensemble
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


def _answer(request: Request, tell: Tell) -> Request:
    """Keyframes of `path` into `folder` by `run`; or `first` and `second` compared by it.

    Raises:
      UserError: a run or a film cannot be used.
    """
    del tell
    run = Path(request["run"])
    if "path" in request:
        return _keyframes(Path(request["path"]), Path(request["folder"]), run)
    return _compared(Path(request["first"]), Path(request["second"]), run)


@cache
def _ensemble(run: Path) -> Ensemble:
    return load_ensemble([run])


def _keyframes(path: Path, folder: Path, run: Path) -> Request:
    runs = _ensemble(run)
    described = describe(path, runs.encoder, runs.rate)
    found = find_keyframes(runs, described, Choice())
    with new_folder(folder.parent) as new:
        write_keyframes(found, new, runs, digest=folder.name, clip=True)
        shutil.rmtree(folder, ignore_errors=True)
        replace(new, folder)
    return {
        "keyframes": len(found.chosen),
        "scenes": len(described.scenes),
        "seconds": float(described.video.times[-1]),
        "problem": described.video.problem or "",
    }


@cache
def _similarity(run: Path) -> tuple[SimilarityRun, Any]:
    found = load_similarity_run(run)
    return found, encoder_of_run(found)


def _compared(first: Path, second: Path, run: Path) -> Request:
    similarity, encoder = _similarity(run)
    clips, times = [], []
    for path in (first, second):
        video = open_video(path, _RATE)
        picks = indices_at_rate(video.times, _RATE)
        looking = Looking(encoder)
        clips.append(Clip(features_at(video, picks, looking), looking.looks))
        times.append(video.times[picks])
    features, looks = zip(*clips, strict=True)
    [pair] = compare_clips(similarity, features, looks)
    calibration = similarity.judge.calibration
    shares = calibration.as_alike(pair["alike"]) if calibration else None
    return {
        "verdict": pair["verdict"],
        "alike": pair["alike"],
        "different_as_alike": shares[0] if shares else None,
        "copies_less_alike": shares[1] if shares else None,
        "about": calibration.about if calibration else "",
        "aligned": _aligned(*features, *times),
    }


def _aligned(
    first: np.ndarray, second: np.ndarray, times: np.ndarray, others: np.ndarray
) -> list[list[float]]:
    """Seconds in the first film, of the most similar frame of the second, and their cosine."""
    rows, columns = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (first, second))
    cosines = rows @ columns.T
    some = np.unique(np.linspace(0, len(rows) - 1, _ALIGNED).round().astype(int))
    return [
        [float(times[row]), float(others[nearest]), float(cosines[row, nearest])]
        for row, nearest in zip(some, cosines[some].argmax(axis=1), strict=True)
    ]


if __name__ == "__main__":
    keep_compilations()
    answer_requests(_answer)
