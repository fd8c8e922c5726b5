"""What a gallery has already: by path, by content, under other names."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax.individuals.gallery.arrivals import INDIVIDUAL, brought_up_to_date, compare, renamed
from reid_jax.individuals.gallery.value import DIGEST, TRAINED, Gallery, join


def photos_of(*rows: tuple[str, str, str], **columns: list[str]) -> Gallery:
    """Photos of (path, content, individual)."""
    paths, contents, identities = (np.array(list(one), object) for one in zip(*rows, strict=True))
    facts = {name: np.array(values) for name, values in columns.items()}
    facts |= {DIGEST: contents.astype(np.str_), TRAINED: np.full(len(rows), "no")}
    embeddings = np.arange(len(rows), dtype=np.float32)[:, None]
    return Gallery(paths, identities, facts, embeddings, paths.copy(), {})


def updated(gallery: Gallery, photos: Gallery, *, correct: bool = False) -> Gallery:
    found = compare(gallery, photos)
    now = brought_up_to_date(gallery, photos, found, correct=correct)
    new = np.flatnonzero(found.rows < 0)
    return join(now, photos.take(new)) if len(new) else now


def rows_of(gallery: Gallery) -> set[tuple[str, str, str]]:
    columns = gallery.paths, gallery.columns[DIGEST], gallery.identities
    return set(zip(*(column.tolist() for column in columns), strict=True))


def test_what_is_there_is_told_by_path_and_content():
    gallery = photos_of(("/a", "1", "x"), ("/b", "2", "x"), ("/c", "3", "y"))
    photos = photos_of(("/a", "1", "x"), ("/new/b", "2", "x"), ("/d", "4", "y"), ("/c", "5", "y"))
    found = compare(gallery, photos)
    assert found.rows.tolist() == [0, 1, -1, -1]
    assert found.moved.tolist() == [False, True, False, False]
    assert found.stale.tolist() == [False, False, True]
    assert not found.differ[INDIVIDUAL].any()
    assert rows_of(updated(gallery, photos)) == rows_of(photos)


def test_names_that_were_swapped_or_given_to_another_are_followed(tmp_path):
    paths = [str(tmp_path / name) for name in "ab"]
    for path in paths:
        open(path, "w").close()
    gallery = photos_of((paths[0], "1", "x"), (paths[1], "2", "y"))
    swapped = photos_of((paths[0], "2", "y"), (paths[1], "1", "x"))
    assert rows_of(updated(gallery, swapped)) == rows_of(swapped)
    over = photos_of((paths[1], "1", "y"))
    (tmp_path / "a").unlink()
    found = compare(gallery, over)
    assert renamed(gallery, over, found) == {("x", "y"): 1}
    assert rows_of(updated(gallery, over)) == {(paths[1], "1", "x")}
    assert rows_of(updated(gallery, over, correct=True)) == {(paths[1], "1", "y")}


def test_copies_of_one_individual_are_there_and_of_another_are_new():
    gallery = photos_of(("/a", "1", "x"))
    photos = photos_of(("/copy", "1", "x"), ("/a", "1", "x"), ("/other", "1", "y"))
    found = compare(gallery, photos)
    assert found.rows.tolist() == [0, 0, -1]
    assert not found.moved.any()
    twice = photos_of(("/a", "1", "x"), ("/b", "1", "y"))
    both = photos_of(("/new/b", "1", "y"), ("/new/a", "1", "x"))
    assert compare(twice, both).rows.tolist() == [1, 0]


def test_facts_that_differ_are_counted_and_taken_on_demand():
    gallery = photos_of(("/a", "1", "x"), ("/b", "2", "x"), camera=["", "left"])
    photos = photos_of(("/a", "1", "x"), ("/b", "2", "x"), camera=["a long name", ""])
    found = compare(gallery, photos)
    assert found.differ["camera"].tolist() == [True, False]
    assert updated(gallery, photos).columns["camera"].tolist() == ["", "left"]
    now = updated(gallery, photos, correct=True)
    assert now.columns["camera"].tolist() == ["a long name", "left"]
    days = np.array(["2020-01-01", "NaT"], "datetime64[s]")
    dated = photos_of(("/a", "1", "x"), ("/b", "2", "x"), date=days)
    assert compare(gallery, dated).differ["date"].tolist() == [True, False]
    np.testing.assert_array_equal(updated(gallery, dated, correct=True).columns["date"], days)


def test_photos_in_memory_and_those_without_a_digest_are_known_by_their_names():
    gallery = photos_of(("synthetic/1", "1", "x"), ("/b", "", "x"))
    photos = photos_of(("synthetic/1", "9", "x"), ("/b", "2", "x"))
    found = compare(gallery, photos)
    assert found.rows.tolist() == [0, 1]
    assert not found.stale.any()


FILES = st.lists(
    st.tuples(
        st.sampled_from([f"/nowhere/{name}" for name in "abcdefgh"]),
        st.sampled_from("12345"),
        st.sampled_from("xyz"),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row[0],
)


@settings(max_examples=300, deadline=None)
@given(FILES, FILES, st.booleans())
def test_nothing_is_there_twice_and_all_that_was_given_is_there(before, given_now, correct):
    gallery, photos = photos_of(*before), photos_of(*given_now)
    now = updated(gallery, photos, correct=correct)
    assert len(set(now.paths.tolist())) == len(now)
    contents = {(content, identity) for _, content, identity in rows_of(now)}
    paths = {path: content for path, content, _ in rows_of(now)}
    for path, content, identity in given_now:
        assert paths.get(path, content) == content
        assert content in paths.values()
        if correct:
            assert (content, identity) in contents
    untouched = {row for row in before if row[0] not in {path for path, _, _ in given_now}}
    lost = {content for _, content, _ in untouched} - set(paths.values())
    assert not lost
    again = brought_up_to_date(now, photos, compare(now, photos), correct=correct)
    assert rows_of(again) == rows_of(now)
