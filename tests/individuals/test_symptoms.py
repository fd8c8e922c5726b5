"""Each symptom where it is, and not where all is well; numbers alone, no training."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_jax.individuals import symptoms
from reid_jax.individuals.twins import have_twins
from reid_jax.individuals.watch import indifferent_loss, watch
from reid_jax.ops.losses.objectives import (
    Contrastive,
    Joint,
    MarginSoftmax,
    SupervisedContrastive,
    Triplet,
)
from reid_jax.ops.spread import effective_rank, spread

LABELS = np.repeat(np.arange(4), 4)
PAIRS = np.array([0, 0, 0, 1] * 4)  # half of them of one individual


def test_spread_and_effective_rank_are_those_of_loops():
    z = np.random.default_rng(0).normal(size=(30, 5)) * [3, 2, 1, 0.1, 0] + 1
    middle = sum(z) / len(z)
    lengths = [sum(x * x) for x in z]
    assert spread(z) == pytest.approx(sum(sum((x - middle) ** 2) for x in z) / sum(lengths))
    variances = np.linalg.eigvalsh((z - middle).T @ (z - middle))
    shares = [each / sum(variances) for each in variances if each > 1e-9]
    entropy = -sum(share * math.log(share) for share in shares)
    assert effective_rank(z) == pytest.approx(math.exp(entropy))
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    assert spread(unit) == pytest.approx(1 - np.mean(unit @ unit.T))


@given(st.integers(1, 6), st.integers(2, 20), st.floats(0.1, 10))
def test_the_effective_rank_is_between_one_and_the_dimensions(dimensions, number, scale):
    z = np.random.default_rng(number).normal(size=(number, dimensions))
    rank = effective_rank(z)
    assert 1 - 1e-9 <= rank <= min(dimensions, number - 1) + 1e-9
    assert effective_rank(scale * z) == pytest.approx(rank)


def test_nothing_varies_where_all_are_one_point():
    assert spread(np.ones((5, 3))) == effective_rank(np.ones((5, 3))) == 0
    assert spread(np.zeros((5, 3))) == 0


@pytest.mark.parametrize(
    ("objective", "labels", "expected"),
    [
        (Triplet(margin=0.3, mining="all"), LABELS, 0.3),
        (Triplet(margin=0.4, mining="hard"), LABELS, 0.4),
        (Triplet(margin=0.3, mining="semi_hard"), LABELS, 0.3),
        (Triplet(soft=True), LABELS, math.log(2)),
        (Contrastive(margin=3.0), PAIRS, 3.0**2 / 2),
        (Contrastive(margin=3.0, halved=True), PAIRS, 3.0**2 / 4),
        (SupervisedContrastive(), LABELS, math.log(15)),
        (MarginSoftmax(scale=30.0, margin=0.0), LABELS, math.log(7)),
        (MarginSoftmax(scale=30.0, margin=0.0, centers=3), LABELS, math.log(7)),
        (
            MarginSoftmax(kind="cosface", scale=4.0, margin=0.5),
            LABELS,
            math.log(6 + math.exp(-2)) + 2,
        ),
        (
            Joint(Triplet(margin=0.3), MarginSoftmax(margin=0.0), softmax_weight=2.0),
            LABELS,
            0.3 + 2 * math.log(7),
        ),
    ],
    ids=str,
)
def test_what_a_loss_is_where_nobody_is_told_apart(objective, labels, expected):
    """At the margin, at half its square, at the logarithm of the number of individuals."""
    assert indifferent_loss(objective, labels, 7) == pytest.approx(expected, rel=2e-3)


def falling(first, last, number=40):
    return np.linspace(first, last, number)


def test_a_loss_that_stays():
    stays = symptoms.not_falling(falling(0.31, 0.30), lambda: 0.3)
    assert "does not fall: it is 0.301, and 0.3 where" in stays.sentence
    # From far above down to where nothing is told apart, and no further.
    down = np.concatenate([falling(9.0, 4.2, 10), np.full(30, 4.15)])
    assert symptoms.not_falling(down, lambda: 4.1) is not None
    assert symptoms.not_falling(down, lambda: 2.0) is None  # it stands still, but lower
    rising = symptoms.not_falling(falling(5.0, 8.0), lambda: 4.1)
    assert "it was 5." in rising.sentence


def test_a_loss_that_falls_is_compared_with_nothing():
    def never():
        raise AssertionError

    assert symptoms.not_falling(falling(0.3, 0.1), never) is None
    # On its way through what a network has that tells nobody apart.
    assert symptoms.not_falling(falling(9.0, 4.1), never) is None
    assert symptoms.not_falling(falling(0.3, 0.3, 7), never) is None  # too early


def test_collapse_is_a_point_or_a_line():
    room = {"dimensions": 64, "individuals": 20}
    assert "nearly the same" in symptoms.collapsed(1e-4, 30.0, **room).sentence
    assert "on a line" in symptoms.collapsed(0.8, 1.2, **room).sentence
    assert symptoms.collapsed(0.3, 5.0, **room) is None
    assert symptoms.collapsed(0.8, 1.2, dimensions=2, individuals=20) is None
    assert symptoms.collapsed(0.8, 1.2, dimensions=64, individuals=4) is None


def history(*judged, losses=(3.0, 2.0, 1.0, 0.8, 0.6)):
    rows = [{"step": 10 * i, "loss": loss} for i, loss in enumerate(losses, 1)]
    return rows + [{"step": 10 * i, "validation/mAP": value} for i, value in enumerate(judged, 1)]


def test_validation_that_falls_while_the_loss_does_too():
    found = symptoms.past_its_best(history(0.3, 0.5, 0.44, 0.4), "validation/mAP")
    assert "since step 20 the loss has fallen on, but mAP" in found.sentence
    assert "--train.steps 20" in found.advice
    for judged in [(0.3, 0.5, 0.4), (0.3, 0.5, 0.4, 0.48), (0.3, 0.4, 0.5), (0.5, 0.49, 0.48)]:
        assert symptoms.past_its_best(history(*judged), "validation/mAP") is None, judged
    stays = history(0.3, 0.5, 0.44, 0.4, losses=(1.0, 1.0, 1.0, 1.0))
    assert symptoms.past_its_best(stays, "validation/mAP") is None
    assert symptoms.past_its_best(history(), "validation/mAP") is None


def values(rank1, mean_ap, p=0.001, low=None, high=None):
    low, high = low or rank1 - 0.05, high or rank1 + 0.05
    rest = {"mAP": mean_ap, "rank1_p": p, "mAP_p": p}
    return {"rank1": rank1, "rank1_low": low, "rank1_high": high, **rest}


def better(ours, individuals=50, **others):
    names = {name.replace("_", " "): each for name, each in others.items()}
    return symptoms.no_better(ours, names, individuals)


def test_worse_than_the_frozen_features_it_began_with():
    """400 turtles: 0.435 after ten minutes, 0.524 before."""
    found = better(
        values(0.435, 0.18), frozen_features=values(0.524, 0.17), raw_pixels=values(0.35, 0.1)
    )
    assert found.sentence == (
        "The network is worse than frozen features, which it began with: Rank-1 is 0.435, theirs "
        "0.524."
    )
    assert found.numbers == {"rank1": 0.435, "rank1 of frozen features": 0.524, "p": 0.001}


def test_no_better_than_raw_pixels_but_by_luck():
    found = better(values(0.16, 0.1), raw_pixels=values(0.15, 0.1, p=0.4))
    assert (
        "no better than raw pixels: Rank-1 is 0.160, theirs 0.150, a difference" in found.sentence
    )
    assert better(values(0.16, 0.1), raw_pixels=values(0.15, 0.1)) is None
    # Of five individuals no difference is beyond luck; a higher number is all there is.
    assert better(values(0.16, 0.1), 5, raw_pixels=values(0.15, 0.1, p=0.4)) is None
    assert better(values(0.15, 0.1), 5, raw_pixels=values(0.16, 0.1, p=0.4)) is not None


def test_lists_that_are_better_excuse_a_tie_of_the_first_place():
    """Two numbers a piece of clothing: Rank-1 0.817, raw pixels 0.820; mAP 0.793 and 0.498."""
    assert better(values(0.817, 0.793), raw_pixels=values(0.820, 0.498)) is None
    assert better(values(0.75, 0.793), raw_pixels=values(0.820, 0.498)) is not None


def test_where_nobody_finds_anything_the_names_are_asked_for():
    hopeless = values(0.03, 0.05, low=0.01)
    found = symptoms.guessing(hopeless, {"raw pixels": values(0.02, 0.05, low=0.01)}, 0.02)
    assert "Do the names belong to the photos?" in found.advice
    pixels = {"raw pixels": values(0.15, 0.1, low=0.1)}
    assert symptoms.guessing(hopeless, pixels, 0.02) is None
    nothing = {"rank1": 0.0, "rank1_low": math.nan}
    assert symptoms.guessing(nothing, {}, 0.02) is None  # of two individuals nothing is known


def test_guessing_is_drawing_from_the_gallery():
    labels = np.array([0, 0, 0, 1, 1, 2])
    every = np.arange(6)
    # Individual 2 has no other photo, and is not asked for.
    assert symptoms.rank1_of_guessing(labels, every, every) == pytest.approx((3 * 2 + 2 * 1) / 25)
    apart = symptoms.rank1_of_guessing(labels, np.array([0, 3]), np.array([1, 2, 4, 5]))
    assert apart == pytest.approx((2 / 4 + 1 / 4) / 2)


def test_learnt_by_heart_is_no_mere_difference():
    assert symptoms.learnt_by_heart(0.99, 0.2, 0.25) is not None
    assert symptoms.learnt_by_heart(0.4, 0.2, 0.25) is None
    assert symptoms.learnt_by_heart(math.nan, 0.2, 0.25) is None


def test_few_individuals():
    assert "show 4:" in symptoms.too_few(values(0.5, 0.4), 4).sentence
    assert "from 0.20 to 0.80" in symptoms.too_few(values(0.5, 0.4, low=0.2, high=0.8), 9).sentence
    unknown = {"rank1_low": math.nan, "rank1_high": math.nan}
    assert symptoms.too_few(unknown, 2).sentence.endswith("show 2.")
    assert symptoms.too_few(values(0.5, 0.4), 30) is None


def test_a_split_that_flatters():
    assert "encounter" in symptoms.flatters("photo", values(0.9, 0.5), 0.0).sentence
    assert symptoms.flatters("identity", values(0.9, 0.5), 0.0) is None
    # Half of the matches are of the same day: as good as the others, 0.6 becomes 0.37.
    days = {**values(0.6, 0.5), "rank1_other_day": 0.36}
    assert symptoms.flatters("identity", days, 0.5) is None
    days["rank1_other_day"] = 0.2
    assert "0.600, and 0.200 where" in symptoms.flatters("identity", days, 0.5).sentence


def test_photos_that_are_on_both_sides():
    assert "12 of 300 photos" in symptoms.leaked(12, 300, 4000).sentence
    assert symptoms.leaked(2, 20, 100) is None  # two may be chance
    assert symptoms.leaked(4, 1000, 4000) is None


def test_single_photos():
    assert (
        "Of 5 training individuals 3" in symptoms.single_photos(np.array([1, 1, 1, 4, 2])).sentence
    )
    assert symptoms.single_photos(np.array([1, 1, 4, 2])) is None


def test_twins_are_copies_and_not_things_that_are_alike():
    rng = np.random.default_rng(0)
    others = rng.integers(0, 256, (40, 4, 4, 1)).repeat(8, 1).repeat(8, 2)
    noise = rng.normal(0, 8, (5, 32, 32, 1))
    copies = np.clip(0.8 * others[:5] + 20 + noise, 0, 255)
    strangers = rng.integers(0, 256, (5, 4, 4, 1)).repeat(8, 1).repeat(8, 2)
    photos = np.concatenate([copies, strangers]).astype(np.uint8)
    assert have_twins(photos, others.astype(np.uint8)).tolist() == [True] * 5 + [False] * 5
    trousers = np.clip(others[:1] + rng.normal(0, 8, (50, 32, 32, 1)), 0, 255).astype(np.uint8)
    assert not have_twins(trousers[:10], trousers[10:]).any()
    assert have_twins(photos, others[:0].astype(np.uint8)).tolist() == [False] * 10


def test_a_training_is_told_of_one_thing():
    said = watch(Triplet(margin=0.3, mining="all"), LABELS, 4, 12)
    rows = [{"step": i, "loss": 0.3} for i in range(12)]
    far, same = np.random.default_rng(0).normal(size=(24, 16)), np.ones((24, 16))
    assert said(rows[:3], same) == said([], None) == ""
    assert said(rows, same).startswith("The embeddings have collapsed")
    assert said(rows, far).startswith("The loss does not fall")
    assert said(rows, None) == ""  # as before
    assert said(rows, same).startswith("The embeddings have collapsed")
