"""What was decided: all of it or nothing, none beside another, and what follows from it."""

import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
import uuid

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reid_jax import UserError
from reid_jax.individuals.gallery.journal import tables
from reid_jax.individuals.gallery.journal.database import at_url
from reid_jax.individuals.gallery.journal.entries import INDIVIDUAL, NOTE, Change, Decision, photo
from reid_jax.individuals.gallery.journal.journal import ChangedError, Journal
from tests.paths import REPOSITORY
from tests.postgres import postgres


@pytest.fixture(scope="module")
def server():
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request, tmp_path):
    """Opens one journal, as often as it is called."""
    gallery = uuid.uuid4().hex
    if request.param == "postgresql":
        url = request.getfixturevalue("server")
        return lambda: Journal.in_database(url, gallery)
    Journal.in_file(tmp_path / "journal.db", gallery, new=True)
    return lambda: Journal.in_file(tmp_path / "journal.db", gallery)


def named(who: dict[str, tuple[str | None, str | None]], kind="move", **more) -> Decision:
    changes = (Change(photo(p), INDIVIDUAL, before, after) for p, (before, after) in who.items())
    return Decision(kind, tuple(changes), "ann", **more)


def begun(journal: Journal) -> Journal:
    journal.append(
        named({"1": (None, "Luna"), "2": (None, "Luna"), "3": (None, "Tom")}, "build", segment=1)
    )
    return journal


def who_is(journal: Journal) -> dict[str, str]:
    return {s.removeprefix("photo/"): v for s, v in journal.state().of(INDIVIDUAL).items()}


def test_what_was_decided_is_there_in_order_and_what_follows_from_it(opened):
    journal = begun(opened())
    assert journal.append(named({"3": ("Tom", "Luna")}, "merge", reason="the same scar")) == 2
    note = Change(photo("1"), NOTE, None, "x" * 5000)
    assert journal.append(Decision("note", (note,), "bob")) == 3
    again = opened()
    assert who_is(again) == dict.fromkeys("123", "Luna")
    assert (again.names(), again.photos_of("Tom")) == ({"Luna": 3}, [])
    state = again.state()
    assert (state.position, state.segments, state.names_changed) == (3, (1,), 2)
    assert state.of(NOTE) == {photo("1"): "x" * 5000}
    built, merged, noted = again.since()
    assert [e.kind for e in again.since(1)] == ["merge", "note"]
    assert (merged.who, merged.reason, merged.number) == ("ann", "the same scar", 2)
    assert merged.changes == (Change(photo("3"), INDIVIDUAL, "Tom", "Luna"),)
    assert noted.time.endswith("Z")
    assert again.about([photo("1")]) == [built, noted]
    assert again.about(name="Tom") == [built, merged]
    assert again.check() == []


def test_what_rests_on_what_has_changed_is_refused_with_what(opened):
    journal = begun(opened())
    opened().append(named({"1": ("Luna", "Tom")}))
    for late in (
        lambda: journal.append(named({"1": ("Luna", "Zoe")})),
        lambda: journal.append(named({"1": ("Tom", "Zoe")}), rests_on=1),
        lambda: journal.append(
            named({"2": ("Luna", "Zoe")}, "rename", names=("Luna",)), rests_on=1
        ),
    ):
        with pytest.raises(ChangedError, match=r"1 is Tom since decision 2 \(move by ann, 20") as e:
            late()
        assert e.value.subject == photo("1")
    assert journal.position == 2
    assert journal.append(named({"2": ("Luna", "Zoe")}), rests_on=1) == 3
    with pytest.raises(UserError, match="No photo of the gallery would be left"):
        journal.append(named({"1": ("Tom", None), "2": ("Zoe", None), "3": ("Tom", None)}))
    assert who_is(journal) == {"1": "Tom", "2": "Zoe", "3": "Tom"}
    assert journal.check() == []


def test_any_of_the_last_changes_is_taken_back_unless_another_rests_on_it(opened):
    journal = begun(opened())
    journal.append(named({"1": ("Luna", "Zoe"), "2": ("Luna", "Zoe")}, "rename"))
    journal.append(named({"3": ("Tom", None)}, "remove"))
    assert journal.undo(2, "bob", "a slip") == 4
    assert who_is(journal) == {"1": "Luna", "2": "Luna"}
    with pytest.raises(UserError, match="was undone already, by decision 4"):
        journal.undo(2, "bob")
    assert journal.undo(4, "bob") == 5
    assert who_is(journal) == {"1": "Zoe", "2": "Zoe"}
    journal.undo(3, "bob")
    journal.append(named({"3": ("Tom", "Zoe")}, "move"))
    for number, words in (
        (3, r"undone already, by decision 6"),
        (1, "made the gallery"),
        (99, "no decision 99; the last one is 7"),
    ):
        with pytest.raises(UserError, match=words):
            journal.undo(number, "bob")
    journal.append(named({"1": ("Zoe", "Ida"), "2": ("Zoe", "Ida"), "3": ("Zoe", "Ida")}, "rename"))
    journal.append(named({"4": (None, "Ida")}, "add", segment=2))
    with pytest.raises(UserError, match=r"8 cannot be undone, as decision 9 \(add by ann"):
        journal.undo(8, "bob")
    assert journal.check() == []
    assert [e.undoes for e in journal.since()] == [None, None, None, 2, 4, 3, None, None, None]


