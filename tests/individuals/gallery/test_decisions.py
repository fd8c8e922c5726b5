"""Decisions about a gallery: what follows from each, what is refused, who decides at once."""

import contextlib
import random
import subprocess
import sys
import time
import uuid

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reid_jax import UserError
from reid_jax.individuals.gallery.decisions import (
    CANNOT_TELL,
    NO_ANIMAL,
    ChangedError,
    Decisions,
)
from reid_jax.individuals.gallery.store import update_gallery, write_gallery
from reid_jax.individuals.gallery.stored import writing
from reid_jax.individuals.gallery.stored.check import check
from reid_jax.individuals.gallery.stored.reading import form_of, read_gallery
from reid_jax.individuals.gallery.value import join
from tests.drawn_gallery import drawn, photo_id, write_drawn
from tests.first_form import into_first_form
from tests.paths import REPOSITORY
from tests.postgres import postgres

NAMES = ("Luna", "Luna", "Luna", "Tom", "Tom", "Ida")


@pytest.fixture(scope="module")
def server():
    with postgres() as url:
        yield url


@pytest.fixture
def gallery(tmp_path):
    return write_drawn(tmp_path / "gallery", NAMES)


def who_is(folder) -> list[str]:
    """Names by photo, as a search sees them."""
    return read_gallery(folder, marked=True).identities.tolist()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_each_decision_and_what_follows_from_it(tmp_path, request, kind):
    journal = request.getfixturevalue("server") if kind == "postgresql" else ""
    folder = write_drawn(tmp_path / "gallery", NAMES, journal=journal)
    decisions = Decisions(folder, who="ann")
    assert decisions.position == 1
    assert decisions.rename("Luna", "Zoe") == 2
    decisions.merge(["Tom"], "Zoe", reason="the same scar")
    decisions.split("Zoe", [photo_id(3), "/photos/4.jpg"], "Kim")
    decisions.move(["0.jpg"], "Ida")
    decisions.confirm("0.jpg", "Ida")
    decisions.confirm("1.jpg", "Eve", new=True)
    decisions.note("left flank", photo="1.jpg")
    decisions.note("seen every spring", individual="Kim")
    decisions.mark(["2.jpg"], CANNOT_TELL)
    decisions.link("3.jpg", "4.jpg", "same")
    names = ["Ida", "Eve", "Zoe", "Kim", "Kim", "Ida"]
    assert who_is(folder) == names
    assert read_gallery(folder).identities.tolist() == names[:2] + names[3:]
    photos = Decisions(folder).photos()
    assert [p.confirmed for p in photos.values()] == [True, True, False, False, False, False]
    assert photos[photo_id(1)].note == "left flank"
    assert photos[photo_id(2)].mark == CANNOT_TELL
    assert {name: len(of) for name, of in decisions.individuals().items()} == {
        "Eve": 1,
        "Ida": 2,
        "Kim": 2,
        "Zoe": 1,
    }
    assert decisions.note_of("Kim") == "seen every spring"
    assert decisions.links() == {(photo_id(3), photo_id(4)): "same"}
    kinds = ["rename", "merge", "split", "move", "confirm", "confirm", "note", "note"]
    assert [e.kind for e in decisions.read_since(1)] == [*kinds, "mark", "link"]
    assert [e.kind for e in decisions.history(individual="Tom")] == ["build", "merge"]
    assert [e.kind for e in decisions.history(photo="4.jpg")] == ["build", "merge", "split"]
    merged = decisions.read_since(2)[0]
    assert (merged.who, merged.reason) == ("ann", "the same scar")
    for _ in range(10):
        decisions.undo()
    assert who_is(folder) == list(NAMES)
    assert not any(p.confirmed or p.note or p.mark for p in decisions.photos().values())
    with pytest.raises(UserError, match="no decision that could be undone"):
        decisions.undo()
    assert form_of(folder).journal == (journal or "journal.db")


