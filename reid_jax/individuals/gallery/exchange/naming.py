"""Names of files and folders that every system takes, made of names in any script."""

import posixpath
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from reid_jax.data.names import UNKNOWN, composed, is_nobody
from reid_jax.individuals.gallery.exchange.content import Content
from reid_jax.individuals.gallery.journal.entries import INDIVIDUAL, MARK

_REFUSED = frozenset('<>:"/\\|?*')  # by Windows; the slash by all
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DEVICES = frozenset(
    (
        *("con", "prn", "aux", "nul", "conin$", "conout$"),
        *(f"{kind}{number}" for kind in ("com", "lpt") for number in "0123456789¹²³"),
    )
)
_LONGEST = 120  # bytes, so that a path of several stays below what Windows takes


def safe_name(name: str) -> str:
    """A name of one file or folder, as like to this one as all systems take it.

    No separator, no way up, nothing hidden, no device, no letter that turns the reading direction.
    """
    text = "".join("_" if _is_odd(letter) else letter for letter in composed(name))
    text = text.replace("..", "__").strip(" ")
    if text.startswith((".", "~")):
        text = f"_{text[1:]}"
    if text.partition(".")[0].rstrip(" ").lower() in _DEVICES:
        text = f"_{text}"
    stem, ending = posixpath.splitext(text)
    ending = _cut(ending, _LONGEST // 4)
    text = (_cut(stem, _LONGEST - len(ending.encode())) + ending).rstrip(" ")
    return f"{text[:-1]}_" if text.endswith(".") else text or "_"


def _is_odd(letter: str) -> bool:
    kind = unicodedata.category(letter)
    return letter in _REFUSED or letter in _TURNING or kind in ("Cc", "Cs", "Zl", "Zp")


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def apart(names: Sequence[str]) -> list[str]:
    """Paths that no system takes for one another; a later one has a number behind its name."""
    taken: set[str] = set()
    found = []
    for name in names:
        stem, ending = posixpath.splitext(name)
        number, one = 1, name
        while same(one) in taken:
            number += 1
            one = f"{stem} {number}{ending}"
        taken.add(same(one))
        found.append(one)
    return found


def same(name: str) -> str:
    """What two names have in common that a system may take for one."""
    return unicodedata.normalize("NFC", composed(name).casefold())


def names_below(content: Content, folder: str) -> list[str]:
    """A path below a folder for the file of each photo; parts of a photo share it."""
    files = {each.path: name for each, name in zip(content.photos, content.names, strict=True)}
    safe = ["/".join([folder, *map(safe_name, filter(None, n.split("/")))]) for n in files.values()]
    by_file = dict(zip(files, apart(safe), strict=True))
    return [by_file[each.path] for each in content.photos]


def names_by_individual(content: Content) -> list[str]:
    """A path in a folder of its individual for each photo; no file name comes twice.

    Photos of nobody, and those that take no part, are in the folder "unknown".
    """
    whose = [
        "" if each.of(MARK) or is_nobody(each.of(INDIVIDUAL)) else each.of(INDIVIDUAL)
        for each in content.photos
    ]
    folders = folders_of(name for name in whose if name)
    folders[""] = UNKNOWN
    files = [safe_name(posixpath.basename(each.path)) for each in content.photos]
    often = Counter(map(same, files))
    found = []
    for each, name, file in zip(content.photos, whose, files, strict=True):
        if each.box is not None or often[same(file)] > 1:
            stem, ending = posixpath.splitext(file)
            file = f"{stem}.{safe_name(each.id)}{ending}"
        found.append(f"{folders[name]}/{file}")
    return apart(found)


def folders_of(names: Iterable[str]) -> dict[str, str]:
    """A folder for each individual; none is called as that of nobody."""
    each = sorted(set(names))
    found = apart([UNKNOWN, *map(safe_name, each)])
    return dict(zip(each, found[1:], strict=True))
