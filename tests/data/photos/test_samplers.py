"""Batches are pure functions of (seed, step) with the composition they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax.data.photos import IdentitySampler, PairSampler, UniformSampler
from reid_jax.errors import UserError

few = settings(max_examples=25, deadline=None)
labelled = st.lists(st.integers(0, 6), min_size=4, max_size=40).map(np.array)


def samplers(labels):
    return [
        IdentitySampler(labels, 3, 4, seed=5),
        PairSampler(labels, 8, seed=5),
        UniformSampler(len(labels), 10, seed=5),
    ]


LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(8), [1, 2, 3, 9, 4, 4, 30, 2]))


@pytest.mark.parametrize("kind", range(3))
def test_stateless(kind):
    sampler, fresh = samplers(LABELS)[kind], samplers(LABELS)[kind]
    forwards = [sampler(step) for step in range(20)]
    backwards = [fresh(step) for step in reversed(range(20))][::-1]
    np.testing.assert_array_equal(forwards, backwards)
    assert forwards[0].dtype == np.int64
    assert len({batch.tobytes() for batch in forwards}) > 15, "steps differ"


@pytest.mark.parametrize("kind", range(3))
def test_the_seed_matters(kind):
    one = samplers(LABELS)[kind]
    two = samplers(LABELS)[kind]
    two._seed = 6
    assert any((one(step) != two(step)).any() for step in range(3))


@few
@given(labelled, st.integers(1, 5), st.integers(1, 6), st.integers(0, 10**9), st.integers(0, 99))
def test_identity_batches(labels, P, K, seed, step):
    names, counts = np.unique(labels, return_counts=True)
    if len(names) < P or (K > 1 and counts.max() < 2):
        with pytest.raises(UserError):
            IdentitySampler(labels, P, K, seed)
        return
    batch = IdentitySampler(labels, P, K, seed)(step).reshape(P, K)
    shown = labels[batch]
    assert (shown == shown[:, :1]).all(), "the photos of an individual are adjacent"
    assert len(set(shown[:, 0])) == P, "individuals do not repeat"
    for name, photos in zip(shown[:, 0], batch, strict=True):
        available = (labels == name).sum()
        _, times = np.unique(photos, return_counts=True)
        assert len(times) == min(K, available)
        assert times.max() - times.min() <= 1, "cycled evenly"


@few
@given(labelled, st.integers(1, 5), st.integers(0, 3))
def test_a_pass_visits_every_individual(labels, P, number):
    names = np.unique(labels)
    P = min(P, len(names))
    sampler = IdentitySampler(labels, P, 1, seed=1)
    steps_per_pass = -(-len(names) // P)
    steps = range(number * steps_per_pass, (number + 1) * steps_per_pass)
    visits = np.concatenate([labels[sampler(step)] for step in steps])
    times = np.bincount(visits, minlength=7)[names]
    assert times.min() >= 1
    assert times.max() <= 2
    assert (times == 2).sum() < P, "only the last batch is filled up"


def test_photos_of_an_individual_are_equally_likely():
    labels = np.repeat([0, 1], [5, 3])
    sampler = IdentitySampler(labels, 2, 2, seed=0)
    times = np.bincount(np.concatenate([sampler(step) for step in range(3000)]), minlength=8)
    np.testing.assert_allclose(times[:5], 6000 / 5, rtol=0.1)
    np.testing.assert_allclose(times[5:], 6000 / 3, rtol=0.1)


def test_pairs_of_photos_of_an_individual_are_equally_likely():
    sampler = IdentitySampler(np.zeros(4, int), 1, 3, seed=0)
    triples = [frozenset(sampler(step).tolist()) for step in range(2000)]
    for triple in set(triples):
        assert 0.2 < triples.count(triple) / 2000 < 0.3


@few
@given(labelled, st.sampled_from([4, 8, 12]), st.integers(0, 99))
def test_pair_batches(labels, batch_size, step):
    _, counts = np.unique(labels, return_counts=True)
    if len(counts) < 2 or counts.max() < 2:
        with pytest.raises(UserError):
            PairSampler(labels, batch_size, 0)
        return
    pairs = PairSampler(labels, batch_size, 0)(step).reshape(-1, 2)
    assert len(pairs) == batch_size // 2
    same = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    np.testing.assert_array_equal(same, np.arange(len(pairs)) % 2 == 0)
    assert (pairs[:, 0] != pairs[:, 1]).all()


def test_every_pair_is_drawn():
    labels = np.array([1, 0, 1, 0, 2])
    sampler = PairSampler(labels, 4, 0)
    drawn = {tuple(pair) for step in range(600) for pair in sampler(step).reshape(-1, 2).tolist()}
    assert drawn == {(a, b) for a in range(5) for b in range(5) if a != b}


@few
@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 3))
def test_uniform_batches(num_examples, batch_size, epoch):
    if batch_size > num_examples:
        with pytest.raises(UserError):
            UniformSampler(num_examples, batch_size, 0)
        return
    sampler = UniformSampler(num_examples, batch_size, 0)
    steps_per_epoch = -(-num_examples // batch_size)
    steps = range(epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch)
    batches = [sampler(step) for step in steps]
    assert all(len(set(batch.tolist())) == batch_size for batch in batches)
    assert set(np.concatenate(batches).tolist()) == set(range(num_examples))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: IdentitySampler(np.array([0, 0, 1]), 3, 1, 0), "training photos show 2"),
        (lambda: IdentitySampler(np.arange(5), 2, 2, 0), "No individual has two training photos"),
        (lambda: IdentitySampler(np.array([0, 0, 1]), 0, 2, 0), "at least 1"),
        (lambda: PairSampler(np.array([0, 0, 1]), 6, 0), "multiple of 4"),
        (lambda: PairSampler(np.zeros(5), 4, 0), "at least two individuals"),
        (lambda: PairSampler(np.arange(5), 4, 0), "no matching pairs"),
        (lambda: UniformSampler(3, 4, 0), "asks for 4 photos, there are 3"),
    ],
)
def test_impossible_batches_say_what_there_is(make, words):
    with pytest.raises(UserError, match=words):
        make()
