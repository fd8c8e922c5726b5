"""Pairs of clips that a person has labelled, 1 alike and 0 not, as a CSV file has them.

What alike means is the person's affair: of one video, of one category, or whatever the labels say.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from reid_jax.console import counted
from reid_jax.data.names import composed
from reid_jax.data.photos.csv_file import read_table
from reid_jax.errors import UserError

_NAMED = 5  # rows that are spelled out


@dataclass(frozen=True, eq=False)
class Labels:
    """N pairs of clips.

    Attributes:
      clips: (N, 2) str, the names of both.
      same: (N,) bool, whether the label is 1.
      film: of each clip what film it is of; a clip that is not named is a film of its own.
    """

    clips: np.ndarray
    same: np.ndarray
    film: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Of all clips, each once, in the order in which they come."""
        return list(dict.fromkeys(self.clips.ravel().tolist()))

    @property
    def both(self) -> bool:
        """Whether there are pairs of both labels."""
        return bool(self.same.any() and not self.same.all())

    def among(self, names: Collection[str]) -> "Labels":
        """The pairs both of whose clips are among `names`."""
        return self.where(np.asarray(np.isin(self.clips, sorted(names)).all(axis=1)))

    def where(self, chosen: np.ndarray) -> "Labels":
        """Some of the pairs: (N,) bool."""
        return Labels(self.clips[chosen], self.same[chosen], self.film)


def read_labels(file: Path, find: Callable[[str], str | None], where: str) -> Labels:
    """Pairs of a CSV file with the columns `first`, `second` and `label`.

    The label is 1 for clips that are alike, 0 for others. Where clips are cut from films, the
    columns `first_film` and `second_film` name these. Rows that cannot be used are left out, and
    said in one sentence on stderr: of a clip that there is not, with another label, of a clip and
    itself, of a pair that other rows have, of a clip that other rows say is of another film.

    Args:
      find: what a clip is called where it is, None where there is none of that name.
      where: what `find` looks in, in words.

    Raises:
      UserError: the file cannot be read, no row can be used, or all have one label.
    """
    table = read_table(str(file), ("first", "second", "label"), ("first_film", "second_film"))
    problems: dict[int, str] = {}
    pairs: dict[frozenset[str], list[tuple[int, tuple[str, str], bool]]] = defaultdict(list)
    films: dict[str, tuple[str, int]] = {}
    for row, line in enumerate(table.lines):
        names = table["first"][row], table["second"][row]
        found = [find(name) for name in names]
        label = table["label"][row]
        unknown = [name for name, there in zip(names, found, strict=True) if there is None]
        said = [_of_film(table.columns, row, side) for side in ("first", "second")]
        if unknown:
            problems[line] = f"names {unknown[0] or 'no clip'}, which is not among {where}"
        elif label not in ("0", "1"):
            problems[line] = f"has the label {label or 'of nothing'}, which is neither 0 nor 1"
        elif found[0] == found[1]:
            problems[line] = f"pairs {names[0]} with itself"
        else:
            one, other = (str(each) for each in found)
            for clip, film in zip((one, other), said, strict=True):
                before, first = films.setdefault(clip, (film, line)) if film else ("", 0)
                if before != film:
                    problems[line] = f"has {clip} of the film {film}, line {first} of {before}"
            if line not in problems:
                pairs[frozenset((one, other))].append((line, (one, other), label == "1"))
    kept = []
    for (line, pair, same), *others in pairs.values():
        for again, _, other_label in others:
            problems[again] = f"has the pair of line {line} again"
            if other_label != same:
                problems[again] += " with the other label"
                problems[line] = f"has the pair of line {again} with the other label"
        if line not in problems:
            kept.append((pair, same))
    told = _told(file, problems)
    if not kept:
        raise UserError(told or f"{file} has no pairs; give a row a pair: first, second, label.")
    if told:
        print(told, file=sys.stderr)
    labels = Labels(
        np.array([names for names, _ in kept]),
        np.array([same for _, same in kept]),
        {clip: film for clip, (film, _) in films.items()},
    )
    if not labels.both:
        raise UserError(
            f"All {counted(len(kept), 'usable pair')} of {file} have the label "
            f"{int(labels.same[0])}; it takes pairs with 1 and pairs with 0."
        )
    return labels


def _of_film(columns: Mapping[str, Sequence[str]], row: int, side: str) -> str:
    return columns[f"{side}_film"][row] if f"{side}_film" in columns else ""


def _told(file: Path, problems: Mapping[int, str]) -> str:
    if not problems:
        return ""
    named = [f"line {line} {why}" for line, why in sorted(problems.items())]
    rest = [f"and {len(named) - _NAMED} more"] if len(named) > _NAMED else []
    rows = counted(len(named), "row is", "rows are")
    return f"{file}: {rows} left out: {'; '.join(named[:_NAMED] + rest)}."


def among_keys(keys: Collection[str]) -> Callable[[str], str | None]:
    """Finds a clip in a file of features: by its key, or as a film whose file has that name."""
    spelled = {composed(key): key for key in keys} | {key: key for key in keys}

    def find(name: str) -> str | None:
        path = Path(name.replace("\\", "/"))
        words = (name, composed(name), composed(path.name), composed(path.stem))
        return next((spelled[word] for word in words if word in spelled), None)

    return find
