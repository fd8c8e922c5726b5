"""The child program that looks for names of a gallery that are worth a look."""

from pathlib import Path

from reid_jax.app.workers.answering import Request, Tell, answer_requests
from reid_jax.compilations import keep_compilations
from reid_jax.individuals.gallery.mending.doubts import find_doubts


def _answer(request: Request, tell: Tell) -> Request:
    """The doubts about `gallery`: photos by how it knows them.

    Raises:
      UserError: the gallery cannot be used.
    """
    del tell
    found = find_doubts(Path(request["gallery"]))
    ids, names = found.gallery.known_ids, found.gallery.identities
    return {
        "position": found.gallery.position,
        "why": found.why,
        "doubts": [
            {
                "kind": each.kind,
                "photo": str(ids[each.photo]),
                "other": str(ids[each.other]),
                "name": str(names[each.photo]),
                "other_name": str(names[each.other]),
                "score": each.score,
                "chance": each.chance,
                "worth": each.worth,
            }
            for each in found.doubts
        ],
    }


if __name__ == "__main__":
    keep_compilations()
    answer_requests(_answer)