@pytest.mark.parametrize(
    ("decide", "words"),
    [
        (lambda d: d.rename("Lunna", "Zoe"), "no individual Lunna in the gallery; did you mean Lu"),
        (lambda d: d.rename("Luna", "Tom"), "Tom is an individual already; merge makes"),
        (lambda d: d.rename("Luna", "unknown"), "'unknown' names nobody"),
        (lambda d: d.rename("Luna", " Luna "), "is called Luna already"),
        (lambda d: d.merge(["Luna"], "Luna"), "nobody to merge into Luna"),
        (lambda d: d.merge(["Luna", "Tim"], "Ida"), "did you mean Tom"),
        (lambda d: d.split("Luna", ["3.jpg"], "Zoe"), "3.jpg is no photo of Luna, but of Tom"),
        (lambda d: d.split("Luna", ["0.jpg", "1.jpg", "2.jpg"], "Zoe"), "all photos of Luna"),
        (lambda d: d.split("Luna", ["0.jpg"], "Tom"), "Tom is an individual already; move"),
        (lambda d: d.split("Luna", [], "Zoe"), "Name the photos"),
        (lambda d: d.move(["0.jpg"], "Luna"), "0.jpg is Luna already"),
        (lambda d: d.move(["7.jpg"], "Luna"), "no photo 7.jpg in the gallery"),
        (lambda d: d.move(["0.jpg"], "Lua"), "did you mean Luna"),
        (lambda d: d.move(["0.jpg"], "a\nb", new=True), "names nobody"),
        (lambda d: d.mark(["0.jpg"], "ugly"), '"not an animal" or "cannot tell", not "ugly"'),
        (lambda d: d.mark(["0.jpg"], ""), "without a mark already"),
        (lambda d: d.note("x"), "name one of the two"),
        (lambda d: d.note("", photo="0.jpg"), "is noted about 0.jpg already"),
        (lambda d: d.link("0.jpg", "0.jpg", "same"), "are one photo"),
        (lambda d: d.link("0.jpg", "1.jpg", "like"), 'are "same" or "different"'),
        (lambda d: d.undo(1), "made the gallery"),
        (lambda d: d.undo(9), "There is no decision 9"),
        (lambda d: d.history(individual="Lua"), "did you mean Luna"),
    ],
)
def test_what_cannot_be_decided_is_one_sentence_and_changes_nothing(gallery, decide, words):
    decisions = Decisions(gallery)
    with pytest.raises(UserError, match=words) as caught:
        decide(decisions)
    assert "\n" not in str(caught.value).replace("a\nb", "")
    assert decisions.position == 1
    assert who_is(gallery) == list(NAMES)


def test_photos_of_one_file_name_are_told_apart_by_their_folders(tmp_path):
    photos = drawn(["Luna", "Tom"])
    photos.paths[:] = ["/a/1.jpg", "/b/1.jpg"]
    write_gallery(tmp_path / "gallery", photos)
    decisions = Decisions(tmp_path / "gallery")
    with pytest.raises(UserError, match=r"2 photos are called 1.jpg; say which: /a/1.jpg or"):
        decisions.confirm("1.jpg", "Tom")
    decisions.confirm("b/1.jpg", "Luna")
    assert who_is(tmp_path / "gallery") == ["Luna", "Luna"]


def test_what_a_page_showed_and_is_no_longer_so_is_refused_with_what_changed(gallery):
    page, other = Decisions(gallery, who="ann"), Decisions(gallery, who="bob")
    seen = page.position
    other.rename("Luna", "Zoe")
    for decide in (
        lambda: page.confirm(photo_id(0), "Luna", rests_on=seen),
        lambda: page.confirm(photo_id(0), "Ida", rests_on=seen),
        lambda: page.rename("Luna", "Kim", rests_on=seen),
        lambda: page.merge(["Tom"], "Luna", rests_on=seen),
    ):
        with pytest.raises(ChangedError, match=r"has changed: .* since decision 2 \(rename by bob"):
            decide()
    assert page.position == 2
    page.confirm(photo_id(3), "Tom", rests_on=seen)  # of which nothing has changed
    page.confirm(photo_id(0), "Zoe", rests_on=2)
    page.confirm(photo_id(1), "Zoe", rests_on=2)  # others may become the same meanwhile


def test_photos_with_a_mark_stay_and_are_not_added_again(gallery):
    decisions = Decisions(gallery)
    decisions.mark(["0.jpg", "5.jpg"], NO_ANIMAL)
    assert len(read_gallery(gallery)) == 4
    update_gallery(gallery, lambda g: join(g, drawn(["Kim"], 6)))
    assert who_is(gallery) == [*NAMES, "Kim"]
    assert len(read_gallery(gallery)) == 5
    decisions.mark(["5.jpg"], "")
    assert set(read_gallery(gallery).identities) == {"Luna", "Tom", "Ida", "Kim"}


