"""`serve demo`: a gallery of drawn animals that is made while its page is open already."""

import shutil
from pathlib import Path

from reid_jax.app.arrivals import Arrivals
from reid_jax.app.places import Places
from reid_jax.app.site import Progress
from reid_jax.app.workers.children import Child, ChildError
from reid_jax.errors import UserError
from reid_jax.files import digest_of
from reid_jax.individuals.gallery.stored.layout import is_gallery

_PATIENCE = 1800.0  # seconds


class Demo:
    """Makes the gallery of a folder, and drops new photos into the inbox."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def gallery(self) -> Path:
        """Where the gallery will be."""
        return self.folder / "gallery"

    def __call__(self, places: Places, arrivals: Arrivals, progress: Progress) -> None:
        """Makes what is missing; `progress` says how far it is.

        Raises:
          UserError: it cannot be made.
        """
        if is_gallery(self.gallery) and arrivals.numbers("photo"):
            return
        child = Child("reid_jax.app.workers.demo_maker", places.child_log)

        def told(facts: dict[str, object]) -> None:
            for name in ("words", "done", "total", "numbers"):
                setattr(progress, name, facts.get(name, getattr(Progress(""), name)))

        try:
            found = child.ask({"folder": str(self.folder.resolve())}, _PATIENCE, told)
        except ChildError as error:
            raise UserError(f"The demo could not be made: {error}.") from error
        finally:
            child.close()
        for path in map(Path, found["photos"]):
            with open(path, "rb") as file:
                id = digest_of(file).decode()
            with places.incoming() as (temporary, copy):
                with open(path, "rb") as file:
                    shutil.copyfileobj(file, copy)
                places.keep(copy, temporary, places.dropped("photo", id, ".jpg"))
            arrivals.add(id, "photo", path.name, ".jpg", path.stat().st_size)
