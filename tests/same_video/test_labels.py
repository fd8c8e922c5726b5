"""Labelled pairs are read as they are written, and divided so that no film is on two sides."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax.errors import UserError
from reid_jax.same_video.dividing import divide, held_out, split_labels
from reid_jax.same_video.labels import Labels, among_keys, read_labels

KEYS = [f"clip_{number}" for number in range(6)]


def read(tmp_path, text: str) -> Labels:
    file = tmp_path / "pairs.csv"
    file.write_text(text)
    return read_labels(file, among_keys(KEYS), "the videos of clips.h5")


def test_pairs_are_found_by_key_and_by_the_film_s_name(tmp_path):
    labels = read(
        tmp_path, "Label;First;second\n1;clip_0;clip_1\n0;films/clip_2.mp4;films\\clip_3.MOV\n"
    )
    assert labels.clips.tolist() == [["clip_0", "clip_1"], ["clip_2", "clip_3"]]
    assert labels.same.tolist() == [True, False]
    assert labels.names == KEYS[:4]


GOOD = "clip_0,clip_1,1\nclip_2,clip_3,0\n"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("clip_0,lost.mp4,1", "line 4 names lost.mp4, which is not among the videos of clips.h5"),
        ("clip_0,,1", "line 4 names no clip"),
        ("clip_4,clip_5,2", "line 4 has the label 2, which is neither 0 nor 1"),
        ("clip_4,clip_5,", "line 4 has the label of nothing"),
        ("clip_4,clip_4.mp4,1", "line 4 pairs clip_4 with itself"),
        ("clip_1,clip_0,1", "line 4 has the pair of line 2 again."),
    ],
)
def test_rows_that_cannot_be_used_are_left_out_and_named(tmp_path, capsys, row, why):
    labels = read(tmp_path, f"first,second,label\n{GOOD}{row}\n")
    assert len(labels.same) == 2
    said = capsys.readouterr().err
    assert "1 row is left out" in said
    assert why in said
    assert said.count("\n") == 1


def test_a_pair_with_both_labels_has_none(tmp_path, capsys):
    labels = read(tmp_path, f"first,second,label\n{GOOD}clip_3,clip_2,1\nclip_4,clip_5,0\n")
    assert labels.clips.tolist() == [["clip_0", "clip_1"], ["clip_4", "clip_5"]]
    said = capsys.readouterr().err
    assert "line 3 has the pair of line 4 with the other label; line 4 has the pair of" in said


def test_a_clip_is_of_one_film(tmp_path, capsys):
    labels = read(
        tmp_path,
        "first,second,label,first_film,second_film\n"
        "clip_0,clip_1,1,a,a\nclip_2,clip_3,0,b,\nclip_0,clip_4,0,c,\n",
    )
    assert labels.film == {"clip_0": "a", "clip_1": "a", "clip_2": "b"}
    assert len(labels.same) == 2
    assert "line 4 has clip_0 of the film c, line 2 of a" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("first,second\na,b\n", "no column label"),
        ("first,second,label\n", "has no pairs"),
        ("first,second,label\nx,y,1\n", "line 2 names x, which is not among"),
        ("first,second,label\nclip_0,clip_1,1\n", "1 usable pair of .* have the label 1; it takes"),
    ],
)
def test_what_gives_no_pairs_is_refused(tmp_path, text, why):
    with pytest.raises(UserError, match=why):
        read(tmp_path, text)


def labels_of(pairs, film=()) -> Labels:
    clips = np.array([[str(one), str(other)] for one, other, _ in pairs])
    return Labels(clips, np.array([bool(same) for *_, same in pairs]), dict(film))


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(*[st.integers(0, 9)] * 2, st.booleans()).filter(lambda pair: pair[0] < pair[1]),
        min_size=3,
        max_size=20,
        unique_by=lambda pair: pair[:2],
    ),
    st.lists(st.integers(0, 3), min_size=10, max_size=10),
    st.integers(2, 4),
)
def test_clips_are_dealt_out_once_and_films_stay_whole(pairs, films, parts):
    film = {str(clip): f"film {films[clip]}" for clip in range(10)}
    labels = labels_of(pairs, film)
    dealt = divide(labels, parts)
    assert sorted(itertools.chain(*dealt)) == sorted(labels.names)
    for one, other in itertools.combinations(dealt, 2):
        assert not {film[clip] for clip in one} & {film[clip] for clip in other}


def test_pairs_that_can_stay_together_do():
    """Four islands of five clips: nothing is lost, and each part has both labels."""
    pairs = [
        (f"{island}{one}", f"{island}{other}", (one + other) % 2)
        for island in "abcd"
        for one, other in itertools.combinations(range(5), 2)
    ]
    labels = labels_of(pairs)
    dealt = divide(labels, 4)
    assert sorted(len({clip[0] for clip in part}) for part in dealt) == [1, 1, 1, 1]
    assert sum(len(labels.among(part).same) for part in dealt) == len(pairs)


def test_where_all_are_joined_the_alike_stay_together():
    """Ten groups of three; pairs between groups are lost, those within are not."""
    pairs = [
        (one, other, one // 3 == other // 3) for one, other in itertools.combinations(range(30), 2)
    ]
    labels = labels_of(pairs)
    dealt = divide(labels, 5)
    assert sum(labels.among(part).same.sum() for part in dealt) == labels.same.sum()
    split = split_labels(labels, set(labels.names) - dealt[0], dealt[0], 0.25, "fold 0 of 5")
    assert "fold 0 of 5; no film is in two of these; " in split.about
    parts = (split.train, split.validation, split.test)
    assert all(part.both for part in parts)
    for one, other in itertools.combinations(parts, 2):
        assert not set(one.names) & set(other.names)
    left = len(labels.same) - sum(len(part.same) for part in parts)
    assert f"{left} join clips of two parts and are left out" in split.about


def test_what_cannot_be_divided_is_refused():
    labels = labels_of([(0, 1, 1), (2, 3, 0)])
    with pytest.raises(UserError, match=r"2 pairs of 4 clips cannot be divided .*; do so"):
        held_out(labels, 0.5, "do so")
    with pytest.raises(UserError, match="fold 1 leaves 1 pairs with the label 1 and 0 with 0 to"):
        split_labels(labels, ["0", "1"], ["2", "3"], 0.0, "fold 1")
    filmed = labels_of([(0, 1, 1), (2, 3, 0)], {"0": "a", "2": "a"})
    with pytest.raises(UserError, match="fold 1 has the film a on both sides"):
        split_labels(filmed, ["0", "1"], ["2", "3"], 0.0, "fold 1")