PHOTOS, NAMES = ["1", "2", "3", "4"], [None, "Luna", "Tom"]
STEPS = st.lists(
    st.one_of(
        st.dictionaries(st.sampled_from(PHOTOS), st.sampled_from(NAMES), min_size=1),
        st.integers(1, 8),
    ),
    max_size=12,
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS)
def test_what_is_kept_is_what_follows_whatever_is_decided(tmp_path, steps):
    journal = Journal.in_file(tmp_path / f"{uuid.uuid4().hex}.db", "x", new=True)
    journal.append(named({"0": (None, "Ida")}, "build"))
    known: dict[str, str | None] = dict.fromkeys(PHOTOS)
    past = {1: {}}  # who was who before each decision, of the photos that it changed
    for step in steps:
        if isinstance(step, int):
            try:
                number = journal.undo(step, "bob")
            except UserError:
                continue
            before = past[step]
            past[number] = {p: known[p] for p in before}
            known.update(before)
        else:
            number = journal.append(named({p: (known[p], name) for p, name in step.items()}))
            past[number] = {p: known[p] for p in step}
            known.update(step)
        expected = {p: name for p, name in known.items() if name}
        assert who_is(journal) == {"0": "Ida", **expected}
    assert journal.check() == []


def test_of_many_that_decide_at_once_each_counts_once(opened):
    journal = begun(opened())
    refused = []

    def decide(me: int) -> None:
        mine = opened()
        for turn in range(5):
            mine.append(Decision("note", (Change(photo(f"{me}-{turn}"), NOTE, None, "x"),), "ann"))
            try:
                was = mine.values(NOTE, [photo("1")]).get(photo("1"))
                mine.append(Decision("note", (Change(photo("1"), NOTE, was, f"{me}-{turn}"),), "b"))
            except ChangedError:
                refused.append(me)

    threads = [threading.Thread(target=decide, args=(me,)) for me in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.position == 1 + 4 * 5 * 2 - len(refused)
    assert len(journal.state().of(NOTE)) == 4 * 5 + 1
    assert journal.check() == []


def test_what_somebody_changed_by_hand_is_noticed(tmp_path):
    file = tmp_path / "journal.db"
    journal = begun(Journal.in_file(file, "x", new=True))
    for change, words in (
        ("UPDATE facts SET value = 'Eve' WHERE subject = 'photo/1'", "is kept as"),
        ("UPDATE changes SET after = 'Eve' WHERE subject = 'photo/2'", "is kept as"),
        ("UPDATE decisions SET number = 3", "decision 1 is missing"),
    ):
        with sqlite3.connect(file) as connection:
            connection.execute(change)
        connection.close()
        assert any(words in sentence for sentence in journal.check())


def test_tables_are_those_of_the_migrations(opened):
    engine = opened()._engine
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == tables.NEWEST
        assert compare_metadata(context, tables.METADATA) == []


def test_several_galleries_share_a_database(server):
    one, two = (begun(Journal.in_database(server, uuid.uuid4().hex)) for _ in range(2))
    one.append(named({"1": ("Luna", "Zoe")}))
    assert (one.position, two.position) == (2, 1)
    assert (who_is(one)["1"], who_is(two)["1"]) == ("Zoe", "Luna")
    assert two.photos_of("Zoe") == two.about(name="Zoe") == []


def test_a_newer_journal_a_damaged_one_and_none_are_told_apart(tmp_path):
    file = tmp_path / "journal.db"
    with pytest.raises(FileNotFoundError):
        Journal.in_file(file, "x")
    begun(Journal.in_file(file, "x", new=True))
    assert os.listdir(tmp_path) == ["journal.db"], "nothing stays beside what is closed"
    whole = file.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"[]" * 500, b"\0" * len(whole)):
        file.write_bytes(content)
        if content:
            with pytest.raises(UserError, match=r"journal.db is damaged \("):
                begun(Journal.in_file(file, "x"))
    file.write_bytes(whole)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(UserError, match="newer reid_jax \\(step 9999"):
        Journal.in_file(file, "x")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://ann:secret@nowhere.invalid/x", "PGPASSWORD"),
        ("mysql://nowhere/x", "write postgresql://"),
        ("nonsense", "write postgresql://"),
        ("postgresql://ann@/x?host=/nowhere", "cannot be used"),
    ],
)
def test_a_database_that_is_none_is_one_sentence_without_a_password(url, words):
    with pytest.raises(UserError, match=words) as caught:
        Journal.in_database(url, "x")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_password_comes_from_the_environment(monkeypatch, server):
    monkeypatch.setenv("PGPASSWORD", "secret")
    with at_url(server).connect() as connection:
        driver = connection.connection.driver_connection
        assert driver.info.password == "secret"


KILLED = """
import sys
from pathlib import Path
from reid_jax.individuals.gallery.journal.entries import Change, Decision, photo
from reid_jax.individuals.gallery.journal.journal import Journal
journal = Journal.in_file(Path(sys.argv[1]), "x")
for turn in range(journal.position, 10**9):
    changes = tuple(Change(photo(f"{turn}-{i}"), "note", None, "x" * 200) for i in range(20))
    print(journal.append(Decision("note", changes, "ann")), flush=True)
"""


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.acceptance)])
def test_whatever_was_acknowledged_is_there_after_a_kill(tmp_path, kills):
    file = tmp_path / "journal.db"
    Journal.in_file(file, "x", new=True)
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(file)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        process.stdout.readline()
        time.sleep(random.uniform(0, 0.05))
        process.kill()
        said = [int(word) for word in process.communicate()[0].split()]
        journal = Journal.in_file(file, "x")
        assert not said or journal.position - said[-1] in (0, 1)
        assert len(journal.state().facts) == 20 * journal.position
        assert journal.check() == []
