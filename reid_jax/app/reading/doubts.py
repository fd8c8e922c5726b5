"""Names that are worth a look: found by a child program, less what was decided since."""

import threading
from collections.abc import Mapping
from typing import Any

from reid_jax.app.holdings import Held, Holdings
from reid_jax.app.logs import Log
from reid_jax.app.places import Places
from reid_jax.app.reading.shelf import Shelf
from reid_jax.app.workers.children import Child, ChildError
from reid_jax.errors import UserError
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.journal.entries import CONFIRMED, LINK, pair, photo

_PATIENCE = 3600.0  # seconds


class Doubts:
    """Looks for doubts when somebody asks, and again when those that were found are decided.

    Args:
      shelf: the gallery.
    """

    def __init__(self, shelf: Shelf, places: Places, log: Log) -> None:
        self._shelf, self._places, self._log = shelf, places, log
        self._alone = threading.Lock()
        self._looking: Child | None = None
        self._found: dict[str, Any] | None = None
        self._trouble = ""

    def listed(self, *, again: bool = False) -> dict[str, Any]:
        """What is open now, worth the most first.

        Args:
          again: whether to look anew, also where something is open.

        Returns:
          "doubts", each with the "kind", "photo", "other" (as pages know photos), "name" and
          "other_name", how many "photos" and "other_photos" these have, "dates" and the "chance";
          whether it is "looking"; the "position" of the gallery; "why" and "trouble".
        """
        holdings = self._shelf.holdings()
        found = self._found
        open_now = [] if found is None else self._open(found, holdings)
        stale = found is None or found["position"] != holdings.position
        if stale and (again or not open_now):
            self._look()
        return {
            "doubts": open_now,
            "looking": self._looking is not None,
            "position": holdings.position,
            "why": "" if found is None else found["why"],
            "trouble": self._trouble,
        }

    def close(self) -> None:
        """Ends who looks."""
        looking = self._looking
        if looking is not None:
            looking.close()

    def _look(self) -> None:
        with self._alone:
            if self._looking is not None:
                return
            self._looking = Child("reid_jax.app.workers.doubter", self._places.child_log, 10)
        threading.Thread(target=self._work, args=(self._looking,), daemon=True).start()

    def _work(self, child: Child) -> None:
        try:
            self._found = child.ask({"gallery": str(self._shelf.folder)}, _PATIENCE)
            self._trouble = ""
        except (UserError, ChildError) as error:
            self._trouble = str(error)
            self._log.write("trouble", error=type(error).__name__)
        finally:
            child.close()  # it holds the gallery, and is not needed for long
            self._looking = None

    def _open(self, found: Mapping[str, Any], holdings: Holdings) -> list[dict[str, Any]]:
        """Doubts about photos that have the names that they had, and that nobody spoke of since."""
        said = {
            (change.subject, change.attribute): change.after
            for entry in Decisions(self._shelf.folder).read_since(found["position"])
            for change in entry.changes
            if change.attribute in (CONFIRMED, LINK)
        }
        shown = []
        for each in found["doubts"]:
            one, other = holdings.known.get(each["photo"]), holdings.known.get(each["other"])
            if one is None or other is None:
                continue
            names = one.individual, other.individual
            linked = said.get((pair(each["photo"], each["other"]), LINK))
            confirmed = said.get((photo(each["photo"]), CONFIRMED))
            decided = linked or (confirmed if each["kind"] == "photo" else None)
            if names == (each["name"], each["other_name"]) and not decided:
                shown.append({**each, **_shown(one, other, holdings)})
        return shown


def _shown(one: Held, other: Held, holdings: Holdings) -> dict[str, Any]:
    dates = [None if each.date is None else each.date.date().isoformat() for each in (one, other)]
    return {
        "photo": one.id,
        "other": other.id,
        "dates": dates,
        "photos": len(holdings.individuals[one.individual].photos),
        "other_photos": len(holdings.individuals[other.individual].photos),
    }
