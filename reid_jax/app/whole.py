"""Whether what was dropped on a page is whole: a file for each photo, as it came."""

import sqlite3
from pathlib import Path

from reid_jax.app.arrivals import Arrivals
from reid_jax.app.places import Places
from reid_jax.files import digest_of

_GONE = ("there", "refused")  # states without a file


def check_waiting(places: Places) -> tuple[int, list[str]]:
    """Reads what a server keeps of photos, and the file of each; a server may run meanwhile.

    Returns:
      How many photos are not in the gallery yet; sentences about what is wrong.

    Raises:
      UserError: it cannot be read at all.
    """
    if not places.arrivals.is_file():
        return 0, []
    wrong = _damage(places.arrivals)
    if wrong:
        return 0, wrong
    arrivals = Arrivals(places.arrivals)
    try:
        some = [one for one in arrivals.latest("photo", 10**9) if one.state not in _GONE]
        for one in some:
            said = f"{one.name} ({places.dropped('photo', one.id, one.ending).name})"
            try:
                with open(places.dropped("photo", one.id, one.ending), "rb") as file:
                    same = digest_of(file).decode() == one.id
            except OSError:
                if arrivals.one(one.id) is not None:  # else somebody took it off the list
                    wrong.append(f"{said} was dropped and is not there")
                continue
            if not same:
                wrong.append(f"{said} has another content than when it was dropped")
    finally:
        arrivals.close()
    return sum(one.state != "filed" for one in some), wrong


def _damage(file: Path) -> list[str]:
    """What SQLite itself finds wrong in a file."""
    try:
        base = sqlite3.connect(file, timeout=30)
        try:
            said = [row[0] for row in base.execute("PRAGMA quick_check(3)")]
        finally:
            base.close()
    except sqlite3.Error as error:
        said = [str(error)]
    return [f"{file} is damaged: {each}" for each in said if each != "ok"]
