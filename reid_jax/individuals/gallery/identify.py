"""Who is on these photos? Candidates with probabilities, or "unknown", or that it is too close."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from reid_jax.data.names import UNKNOWN, is_nobody
from reid_jax.data.parallel import parallel_map
from reid_jax.data.photos.asked import list_photos, where_of
from reid_jax.data.photos.blank import without_content
from reid_jax.data.photos.folder import Found
from reid_jax.data.photos.given import Photo, Photos, as_pixels, each_photo, is_path
from reid_jax.data.photos.images import BadImageError
from reid_jax.data.photos.reading import Reading
from reid_jax.errors import UserError
from reid_jax.files import as_text, common_folder
from reid_jax.individuals.calibration import CANDIDATES, Calibration, Verdict
from reid_jax.individuals.evidence.features import Evidence
from reid_jax.individuals.evidence.local import Local
from reid_jax.individuals.evidence.pairs import Searched
from reid_jax.individuals.evidence.search import matches
from reid_jax.individuals.gallery.approximate import ApproximateSearch
from reid_jax.individuals.gallery.calibrating import calibrated, calibration_of, of_side
from reid_jax.individuals.gallery.evidence import (
    compared,
    evidence_for,
    features_asked,
    fusion_of,
)
from reid_jax.individuals.gallery.familiar import Familiar
from reid_jax.individuals.gallery.members import model_of
from reid_jax.individuals.gallery.reference import stored_path
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.value import Gallery
from reid_jax.individuals.model import TrainedModel
from reid_jax.individuals.search import gallery_search
from reid_jax.ops.ranking.individuals import GallerySearch, Rule

Index = Literal["exact", "faiss"]

_BLOCK = 512  # photos decoded at a time
_NEARLY = 1 / 3  # of the most probable, for what could be the answer as well


def told_apart(name: str) -> str:
    """The name of an individual, so that it is not taken for the verdict "unknown".

    New galleries have no such individual; those that were built before may have.
    """
    return f'the individual called "{name}"' if is_nobody(name) else name


@dataclass(frozen=True)
class Candidate:
    """An individual that it may be.

    Attributes:
      identity: its name.
      score: how alike, see :func:`reid_jax.ops.ranking.individuals.individual_scores`.
      probability: that it is this one; None where the gallery could not be calibrated.
      photo: row in the gallery of its most similar photo.
      agreement: ``(T, 5)`` points in which both photos agree, see
        :func:`reid_jax.individuals.evidence.search.matches`; None where nobody looked.
    """

    identity: str
    score: float
    probability: float | None
    photo: int
    agreement: np.ndarray | None = field(default=None, repr=False, compare=False)

    @property
    def points(self) -> int | None:
        """In how many points both photos agree; None where nobody looked."""
        return None if self.agreement is None else len(self.agreement)


@dataclass(frozen=True)
class Answer:
    """What is said about one photo.

    Attributes:
      path: the photo.
      verdict: see :meth:`reid_jax.individuals.calibration.Calibration.verdicts`; None where the
        gallery could not be calibrated.
      candidates: the most likely first; none where the photo is unlike those of the training.
    """

    path: str
    verdict: Verdict | None
    candidates: tuple[Candidate, ...]

    @property
    def known(self) -> bool | None:
        """Whether it is somebody of the gallery; None where that is not said."""
        return {"named": True, "unknown": False}.get(self.verdict or "")

    @property
    def named(self) -> bool:
        """Whether the first candidate is the answer, also where nothing is calibrated."""
        return self.verdict in (None, "named")

    @property
    def text(self) -> str:
        """The name, "unknown", "too close to call: A, B", or "no photo like those".

        An individual called "unknown" is told apart.
        """
        if self.verdict == "unlike":
            return "no photo like those"
        if self.verdict == "close":
            return "too close to call: " + ", ".join(self.alternatives)
        return told_apart(self.candidates[0].identity) if self.named else UNKNOWN

    @property
    def alternatives(self) -> tuple[str, ...]:
        """What it may be, the most probable first: each at least a third as probable; two or more.

        The last of them is :data:`UNKNOWN` where it may be nobody of the gallery.
        """
        chances = [candidate.probability or 0.0 for candidate in self.candidates]
        names = [told_apart(candidate.identity) for candidate in self.candidates]
        none = 1 - sum(chances)
        likely = [
            name
            for name, p in zip(names, chances, strict=True)
            if p >= _NEARLY * max(*chances, none)
        ]
        if none >= _NEARLY * max(chances) or len(names) < 2:
            return (*likely, UNKNOWN)
        if len(likely) > 1:
            return tuple(likely)
        return (names[0], names[1] if chances[1] > none else UNKNOWN)


@dataclass(frozen=True)
class Identification:
    """Answers for all photos that could be read; one can go over them, count them, take one.

    Attributes:
      gallery: what they were compared with (without its thumbnails).
      folder: where it is.
      rule: how photos of an individual were put together.
      calibration: of this rule; None where it could not be calibrated.
      answers: in the order of the photos.
      skipped: (path, reason) of each photo that could not be used.
      passed_over: how many files in folders are no photos, see :class:`reid_jax.data.Dataset`.
      root: the path of the folder that holds all that was asked for; empty where there is none.
      evidence: by what photos were compared.
      side: which the photos show; the gallery is then its photos of that side. Empty where nobody
        said.
      elsewhere: how many individuals are known from other sides alone.
      pictures: JPEGs by path, of what is no file of its own.
    """

    gallery: Gallery = field(repr=False)
    folder: Path
    rule: Rule
    calibration: Calibration | None
    answers: tuple[Answer, ...]
    skipped: tuple[tuple[str, str], ...]
    passed_over: Mapping[str, int] = field(default_factory=dict)
    root: str = ""
    evidence: Evidence = "none"
    side: str = ""
    elsewhere: int = 0
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def unit(self) -> str:
        """What each answer is about."""
        return "track" if self.pictures else "photo"

    def __len__(self) -> int:
        return len(self.answers)

    def __iter__(self) -> Iterator[Answer]:
        return iter(self.answers)

    def __getitem__(self, place: int) -> Answer:
        return self.answers[place]


def identify(
    folder: Path,
    photos: Photos,
    *,
    workdir: Path | None = None,
    rule: Rule = "max",
    index: Index = "exact",
    strangers: float | None = None,
    evidence: Evidence | None = None,
    side: str = "",
) -> Identification:
    """Looks photos up in a gallery.

    Args:
      folder: of the gallery.
      photos: files, folders with photos at any depth, tables of boxes (`data.photos.asked`); or
        see `data.photos.given`.
      workdir: where the run is, should it have moved.
      rule: see :func:`reid_jax.ops.ranking.individuals.individual_scores`.
      index: "exact" compares with all photos; "faiss" with the most promising.
      strangers: the share of photos of individuals that are not in the gallery; by default what the
        gallery assumes.
      evidence: by what photos are compared; None for what the gallery answers by, and for the
        network alone with an index other than "exact".
      side: of the animals that the photos show; they are compared with photos of that side, and
        with those whose side is not known. "" compares with all.

    Raises:
      UserError: there is no gallery, or its run is not there, or another one; or the gallery has no
        such evidence.
    """
    if index != "exact":
        if evidence not in (None, "none"):
            raise UserError(f"Evidence {evidence} is found with --index exact alone.")
        evidence = "none"
    whole = read_gallery(folder, thumbnails=False)
    gallery = of_side(whole, side, strangers) if side else calibrated(whole, strangers)
    given = list(each_photo(photos))
    model = model_of(folder, gallery, workdir)
    named, listed = _named(given, model.config.data.reading)
    skipped = listed.skipped
    kind = evidence_for(gallery, evidence)
    held = dict(named)
    readable: list[str] = []
    embedded: list[np.ndarray] = []
    for paths, pixels, bad in _decoded(named, model):
        skipped += bad
        if paths:
            readable += paths
            embedded.append(model.embed(pixels))
    answers: tuple[Answer, ...] = ()
    if readable:
        local = None if kind == "none" else features_asked(gallery, [held[p] for p in readable])
        z = np.concatenate(embedded)
        answers = look_up(gallery, readable, z, rule, index, kind, local)
    calibration = calibration_of(gallery, rule, kind)
    over = dict(listed.passed_over)
    files = [os.fspath(photo) for photo in given if is_path(photo)]
    places = [stored_path(os.path.expanduser(where_of(path))) for path in files]
    root = common_folder(
        [path if os.path.isdir(path) else os.path.dirname(path) for path in places]
    )
    return Identification(
        *(gallery, folder, rule, calibration, answers, tuple(skipped), over, root, kind),
        side=side,
        elsewhere=len(np.setdiff1d(_names(whole), _names(gallery))),
    )


def _names(gallery: Gallery) -> np.ndarray:
    return gallery.identities.astype(np.str_)


def _named(given: Sequence[Photo], reading: Reading) -> tuple[list[tuple[str, Photo]], Found]:
    """Photos with what they are called: files, those in folders included, by their paths."""
    files = [os.fspath(photo) for photo in given if is_path(photo)]
    if len(files) == len(given):
        found = list_photos(files, reading)
        return [(path, path) for path in found.files], found
    names = (str(one) if is_path(one) else f"photo {place}" for place, one in enumerate(given))
    return list(zip(names, given, strict=True)), Found()


def look_up(
    gallery: Gallery,
    paths: Sequence[str],
    embeddings: np.ndarray,
    rule: Rule,
    index: Index,
    evidence: Evidence = "none",
    local: Local | None = None,
) -> tuple[Answer, ...]:
    """The answer for each of the photos with these ``(Q, D)`` embeddings and local features."""
    names, individual = np.unique(gallery.identities, return_inverse=True)
    metric = gallery.settings["metric"]
    pairs: Searched | None = None
    search: GallerySearch | ApproximateSearch | Searched
    if local is not None:
        fused = compared(gallery, embeddings, local)
        search = pairs = fused.searched(evidence, fusion_of(gallery), individual)
    elif index == "exact":
        search = gallery_search(gallery.embeddings, individual, metric)
    else:
        search = ApproximateSearch(gallery, individual)
    queries = embeddings if pairs is None else np.arange(len(embeddings))
    scores, found = search.individuals_like(queries, CANDIDATES, rule)
    familiar_from = gallery.settings.get("familiar_from")
    unlike = np.zeros(len(paths), bool)
    if familiar_from is not None:
        unlike = Familiar(gallery).of(embeddings) < familiar_from
    calibration = calibration_of(gallery, rule, evidence)
    probability = None if calibration is None else calibration.choice(scores)
    verdicts = (
        [None] * len(paths)
        if calibration is None or probability is None
        else calibration.verdicts(probability)
    )
    photos_of = _rows_by_individual(individual, len(names))
    answers = []
    for row, path in enumerate(paths):
        if unlike[row]:
            answers.append(Answer(path, "unlike", ()))
            continue
        likely = found[row][found[row] >= 0]
        photos = [
            _most_similar(embeddings[row], gallery, photos_of[who])
            if pairs is None
            else pairs.best_photo(row, who)
            for who in likely
        ]
        candidates = tuple(
            Candidate(
                identity=str(names[who]),
                score=float(scores[row, place]),
                probability=None if probability is None else float(probability[row, place]),
                photo=photos[place],
                agreement=agreement,
            )
            for place, (who, agreement) in enumerate(
                zip(likely, _agreement(gallery, local, row, photos), strict=True)
            )
        )
        answers.append(Answer(path, verdicts[row], candidates))
    return tuple(answers)


def _agreement(
    gallery: Gallery, local: Local | None, row: int, photos: Sequence[int]
) -> list[np.ndarray] | list[None]:
    """The points in which a photo and each of these of the gallery agree."""
    if local is None or gallery.local is None:
        return [None] * len(photos)
    theirs = gallery.local.take(np.array(photos, np.int64))
    return matches(local.take(np.array([row])), theirs, CANDIDATES)


def _rows_by_individual(individual: np.ndarray, number: int) -> list[np.ndarray]:
    order = np.argsort(individual, kind="stable")
    return np.split(order, np.cumsum(np.bincount(individual, minlength=number))[:-1])


def _most_similar(query: np.ndarray, gallery: Gallery, rows: np.ndarray) -> int:
    photos = np.asarray(gallery.embeddings[rows], np.float32)
    if gallery.settings["metric"] == "cosine":
        lengths = np.maximum(np.linalg.norm(photos, axis=1), 1e-12)
        return int(rows[np.argmax(photos @ query / lengths)])
    return int(rows[np.argmin(np.linalg.norm(photos - query, axis=1))])


def _decoded(
    named: Sequence[tuple[str, Photo]], model: TrainedModel
) -> Iterator[tuple[list[str], np.ndarray, list[tuple[str, str]]]]:
    """Block by block: photos that could be read, their pixels, and the others with reasons."""
    data = model.config.data

    def read(photo: tuple[str, Photo]) -> np.ndarray | str:
        try:
            pixels = as_pixels(photo[1], data.embedded_size, data.channels)
        except BadImageError as error:
            return error.reason
        return without_content(pixels) or pixels

    for start in range(0, len(named), _BLOCK):
        block = named[start : start + _BLOCK]
        names = [name for name, _ in block]
        found = parallel_map(read, block, "Reading photos")
        good = [(p, pixels) for p, pixels in zip(names, found, strict=True) if _is_pixels(pixels)]
        bad = [(p, str(why)) for p, why in zip(names, found, strict=True) if not _is_pixels(why)]
        pixels = np.stack([pixels for _, pixels in good]) if good else np.empty(0, np.uint8)
        yield [path for path, _ in good], pixels, bad


def _is_pixels(found: np.ndarray | str) -> bool:
    return isinstance(found, np.ndarray)


def check_answered(found: Identification) -> None:
    """Raises a UserError when not a single photo could be used."""
    if found.answers:
        return
    if not found.skipped:
        raise UserError("Name the photos to identify, or folders with photos.")
    path, reason = found.skipped[0]
    of, number = f"{as_text(path)!r}: {reason}", len(found.skipped)
    what = f"None of the {number} photos could be used ({of})" if number > 1 else of
    raise UserError(f"{what}; give image files such as .jpg or .png, or folders with some.")
