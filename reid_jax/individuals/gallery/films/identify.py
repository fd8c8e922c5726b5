"""Who is in a film: one answer for each track, with when it is seen."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from reid_jax.console import Bar, clock, counted
from reid_jax.data.crops import BadBoxError, Box
from reid_jax.data.photos.blank import without_content
from reid_jax.data.photos.images import MINIMUM_SIDE, resize
from reid_jax.data.videos.frames import Video, indices_at_rate
from reid_jax.data.videos.open import is_film, open_video
from reid_jax.errors import UserError
from reid_jax.files import as_text, expanded
from reid_jax.individuals.evidence.features import Evidence
from reid_jax.individuals.gallery.calibrating import calibrated, calibration_of, of_side
from reid_jax.individuals.gallery.evidence import evidence_for, features_asked
from reid_jax.individuals.gallery.films.boxes import FilmBoxes, read_boxes
from reid_jax.individuals.gallery.films.tracks import linked
from reid_jax.individuals.gallery.identify import Identification, Index, look_up
from reid_jax.individuals.gallery.members import model_of
from reid_jax.individuals.gallery.pictures import LARGE_SIDE, jpeg
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.model import TrainedModel
from reid_jax.ops.ranking.individuals import Rule
from reid_jax.weights.scenes import SIZE, new_detector, scenes_from_cuts

RATE = 2.0
"""Frames a second that are looked at where no boxes say which."""

_BATCH = 64  # crops that are embedded at a time
_LARGEST = 2048  # pixels a side of what is kept of a best frame


@dataclass(frozen=True)
class Track:
    """What is one answer.

    Attributes:
      film: it.
      start, end: seconds.
      frames: how many were looked at.
      best: the frame most like all of them, by its number.
      best_time: its seconds.
      boxed: whether boxes say where the animal is.
      number: of the track in the film, from 1.
    """

    film: Path
    start: float
    end: float
    frames: int
    best: int
    best_time: float
    boxed: bool
    number: int

    @property
    def name(self) -> str:
        """By which it is called: `film.mp4#t=1.5,4&track=2` (W3C Media Fragments 1.0, 4.2.1)."""
        track = f"&track={self.number}" if self.boxed else ""
        times = ",".join(f"{time:.2f}".rstrip("0").rstrip(".") for time in (self.start, self.end))
        return f"{as_text(self.film)}#t={times}{track}"


@dataclass
class _Looked:
    """What was seen in a film.

    Attributes:
      frames, boxes: (N,) of each crop its frame, and its box; None for all of a frame.
      places: (N, 4) left, top, width and height of it as parts of the frame.
      blocks: embeddings, (b, D) each.
      cuts: frames that begin a scene.
      skipped: (where, why) of boxes that show nothing.
    """

    frames: list[int] = field(default_factory=list)
    boxes: list[Box | None] = field(default_factory=list)
    places: list[tuple[float, float, float, float]] = field(default_factory=list)
    blocks: list[np.ndarray] = field(default_factory=list)
    cuts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    skipped: list[tuple[str, str]] = field(default_factory=list)


def films_among(photos: Sequence[str], boxes: Path | None, index: Index) -> list[Path]:
    """The films, where films are named.

    Raises:
      UserError: photos are named beside them, or what cannot be is asked of one or the other.
    """
    films = [film for film in map(expanded, photos) if is_film(film)]
    if films and (len(films) < len(photos) or index != "exact"):
        raise UserError("Films are looked up without photos beside them, and by --index exact.")
    if boxes is not None and not films:
        raise UserError("--boxes is of films; boxes of photos are given as megadetector:FILE.")
    return films


def identify_films(
    folder: Path,
    films: Sequence[Path],
    boxes: Path | None = None,
    *,
    workdir: Path | None = None,
    rule: Rule = "max",
    strangers: float | None = None,
    evidence: Evidence | None = None,
    side: str = "",
) -> tuple[Identification, list[Track], list[str]]:
    """Looks the tracks of films up in a gallery.

    The mean of the embeddings of a track is compared, and local features of its best frame.

    Args:
      folder: of the gallery.
      boxes: a file of boxes in the frames, see `read_boxes`; without, a scene is one track.
      workdir, rule, strangers, evidence, side: see
        `reid_jax.individuals.gallery.identify.identify`.

    Returns:
      The answers; the track of each, in their order; and sentences about how they were found.

    Raises:
      UserError: the gallery, its run, the boxes or each of the films cannot be used.
    """
    whole = read_gallery(folder, thumbnails=False)
    gallery = of_side(whole, side, strangers) if side else calibrated(whole, strangers)
    model = model_of(folder, gallery, workdir)
    kind = evidence_for(gallery, evidence)
    cosine = gallery.settings["metric"] == "cosine"
    tracks, means, shown = list[Track](), list[np.ndarray](), list[np.ndarray]()
    skipped, notes = list[tuple[str, str]](), list[str]()
    for film in films:
        try:
            video = open_video(film)
            said = None
            if boxes is not None:
                said = read_boxes(boxes, film, len(video.times), model.config.data.reading)
                notes += said.notes
                skipped += said.skipped
            looked, scenes_by = _look(video, said, model)
        except UserError as error:
            if len(films) == 1:
                raise
            skipped.append((str(film), str(error).rstrip(".")))
            continue
        found = _tracks(video, looked, cosine, boxed=said is not None)
        how = f"a scene is one track, as no boxes are given (scenes by {scenes_by})"
        if said is not None:
            how = f"boxes of following frames are linked (scenes by {scenes_by})"
        notes.append(f"{film.name}: {counted(len(found), 'track')}; {how}")
        skipped += looked.skipped
        tracks += [track for track, _, _ in found]
        means += [mean for _, mean, _ in found]
        shown += _drawn(video, [(track.best, box) for track, _, box in found])
    names = [track.name for track in tracks]
    local = features_asked(gallery, shown) if names and kind != "none" else None
    answers = look_up(gallery, names, np.stack(means), rule, "exact", kind, local) if names else ()
    identification = Identification(
        gallery=gallery,
        folder=folder,
        rule=rule,
        calibration=calibration_of(gallery, rule, kind),
        answers=answers,
        skipped=tuple(skipped),
        evidence=kind,
        side=side,
        elsewhere=len(set(whole.identities.tolist()) - set(gallery.identities.tolist())),
        pictures={name: _picture(each) for name, each in zip(names, shown, strict=True)},
    )
    return identification, tracks, notes


def _look(video: Video, said: FilmBoxes | None, model: TrainedModel) -> tuple[_Looked, str]:
    """Decodes a film once, embeds what it shows, and finds its cuts; and what found these.

    Raises:
      UserError: nothing of it can be used.
    """
    data, detector, looked = model.config.data, new_detector(), _Looked()
    wanted: set[int] = (
        set() if said is not None else set(indices_at_rate(video.times, RATE).tolist())
    )
    waiting: list[np.ndarray] = []
    seen: list[int] = []
    with Bar(video.path.name, len(video.times), "frames") as bar:
        for frame in video.frames():
            detector.add(frame.draw(SIZE))
            seen.append(frame.index)
            bar.update(frame.index + 1)
            boxes: Sequence[Box | None] = () if said is None else said.boxes.get(frame.index, ())
            if said is None and frame.index in wanted:
                boxes = (None,)
            pixels = frame.draw(None) if boxes else None
            for box in boxes:
                assert pixels is not None
                part, why = _part(pixels, box)
                if part is None:
                    looked.skipped.append((f"{video.path.name}, frame {frame.index}", why))
                    continue
                waiting.append(resize(part, data.embedded_size, data.channels))
                looked.frames.append(frame.index)
                looked.boxes.append(box)
                looked.places.append(_place(box, pixels))
            if len(waiting) >= _BATCH:
                looked.blocks.append(model.embed(np.stack(waiting)))
                waiting = []
    if waiting:
        looked.blocks.append(model.embed(np.stack(waiting)))
    if not looked.blocks:
        _, why = (looked.skipped or [("", "no frame can be decoded")])[0]
        raise UserError(f"{video.path} shows nothing that can be looked up ({why}).")
    looked.cuts = np.array(seen, np.int64)[detector.cuts()]
    return looked, detector.name


def _part(pixels: np.ndarray, box: Box | None) -> tuple[np.ndarray | None, str]:
    """What is to be seen; None and why where it is nothing."""
    part = pixels
    if box is not None:
        try:
            left, top, right, bottom = box.pixels(pixels.shape[1], pixels.shape[0])
        except BadBoxError as error:
            return None, str(error)
        if min(right - left, bottom - top) < MINIMUM_SIDE:
            return None, f"its box is {right - left} x {bottom - top} pixels"
        part = pixels[top:bottom, left:right]
    why = without_content(part)
    return (None, why) if why else (part, "")


def _place(box: Box | None, pixels: np.ndarray) -> tuple[float, float, float, float]:
    if box is None:
        return 0.0, 0.0, 1.0, 1.0
    high, wide = (100.0, 100.0) if box.percent else map(float, pixels.shape[:2])
    return box.x / wide, box.y / high, box.width / wide, box.height / high


def _tracks(
    video: Video, looked: _Looked, cosine: bool, *, boxed: bool
) -> list[tuple[Track, np.ndarray, Box | None]]:
    """The tracks of a film, each with its mean embedding and the box of its best frame."""
    z, frames = np.concatenate(looked.blocks), np.array(looked.frames, np.int64)
    times = video.times[frames]
    if boxed:
        rows = linked(frames, times, np.array(looked.places), z, looked.cuts)
    else:
        scenes = scenes_from_cuts(looked.cuts, len(video.times))
        inside = [np.flatnonzero((frames >= a) & (frames <= b)) for a, b in scenes.tolist()]
        rows = [each for each in inside if len(each)]
    found = []
    for number, theirs in enumerate(rows, 1):
        mean, best = _mean(z[theirs], cosine)
        row = int(theirs[best])
        start, end = float(times[theirs[0]]), float(times[theirs[-1]])
        if not boxed:
            [(first, last)] = [(a, b) for a, b in scenes.tolist() if a <= frames[row] <= b]
            start, end = float(video.times[first]), float(video.times[last])
        track = Track(
            *(video.path, start, end, len(theirs), int(frames[row]), float(times[row])),
            boxed,
            number,
        )
        found.append((track, mean, looked.boxes[row]))
    return found


def _mean(z: np.ndarray, cosine: bool) -> tuple[np.ndarray, int]:
    """The mean of embeddings ``(F, D)``, of their directions where these count; the one nearest."""
    if cosine:
        z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
    mean = z.mean(axis=0)
    if cosine:
        mean = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return mean.astype(np.float32), int(np.argmin(np.linalg.norm(z - mean, axis=1)))


def _drawn(video: Video, wanted: Sequence[tuple[int, Box | None]]) -> list[np.ndarray]:
    """What tracks show in their best frames, in their order."""
    numbers = sorted({frame for frame, _ in wanted})
    found: dict[int, np.ndarray] = {}
    for frame in video.frames_at(numbers):
        number = min(numbers, key=lambda each: abs(each - frame.index))
        pixels = frame.draw(None)
        for place, (theirs, box) in enumerate(wanted):
            if theirs == number:
                part, _ = _part(pixels, box)
                found[place] = _smaller(pixels if part is None else part)
    return [found[place] for place in range(len(wanted))]


def _smaller(pixels: np.ndarray) -> np.ndarray:
    """A copy of at most so many pixels a side: the frame that it may be a part of is let go."""
    step = max(1, -(-max(pixels.shape[:2]) // _LARGEST))
    return np.ascontiguousarray(pixels[::step, ::step])


def _picture(pixels: np.ndarray) -> bytes:
    return jpeg(resize(pixels, LARGE_SIDE, 3), pixels.shape[1] / pixels.shape[0])


def tracks_text(tracks: Sequence[Track], answers: Sequence[str], notes: Sequence[str]) -> str:
    """The answer for each track in a line, with when it is seen."""
    lines = list(notes)
    for track, answer in zip(tracks, answers, strict=True):
        frames = counted(track.frames, "frame")
        lines.append(
            f"{track.film.name} {clock(track.start)} - {clock(track.end)}: {answer} "
            f"({frames}, the best at {clock(track.best_time)})"
        )
    return "\n".join(lines)
