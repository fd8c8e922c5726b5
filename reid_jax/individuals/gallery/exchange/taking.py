"""What a table, a workbook, a package or a folder says, taken into a gallery by one decision."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from reid_jax.console import counted
from reid_jax.data.names import composed, look_alikes
from reid_jax.errors import UserError
from reid_jax.files import as_text
from reid_jax.individuals.gallery.decided import GROUP
from reid_jax.individuals.gallery.decisions import checked_name
from reid_jax.individuals.gallery.exchange import camtrap, linking, sheets, tables
from reid_jax.individuals.gallery.exchange.camtrap_reading import read_package
from reid_jax.individuals.gallery.exchange.content import Content, Said, consistent, said_by
from reid_jax.individuals.gallery.exchange.match import Photos
from reid_jax.individuals.gallery.journal.entries import (
    CONFIRMED,
    INDIVIDUAL,
    LINK,
    MARK,
    NOTE,
    Change,
    Decision,
    State,
    individual,
    pair,
    photo,
)
from reid_jax.individuals.gallery.journal.person import person
from reid_jax.individuals.gallery.stored import journals
from reid_jax.individuals.gallery.stored.layout import is_gallery
from reid_jax.individuals.gallery.stored.reading import form_of
from reid_jax.individuals.gallery.value import COLUMNS

Form = Literal["csv", "xlsx", "camtrap-dp", "links"]

_NUMBERED = re.compile(rf"{GROUP} \d+")  # by a program, which counts anew in each gallery
_NAMED = 3  # individuals in a sentence


@dataclass(frozen=True)
class TakenIn:
    """Attributes:
    number: of the decision; None where nothing was said that was not so already.
    photos: how many the source speaks of.
    changed: of how many something has changed.
    skipped: (what, why) of all that was not taken.
    remarks: sentences about the rest.
    """

    number: int | None
    photos: int
    changed: int
    skipped: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]


@dataclass
class _Taking:
    """What is known of both while changes are collected.

    Attributes:
      said: by the gallery, a photo each.
      state: of its journal.
      facts: what the source says, by the row of the photo.
      ids: of photos in the gallery by those in the source.
    """

    said: list[Said]
    state: State
    facts: dict[int, dict[str, str]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def change(self, subject: str, attribute: str, after: str | None) -> None:
        """Notes that a fact is to be another one, unless it is so already."""
        before = self.state.facts.get((subject, attribute))
        if before != after:
            self.changes.append(Change(subject, attribute, before, after))


def take_in(
    folder: Path, source: Path, form: Form | None, who: str = "", reason: str = ""
) -> TakenIn:
    """Gives the photos of a gallery the names and facts that a source says, in one decision.

    Photos that are not in the gallery are skipped, and so is what contradicts itself. What the
    source does not say stays as it is; a photo with another name is sure only where it says so.

    Args:
      folder: of the gallery.
      source: a file or folder.
      form: of the source; None for what it looks like.
      who, reason: of the decision.

    Raises:
      UserError: the source cannot be read, no photo of the gallery is in it, or its numbered groups
        would be mixed with other ones.
    """
    content = read_source(source, form)
    gallery, state = consistent(folder, who)
    taking = _Taking(said_by(gallery, state), state, skipped=list(content.skipped))
    taking.remarks += content.remarks
    _match(taking, content)
    if not taking.facts:
        what, why = (taking.skipped or [(str(source), "it is empty")])[0]
        raise UserError(f"No photo of the gallery {folder} is in {source} ({what}: {why}).")
    names = _names(taking)
    _check_groups(taking, names, source)
    for row, facts in taking.facts.items():
        _change_photo(taking, row, facts, names.get(row))
    changed = len({each.subject for each in taking.changes})
    _change_others(taking, content, names)
    number = None
    if taking.changes:
        decision = Decision("import", tuple(taking.changes), who or person(), as_text(reason))
        with journals.deciding(form_of(folder)) as journal:
            number = journal.append(decision, rests_on=state.position)
    return TakenIn(number, len(taking.facts), changed, tuple(taking.skipped), tuple(taking.remarks))


def read_source(source: Path, form: Form | None) -> Content:
    """What a source says.

    Raises:
      UserError: it is not there, or not of the form.
    """
    if not source.exists():
        raise UserError(f"{source} does not exist; name what reid-jax gallery export wrote.")
    if is_gallery(source):
        raise UserError(f"{source} is a gallery; reid-jax gallery export writes what is imported.")
    form = form or _form_of(source)
    if form == "links":
        if not source.is_dir():
            raise UserError(f"{source} is no folder; links are in a folder for each individual.")
        return linking.read_links(source)
    name = {"csv": tables.METADATA, "xlsx": sheets.WORKBOOK, "camtrap-dp": camtrap.DESCRIPTOR}[form]
    file = source / name if source.is_dir() else source
    if not file.is_file():
        raise UserError(f"There is no {name} in {source}; --from says what else it is.")
    if form == "csv":
        return tables.read_csv(str(file), str(file.parent))
    if form == "xlsx":
        return sheets.read_workbook(file)
    return read_package(file.parent)


def _form_of(source: Path) -> Form:
    """Of what form a source looks to be.

    Raises:
      UserError: of none.
    """
    if not source.is_dir():
        if source.name.lower() == camtrap.DESCRIPTOR:
            return "camtrap-dp"
        endings: dict[str, Form] = {".xlsx": "xlsx", ".xlsm": "xlsx"}
        endings |= dict.fromkeys((".csv", ".tsv", ".txt"), "csv")
        if (form := endings.get(source.suffix.lower())) is None:
            raise UserError(
                f"{source} is none of .csv, .xlsx, {camtrap.DESCRIPTOR} and a folder; unpack what "
                "is packed, or say what it is with --from."
            )
        return form
    marks: tuple[tuple[str, Form], ...] = (
        (camtrap.DESCRIPTOR, "camtrap-dp"),
        (linking.TABLE, "links"),
        (tables.METADATA, "csv"),
        (sheets.WORKBOOK, "xlsx"),
    )
    return next((form for name, form in marks if (source / name).is_file()), "links")


def _match(taking: _Taking, content: Content) -> None:
    """Finds the photos that are meant, and puts together what is said of each."""
    photos, by_row = Photos(taking.said), dict[int, list[Said]]()
    for each in content.photos:
        row = photos.find(each, content.root)
        if isinstance(row, str):
            taking.skipped.append((_called(each), row))
            continue
        by_row.setdefault(row, []).append(each)
        if each.id:
            taking.ids[each.id] = taking.said[row].id
    for row, said in by_row.items():
        taking.facts[row] = _together(taking, said)


def _together(taking: _Taking, said: list[Said]) -> dict[str, str]:
    """What is said of a photo, wherever; what contradicts itself is left out."""
    first, *others = said
    for each in others:
        if all(first.of(what) == text for what, text in each.facts.items()):
            taking.skipped.append((_called(each), f"said before, in {first.where or 'it'}"))
    found = {}
    for what in dict.fromkeys(what for each in said for what in each.facts):
        values = {each.of(what): each for each in reversed(said) if each.of(what)}
        if len({composed(text).strip() for text in values}) == 1:
            found[what] = next(reversed(values))
            continue
        words = " and ".join(f"{text} in {values[text].where}" for text in reversed(values))
        taking.skipped.append((_called(first), f"its {what} is {words}"))
    return found


def _called(said: Said) -> str:
    name = f"{said.path or said.id}{said.box or ''}"
    return f"{name}, {said.where}" if said.where and said.where != said.path else name


def _names(taking: _Taking) -> dict[int, str]:
    """The individuals that the source names, by row."""
    found = {}
    for row, facts in taking.facts.items():
        before = taking.said[row].of(INDIVIDUAL)
        text = facts.pop(INDIVIDUAL, "")
        if composed(as_text(text)) == before:
            found[row] = before
        elif text:
            try:
                found[row] = checked_name(text)
            except UserError as error:
                taking.skipped.append((taking.said[row].path, str(error).rstrip(".")))
    return found


def _check_groups(taking: _Taking, names: dict[int, str], source: Path) -> None:
    """Says whose photos would be joined with some that the source does not name.

    Raises:
      UserError: they are numbered groups, whose numbers mean nothing in another gallery.
    """
    come = {name for row, name in names.items() if taking.said[row].of(INDIVIDUAL) != name}
    left = Counter(
        each.of(INDIVIDUAL)
        for row, each in enumerate(taking.said)
        if row not in names and each.of(INDIVIDUAL) in come
    )
    if groups := [name for name in left if _NUMBERED.fullmatch(name)]:
        number = left[groups[0]]
        raise UserError(
            f"{source} and the gallery both have a {groups[0]}, and {counted(number, 'photo')} of "
            "that of the gallery are not in it; rename it first."
        )
    if left:
        taking.remarks.append(
            f"{_listed(f'{name} ({n:,})' for name, n in left.items())} had photos of which the "
            "source says nothing; they are of one individual with those that it names so"
        )
    after = [names.get(row, each.of(INDIVIDUAL)) for row, each in enumerate(taking.said)]
    alike = [two for two in look_alikes(sorted(set(after))) if come & set(two)]
    if alike:
        named = _listed(f'"{one}" and "{other}"' for one, other in alike)
        taking.remarks.append(f"{named} differ only in case or spaces; merge makes them one")


def _listed(words: Iterable[str]) -> str:
    each = list(words)
    more = f" and {len(each) - _NAMED:,} more" if len(each) > _NAMED else ""
    return f"{', '.join(each[:_NAMED])}{more}"


def _change_photo(taking: _Taking, row: int, facts: dict[str, str], name: str | None) -> None:
    """What changes of one photo."""
    before = taking.said[row]
    subject = photo(before.id)
    renamed = name is not None and name != before.of(INDIVIDUAL)
    if renamed:
        taking.change(subject, INDIVIDUAL, name)
    if CONFIRMED in facts or renamed:
        sure = facts.get(CONFIRMED) == tables.YES
        taking.change(subject, CONFIRMED, tables.YES if sure else None)
    if NOTE in facts:
        taking.change(subject, NOTE, as_text(facts[NOTE]))
    if MARK in facts:
        taking.change(subject, MARK, None if facts[MARK] == tables.NONE else facts[MARK])
    for column in COLUMNS:
        if column in facts and facts[column] != before.of(column):
            taking.change(subject, column, as_text(facts[column]))


def _change_others(taking: _Taking, content: Content, names: dict[int, str]) -> None:
    """What changes of individuals, and of pairs of photos."""
    there = {names.get(row, each.of(INDIVIDUAL)) for row, each in enumerate(taking.said)}
    for name, note in content.notes.items():
        spelled = [one for one in (composed(as_text(name)), composed(name).strip()) if one in there]
        if spelled:
            taking.change(individual(spelled[0]), NOTE, as_text(note))
        else:
            taking.skipped.append((name, "a note about an individual without photos here"))
    for ids, what in content.links.items():
        one, other = (taking.ids.get(each, "") for each in ids)
        if one and other and one != other:
            taking.change(pair(one, other), LINK, what)
        else:
            taking.skipped.append((" and ".join(ids), f"{what}, of photos that are not here"))
