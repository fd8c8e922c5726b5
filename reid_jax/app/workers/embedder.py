"""The child program that looks photos up in a gallery: the one process that embeds for a server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.app.workers.answering import Request, Tell, answer_requests
from reid_jax.app.workers.filing import file_photos, take_out
from reid_jax.compilations import keep_compilations
from reid_jax.data.photos.given import as_pixels
from reid_jax.individuals.evidence.features import Evidence
from reid_jax.individuals.gallery.calibrating import calibrated
from reid_jax.individuals.gallery.evidence import evidence_for, features_asked
from reid_jax.individuals.gallery.identify import Answer, look_up
from reid_jax.individuals.gallery.members import model_of
from reid_jax.individuals.gallery.mending.boxes import Drawn, draw_box
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.value import Gallery
from reid_jax.individuals.model import TrainedModel

_LINES = 40  # points of a pair that are drawn


class _Embedder:
    """A network and the gallery that it built; both are read again where they have changed."""

    def __init__(self) -> None:
        self._opened: tuple[Path, Gallery, TrainedModel, Evidence] | None = None

    def answer(self, request: Request, tell: Tell) -> Request:
        """Looks `photos` up in `gallery`; without photos it compiles what that takes.

        Or writes decisions to it (`file`), takes a photo out again (`take_back`), or draws a `box`.

        Raises:
          UserError: the gallery, its run or a photo cannot be used.
        """
        del tell
        if "file" in request:
            file_photos(Path(request["gallery"]), request["file"])
            return {}
        if "take_back" in request:
            take_out(Path(request["gallery"]), request["take_back"], request["who"])
            return {}
        gallery, model, evidence = self._open(Path(request["gallery"]))
        if "box" in request:
            drawn, folder = Drawn(**request["box"]), Path(request["gallery"])
            return {"number": draw_box(folder, drawn, request["who"], model=model)}
        paths: list[str] = request["photos"]
        if not paths:
            size, channels = model.config.data.embedded_size, model.config.data.channels
            model.embed(np.zeros((1, size, size, channels), np.uint8))
            return {
                "individuals": len(np.unique(gallery.identities)),
                "evidence": evidence,
                "margin": model.config.data.reading.margin,
            }
        answers = self._answers(gallery, model, evidence, paths)
        return {"answers": [_as_json(answer, gallery) for answer in answers]}

    def _open(self, folder: Path) -> tuple[Gallery, TrainedModel, Evidence]:
        gallery = read_gallery(folder, thumbnails=False)
        if self._opened is not None:
            place, before, model, evidence = self._opened
            now = gallery.folder, gallery.position
            if place == folder and now == (before.folder, before.position):
                return before, model, evidence
            same = before.settings["fingerprint"] == gallery.settings["fingerprint"]
            if place != folder or not same:
                self._opened = None
        gallery = calibrated(gallery)
        model = model_of(folder, gallery, None) if self._opened is None else self._opened[2]
        evidence = evidence_for(gallery, None)
        self._opened = folder, gallery, model, evidence
        return gallery, model, evidence

    def _answers(
        self, gallery: Gallery, model: TrainedModel, evidence: Evidence, paths: Sequence[str]
    ) -> Sequence[Answer]:
        size, channels = model.config.data.embedded_size, model.config.data.channels
        pixels = np.stack([as_pixels(path, size, channels) for path in paths])
        local = None if evidence == "none" else features_asked(gallery, paths)
        return look_up(gallery, paths, model.embed(pixels), "max", "exact", evidence, local)


def _as_json(answer: Answer, gallery: Gallery) -> dict[str, Any]:
    """An answer, its candidates with the paths of their photos and the points that agree."""
    return {
        "verdict": answer.verdict,
        "text": answer.text,
        "candidates": [
            {
                "name": candidate.identity,
                "probability": candidate.probability,
                "score": candidate.score,
                "path": str(gallery.paths[candidate.photo]),
                "points": candidate.points,
                "agreement": None
                if candidate.agreement is None
                else np.round(candidate.agreement[:_LINES].astype(float), 4).tolist(),
            }
            for candidate in answer.candidates
        ],
    }


if __name__ == "__main__":
    keep_compilations()
    answer_requests(_Embedder().answer)
