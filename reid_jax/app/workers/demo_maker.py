"""The child program of `serve demo`: draws animals, trains a small network on others, builds.

What it leaves is what a person would have: photos in folders, a run, a gallery, and new photos.
"""

import csv
import dataclasses
import io
import json
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax import configurations
from reid_jax.app.workers.answering import Request, Tell, answer_requests
from reid_jax.compilations import keep_compilations
from reid_jax.data.photos import Dataset
from reid_jax.data.photos.synthetic import synthetic_dataset
from reid_jax.files import atomic_write, make_folder, write_text
from reid_jax.individuals.gallery import members
from reid_jax.meanwhile import every
from reid_jax.questions import train

_NAMES = (
    *("Alba", "Bruno", "Cleo", "Dara", "Enzo", "Fina", "Gil", "Hana", "Ivo", "Juno", "Kaya"),
    *("Lio", "Mina", "Nilo", "Olga", "Pepe"),
)
_STRANGERS = 3  # individuals that are on new photos alone
_KNOWN, _NEW = 6, 2  # photos of each in the gallery, and new ones
_SIDE = 480  # pixels: the drawings are smaller
_TRAINING = "synthetic:64x8"
_SEED = 11  # of the drawings, other ones than those of the training
_SECONDS = 45.0
_LOOK = 0.3  # seconds
_STEPS = 2_000  # more than these seconds are enough for
_DETAILS, _TAKEN = 0x8769, 0x9003


def _answer(request: Request, tell: Tell) -> Request:
    """Makes all of it in `folder`; returns `photos`, the new ones."""
    folder = Path(request["folder"])
    run, gallery, photos, new = (folder / name for name in ("run", "gallery", "photos", "new"))
    if not (folder / "drawn").is_file():
        tell({"words": "drawing animals"})
        for place in (photos, new):
            shutil.rmtree(place, ignore_errors=True)
        _draw(photos, new)
        write_text(folder / "drawn", "")
    if not (folder / "trained").is_file():
        shutil.rmtree(run, ignore_errors=True)
        _train(run, tell)
        write_text(folder / "trained", "")
    tell({"words": "building the gallery"})
    members.build(run, f"csv:{photos / 'photos.csv'}", gallery)
    return {"photos": sorted(str(path) for path in new.iterdir())}


def _draw(photos: Path, new: Path) -> None:
    drawn = synthetic_dataset(len(_NAMES) + _STRANGERS, _KNOWN + _NEW, seed=_SEED)
    rows = []
    for place in range(len(drawn)):
        who, number = divmod(place, _KNOWN + _NEW)
        if who < len(_NAMES) and number < _KNOWN:
            name = _NAMES[who]
            path = photos / name / f"{name} {number + 1}.jpg"
            rows.append([f"{name}/{path.name}", name, str(drawn.columns["date"][place])])
        elif number >= _KNOWN:
            path = new / f"DSC_{1000 + place * 37 % 997:04d}.jpg"
        else:
            continue
        make_folder(path.parent)
        _write(path, drawn, place)
    text = io.StringIO()
    csv.writer(text).writerows([["path", "identity", "date"], *rows])
    write_text(photos / "photos.csv", text.getvalue())


def _write(path: Path, drawn: Dataset, place: int) -> None:
    from PIL import Image

    assert drawn.pixels is not None
    picture = Image.fromarray(drawn.pixels[place])
    picture = picture.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    facts = Image.Exif()
    date = drawn.columns["date"][place].item()
    facts.get_ifd(_DETAILS)[_TAKEN] = date.strftime("%Y:%m:%d %H:%M:%S")
    with atomic_write(path) as file:
        picture.save(file, format="jpeg", quality=90, exif=facts)


def _train(run: Path, tell: Tell) -> None:
    tell({"words": "drawing other animals to train on"})
    config = configurations.get("demo")
    every = _STEPS
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, source=_TRAINING, batch_size=32),
        train=dataclasses.replace(
            config.train, steps=_STEPS, log_every=5, evaluate_every=every, checkpoint_every=every
        ),
    )
    with _watching(run / "metrics.jsonl", tell):
        train(config, run)


@contextmanager
def _watching(metrics: Path, tell: Tell) -> Iterator[None]:
    """Tells the losses as they are written, and ends the training when its time is over."""
    default = signal.getsignal(signal.SIGTERM)
    started: float | None = None
    over = False

    def look() -> None:
        nonlocal started, over
        if over or signal.getsignal(signal.SIGTERM) is default:
            return
        started = started or time.monotonic()
        passed = time.monotonic() - started
        facts: dict[str, Any] = {"words": "training a small network", "total": _SECONDS}
        tell({**facts, "done": min(passed, _SECONDS), "numbers": losses(metrics)})
        if passed >= _SECONDS:
            over = True
            signal.raise_signal(signal.SIGTERM)

    with every(_LOOK, look):
        yield


def losses(metrics: Path) -> list[list[float]]:
    """Step and loss of each row of the log."""
    try:
        lines = metrics.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            row = json.loads(line)
            found.append([float(row["step"]), float(row["loss"])])
        except (ValueError, KeyError):  # being written, or of a validation
            continue
    return [point for point in found if np.isfinite(point).all()]


if __name__ == "__main__":
    keep_compilations()
    answer_requests(_answer)