def test_what_is_added_and_removed_is_a_decision_and_can_be_undone(gallery):
    decisions = Decisions(gallery)
    before = {path.name for path in form_of(gallery).segment(1).iterdir()}
    stamps = {p: p.stat().st_mtime_ns for p in form_of(gallery).segment(1).iterdir()}
    update_gallery(gallery, lambda g: join(g, drawn(["Kim"], 6)))
    update_gallery(gallery, lambda g: g.take(np.arange(1, len(g))), "remove")
    assert [e.kind for e in decisions.read_since()] == ["build", "add", "remove"]
    assert who_is(gallery) == [*NAMES[1:], "Kim"]
    decisions.undo()
    decisions.undo(2)
    assert who_is(gallery) == list(NAMES)
    now = read_gallery(gallery)
    assert now.thumbnails.tolist() == drawn(NAMES).thumbnails.tolist()
    np.testing.assert_array_equal(now.embeddings, drawn(NAMES).embeddings)
    assert {path.name for path in form_of(gallery).segment(1).iterdir()} == before
    assert all(path.stat().st_mtime_ns == time for path, time in stamps.items())
    update_gallery(gallery, lambda g: join(g, drawn(["Tim"], 6)))  # came, went, and came again
    assert who_is(gallery) == [*NAMES, "Tim"]


def test_a_gallery_of_the_first_form_is_converted_once_and_the_old_one_kept(gallery):
    into_first_form(gallery)
    old = read_gallery(gallery)
    assert old.identities.tolist() == list(NAMES)
    decisions = Decisions(gallery, who="ann")
    decisions.rename("Luna", "Zoe")
    assert [e.kind for e in Decisions(gallery).read_since()] == ["convert", "rename"]
    assert (gallery / form_of(gallery).kept / "embeddings.npy").exists()
    assert who_is(gallery)[:3] == ["Zoe"] * 3
    np.testing.assert_array_equal(read_gallery(gallery).embeddings, old.embeddings)
    update_gallery(gallery, lambda g: g.take(np.arange(2)), "remove")
    assert (gallery / form_of(gallery).kept / "embeddings.npy").exists()


def test_a_gallery_that_people_decided_about_is_not_built_anew(gallery):
    write_gallery(gallery, drawn(NAMES))
    Decisions(gallery, who="ann").rename("Luna", "Zoe")
    with pytest.raises(UserError, match=r"People decided .* last decision 2 \(rename by ann"):
        write_gallery(gallery, drawn(NAMES))
    assert who_is(gallery)[0] == "Zoe"


PEOPLE = st.sampled_from(["Luna", "Tom", "Ida", "Zoe"])
PHOTO = st.integers(0, len(NAMES) - 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("rename"), PEOPLE, PEOPLE),
        st.tuples(st.just("merge"), PEOPLE, PEOPLE),
        st.tuples(st.just("split"), PHOTO, PEOPLE),
        st.tuples(st.just("move"), PHOTO, PEOPLE),
        st.tuples(st.just("confirm"), PHOTO, PEOPLE),
        st.tuples(st.just("undo"), st.just(0), st.just(0)),
    ),
    max_size=10,
)


def expected(kind, one, two, names, sure):
    """What a decision makes of names and of what is sure; None where it is refused."""
    names, sure = list(names), list(sure)
    if kind in ("rename", "merge"):
        if one == two or one not in names or (two in names) != (kind == "merge"):
            return None
        names = [two if name == one else name for name in names]
    elif kind == "split":
        if two in names or names.count(names[one]) == 1:
            return None
        names[one], sure[one] = two, False
    elif two not in names or (names[one] == two and (kind == "move" or sure[one])):
        return None
    else:
        names[one], sure[one] = two, kind == "confirm"
    return names, sure


def decide(decisions, kind, one, two, names):
    if kind in ("rename", "merge"):
        decisions.rename(one, two) if kind == "rename" else decisions.merge([one], two)
    elif kind == "split":
        decisions.split(names[one], [photo_id(one)], two)
    elif kind == "move":
        decisions.move([photo_id(one)], two)
    else:
        decisions.confirm(photo_id(one), two)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS)
