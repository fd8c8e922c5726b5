"""One-shot episodes: who is in them, and the accuracy against a loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax import UserError
from reid_jax.individuals.episodes import draw_episodes, one_shot_accuracy


def alphabets(characters=(6, 8, 3), drawers=4):
    rows = [(a, c, d) for a, n in enumerate(characters) for c in range(n) for d in range(drawers)]
    group, character, drawer = np.array(rows).T
    return group * 100 + character, group, drawer


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=10, deadline=None)
def test_episodes_follow_the_protocol(seed):
    labels, groups, drawers = alphabets()
    shuffle = np.random.default_rng(seed).permutation(len(labels))[:-5]  # some are missing
    labels, groups, drawers = labels[shuffle], groups[shuffle], drawers[shuffle]
    shown, asked = draw_episodes(labels, groups, drawers, ways=5, episodes=12, seed=seed)
    assert shown.shape == asked.shape == (12, 5)
    for s, a in zip(shown, asked, strict=True):
        np.testing.assert_array_equal(labels[s], labels[a])
        assert len(set(labels[s])) == 5
        assert len(set(groups[s])) == 1
        assert len(set(drawers[s])) == len(set(drawers[a])) == 1
        assert drawers[s][0] != drawers[a][0]
    again = draw_episodes(labels, groups, drawers, ways=5, episodes=12, seed=seed)
    np.testing.assert_array_equal(shown, again[0])
    longer = draw_episodes(labels, groups, drawers, ways=5, episodes=20, seed=seed)
    np.testing.assert_array_equal(asked, longer[1][:12])


def test_without_drawers_two_different_photos():
    labels, groups, _ = alphabets()
    shown, asked = draw_episodes(labels, groups, ways=5, episodes=30)
    np.testing.assert_array_equal(labels[shown], labels[asked])
    assert (shown != asked).all()
    assert set(groups[shown].ravel()) == {0, 1}  # the third alphabet has only three characters


def test_too_few_individuals():
    labels, groups, drawers = alphabets()
    for known in (drawers, None):
        with pytest.raises(UserError, match="9 individuals"):
            draw_episodes(labels, groups, known, ways=9)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_accuracy_matches_a_loop(metric):
    labels, groups, drawers = alphabets()
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((1000, 6))[labels] + rng.standard_normal((len(labels), 6))
    shown, asked = draw_episodes(labels, groups, drawers, ways=6, episodes=40)
    accuracy = one_shot_accuracy(embeddings, shown, asked, metric)
    if metric == "cosine":
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    for value, s, a in zip(accuracy, shown, asked, strict=True):
        right = 0
        for i, query in enumerate(a):
            distances = [np.linalg.norm(embeddings[query] - embeddings[k]) for k in s]
            right += int(np.argmin(distances)) == i
        assert value == pytest.approx(right / 6)


def test_an_embedding_that_says_nothing_gets_chance():
    labels, groups, drawers = alphabets()
    shown, asked = draw_episodes(labels, groups, drawers, ways=5, episodes=10)
    assert one_shot_accuracy(np.ones((len(labels), 3)), shown, asked).mean() == pytest.approx(0.2)
