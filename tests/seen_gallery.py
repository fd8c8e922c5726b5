"""A gallery of individuals that were seen over three years, for what reports say of it."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from reid_jax.individuals.gallery.decisions import NO_ANIMAL, Decisions
from reid_jax.individuals.gallery.store import write_gallery
from reid_jax.individuals.gallery.value import DIGEST, Gallery, as_column

INDIVIDUALS, PHOTOS, SIZE = 24, 7, 16
CONFIRMED = (0, 1, 30)
"""Photos that somebody confirms."""

MARKED = 40
NO_DATES = (3, 50, 51)


def name_of(number: int) -> str:
    """Of an individual; the last one is a group that nobody has named, two are of odd letters."""
    odd = {3: "=1+1", 4: "Zoë; */ <b>", INDIVIDUALS - 1: "group 7"}
    return odd.get(number, f"animal {number}")


def seen(photos: Path = Path("/photos")) -> Gallery:
    """Photos with dates, places, sides and sexes, and embeddings that mostly tell them apart."""
    rng = np.random.default_rng(5)
    number = INDIVIDUALS * PHOTOS
    who = np.repeat(np.arange(INDIVIDUALS), PHOTOS)
    centres = rng.normal(size=(INDIVIDUALS, SIZE))
    embeddings = centres[who] + 0.55 * rng.normal(size=(number, SIZE))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    days = np.sort(rng.integers(0, 1000, number).reshape(INDIVIDUALS, PHOTOS), axis=1).ravel()
    dates = np.datetime64("2018-12-15T08:00:00") + days.astype("timedelta64[D]")
    dates[list(NO_DATES)] = np.datetime64("NaT")
    places = rng.integers(0, 3, number)
    north = 47 + 0.01 * places + 1e-4 * rng.random(number)
    east = 8.5 + 0.01 * places + 1e-4 * rng.random(number)
    placed = rng.random(number) < 0.5
    sexes = np.array(["female", "male", ""])
    return Gallery(
        paths=np.array([f"{photos}/{n}.jpg" for n in range(number)], object),
        identities=np.array([name_of(one) for one in who], object),
        columns={
            "date": dates.astype("datetime64[s]"),
            "orientation": np.array(["left", "right", ""])[rng.integers(0, 3, number)],
            "place": np.array(["North Bay", "cove", ""])[places],
            "sex": sexes[who % 3],
            "latitude": as_column("latitude", np.where(placed, north, np.nan)),
            "longitude": as_column("longitude", np.where(placed, east, np.nan)),
            DIGEST: np.array([f"{n:016d}{n:016d}" for n in range(number)]),
        },
        embeddings=embeddings.astype(np.float32),
        thumbnails=np.array([_picture(one) for one in who], object),
        settings={
            "fingerprint": "none",
            "run": "/no run",
            "run_relative": "",
            "metric": "cosine",
            "sources": ["folder:photos"],
            "built": "",
        },
    )


def _picture(seed: int) -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(small).resize((160, 120), Image.Resampling.BICUBIC).save(stream, "jpeg")
    return stream.getvalue()


def write_photos(folder: Path) -> Path:
    """Files of all photos, to be looked at."""
    folder.mkdir()
    for number in range(INDIVIDUALS * PHOTOS):
        (folder / f"{number}.jpg").write_bytes(_picture(number // PHOTOS))
    return folder


def write_seen(folder: Path, photos: Path = Path("/photos")) -> Path:
    """Writes it, and decides about some photos."""
    write_gallery(folder, seen(photos))
    decisions = Decisions(folder, who="ann")
    for number in CONFIRMED:
        decisions.confirm(f"{number:016d}", name_of(number // PHOTOS))
    decisions.mark([f"{MARKED:016d}"], NO_ANIMAL)
    return folder
