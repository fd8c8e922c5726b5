"""Estimates of a closed population, against published examples and plain sums."""

from itertools import combinations
from math import comb

import numpy as np
import pytest

from reid_jax.individuals.gallery.reports.histories import Histories
from reid_jax.individuals.gallery.reports.occasions import by_unit
from reid_jax.individuals.gallery.reports.population import chapman, estimate, schnabel

# Gerking 1953, "Evidence for the concepts of home range and territory in stream fishes", sunfish,
# as Krebs 1999, "Ecological methodology", table 2.2 has them: caught, recaptured, marked before.
SUNFISH = (
    (10, 27, 17, 7, 1, 5, 6, 15, 9, 18, 16, 5, 7, 19),
    (0, 0, 0, 0, 0, 0, 2, 1, 5, 5, 4, 2, 2, 3),
    (0, 10, 37, 54, 61, 62, 67, 71, 85, 89, 102, 112, 115, 119),
)


def histories_of(seen) -> Histories:
    seen = np.asarray(seen, bool)
    days = np.arange(seen.shape[1]).astype("datetime64[D]")
    names = tuple(f"{number}" for number in range(len(seen)))
    return Histories(
        names, by_unit(days, "day")[0], seen, (), np.zeros(len(seen), int), "", np.zeros(0, object)
    )


def test_ten_turtles_of_which_five_were_marked():
    """The worked example of an encyclopedia: 10 marked, 15 seen later, 5 of them marked."""
    found = chapman(10, 15, 5)
    assert int(found.number) == 28
    assert (round(found.low), round(found.high)) == (22, 65)


def test_a_hundred_trout():
    """100 marked, 100 seen later, 10 of them marked: 926, which Lincoln and Petersen call 1,000."""
    assert round(chapman(100, 100, 10).number) == 926


@pytest.mark.parametrize(("population", "first", "second"), [(20, 12, 10), (15, 9, 6), (9, 9, 9)])
def test_chapman_is_right_on_average(population, first, second):
    """Over all that the second sample can be, as Chapman proves where both are large enough."""
    assert first + second >= population
    total = sum(
        comb(first, both)
        * comb(population - first, second - both)
        * chapman(first, second, both).number
        for both in range(max(0, first + second - population), min(first, second) + 1)
    )
    assert total / comb(population, second) == pytest.approx(population)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    population, first, second = 60, 25, 20
    held = sum(
        comb(first, both)
        * comb(population - first, second - both)
        * (chapman(first, second, both).low <= population <= chapman(first, second, both).high)
        for both in range(second + 1)
        if second - both <= population - first
    )
    assert 0.92 < held / comb(population, second) < 0.99


def test_sunfish_of_gerking():
    """Krebs has 10,740 / 24 = 447.5; with Chapman's 1 it is 429.6, within Garwood's limits."""
    caught, again, marked = map(np.array, SUNFISH)
    products = sum(n * m for n, m in zip(SUNFISH[0], SUNFISH[2], strict=True))
    assert products / sum(SUNFISH[1]) == pytest.approx(447.5)
    found = schnabel(caught, again, marked)
    assert found.number == pytest.approx(10_740 / 25)
    # The 95% limits of a Poisson count of 24 are 15.38 and 35.71 in Garwood's table.
    assert found.low == pytest.approx(10_740 / 35.71, rel=5e-4)
    assert found.high == pytest.approx(10_740 / 15.38, rel=5e-4)


def test_counts_of_occasions_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    seen = rng.random((30, 6)) < 0.3
    found = histories_of(seen[seen.any(axis=1)])
    before: set[int] = set()
    for t in range(6):
        now = {row for row in range(len(found.seen)) if found.seen[row, t]}
        assert found.caught[t] == len(now)
        assert found.recaptured[t] == len(now & before)
        assert found.marked[t] == len(before)
        before |= now
    number, _ = estimate(found)
    caught, again, marked = (
        each.tolist() for each in (found.caught, found.recaptured, found.marked)
    )
    expected = sum(n * m for n, m in zip(caught, marked, strict=True)) / (sum(again) + 1)
    assert number.number == pytest.approx(max(expected, len(found.seen)))


def test_a_known_population_is_found():
    rng = np.random.default_rng(3)
    seen = rng.random((200, 8)) < 0.2
    number, _ = estimate(histories_of(seen[seen.any(axis=1)]))
    assert number.low < 200 < number.high
    assert number.number == pytest.approx(200, rel=0.15)


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        ([[1]], "two occasions or more"),
        ([[0, 1], [0, 1]], "on the first and on later ones"),
        ([[1, 0], [1, 0]], "on the first and on later ones"),
    ],
)
def test_what_says_nothing_is_a_sentence(seen, sentence):
    found, why = estimate(histories_of(seen))
    assert found is None
    assert sentence in why


def test_nobody_seen_again_leaves_no_upper_limit():
    found, _ = estimate(histories_of([[1, 0, 0], [0, 1, 0], [0, 0, 1]]))
    assert found.high == float("inf")
    assert found.low <= found.number
    pairs = list(combinations(range(3), 2))
    assert found.number == max(len(pairs), 3)
    two, _ = estimate(histories_of([[1, 0], [0, 1]]))
    assert two.number == pytest.approx(3)
    assert two.high < float("inf")