def test_whatever_is_decided_the_gallery_is_what_follows(tmp_path, steps):
    folder = write_drawn(tmp_path / uuid.uuid4().hex, NAMES)
    decisions = Decisions(folder)
    past, now = [], (list(NAMES), [False] * len(NAMES))
    for kind, one, two in steps:
        if kind == "undo":
            if past:
                decisions.undo()
                now = past.pop()
            continue
        following = expected(kind, one, two, *now)
        if following is None:
            with pytest.raises(UserError):
                decide(decisions, kind, one, two, now[0])
            continue
        decide(decisions, kind, one, two, now[0])
        past.append(now)
        now = following
    photos = list(decisions.photos().values())
    assert ([p.name for p in photos], [p.confirmed for p in photos]) == now
    assert who_is(folder) == now[0]


DECIDES = """
import sys
from pathlib import Path
from reid_jax.errors import UserError
from reid_jax.individuals.gallery.decisions import Decisions
decisions = Decisions(Path(sys.argv[1]), who=sys.argv[2])
for turn in range(int(sys.argv[3])):
    name = f"{sys.argv[2]}{turn}"
    try:
        print(decisions.confirm(f"{turn % 6:016d}", name, new=True), name, flush=True)
    except UserError as error:
        assert "has changed" in str(error), error
"""


def deciding(folder, who, turns) -> subprocess.Popen:
    words = [sys.executable, "-c", DECIDES, str(folder), who, str(turns)]
    return subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


def test_of_several_processes_that_decide_at_once_nothing_is_lost(gallery):
    processes = [deciding(gallery, who, 12) for who in ("a", "b", "c")]
    said = [line.split() for p in processes for line in p.communicate()[0].splitlines()]
    assert [p.returncode for p in processes] == [0, 0, 0]
    entries = {e.number: e for e in Decisions(gallery).read_since(1)}
    assert sorted(entries) == sorted(int(number) for number, _ in said)
    for number, name in said:
        assert name in {change.after for change in entries[int(number)].changes}


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.acceptance)])
def test_a_kill_at_any_moment_loses_no_decision_that_was_acknowledged(gallery, kills):
    for turn in range(kills):
        process = deciding(gallery, f"p{turn}-", 10**6)
        process.stdout.readline()
        time.sleep(random.uniform(0, 0.1))
        process.kill()
        said = [line.split() for line in process.communicate()[0].splitlines()]
        entries = {e.number: e for e in Decisions(gallery).read_since()}
        with contextlib.suppress(ValueError):  # the last line may be cut off
            for number, name in said:
                assert name in {change.after for change in entries[int(number)].changes}
        assert len(read_gallery(gallery)) == len(NAMES)


def test_many_segments_become_one_and_all_can_still_be_undone(gallery, monkeypatch):
    monkeypatch.setattr(writing, "SEGMENTS", 3)
    update_gallery(gallery, lambda g: g.take(np.arange(1, len(g))), "remove")
    for number in range(6, 10):
        update_gallery(gallery, lambda g, n=number: join(g, drawn([f"n{n}"], n)))
    form = form_of(gallery)
    assert form.generation.name == "generation-000002"
    assert [path.name for path in sorted(form.generation.glob("segment-*"))] == [
        "segment-000004",
        "segment-000005",
    ]
    decisions = Decisions(gallery)
    decisions.undo(2)
    names = [*NAMES, "n6", "n7", "n8", "n9"]
    assert who_is(gallery) == names
    now = read_gallery(gallery)
    np.testing.assert_array_equal(now.embeddings, drawn(names).embeddings)
    assert now.thumbnails.tolist() == drawn(names).thumbnails.tolist()
    assert now.settings["sources"] == []


def test_what_is_mostly_removed_photos_is_dropped_for_good(gallery, monkeypatch):
    monkeypatch.setattr(writing, "DEAD", 0)
    decisions = Decisions(gallery)
    decisions.mark(["5.jpg"], NO_ANIMAL)
    update_gallery(gallery, lambda g: g.take(np.arange(2, 6)), "remove")
    assert form_of(gallery).generation.name == "generation-000001"
    update_gallery(gallery, lambda g: g.take(np.arange(2, 4)), "remove")
    assert [e.kind for e in decisions.read_since(2)] == ["remove", "remove", "compact"]
    assert form_of(gallery).generation.name == "generation-000002"
    assert who_is(gallery) == ["Tom", "Ida"]
    with pytest.raises(UserError, match=r"4 cannot be undone, as decision 5 \(compact by"):
        decisions.undo(4)
    with pytest.raises(UserError, match="5 drops what was removed and cannot be undone"):
        decisions.undo(5)
    assert check(gallery).wrong == ()
