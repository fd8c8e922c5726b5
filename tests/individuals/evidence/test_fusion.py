"""Two scores as one: against the likelihood, and by ranks."""

import numpy as np
from scipy.optimize import minimize

from reid_jax.individuals.evidence.fusion import Fusion, Logistic, fused_by_ranks


def pairs(seed=0, number=4000):
    """A network's similarity and a local score of pairs, of which a tenth are of one individual."""
    rng = np.random.default_rng(seed)
    same = rng.random(number) < 0.1
    network = 0.2 + 0.2 * same + 0.1 * rng.standard_normal(number)
    return network, np.maximum(rng.standard_normal(number) + 2 * same, 0), same


def test_the_fit_is_the_most_likely_one():
    _, local, same = pairs()
    found = Logistic.fitted(local, same)

    def loss(weights):
        odds = weights[0] * local + weights[1]
        return np.sum(np.logaddexp(0, odds) - same * odds)

    best = minimize(loss, [1, 0])
    np.testing.assert_allclose([found.slope, found.intercept], best.x, rtol=0.01)


def test_both_together_tell_more_than_each():
    network, local, same = pairs()
    fusion = Fusion.fitted(network, local, same)
    scores = fusion(network, local)
    assert ((scores >= 0) & (scores <= 1)).all()

    def right(values):
        return np.mean(values[same][:, None] > values[~same][None, :])

    assert right(scores) > max(right(network), right(local))
    assert Fusion.of_json(fusion.as_json()) == fusion


def test_scores_that_say_nothing_are_given_no_weight_and_few_pairs_no_fusion():
    _, local, same = pairs()
    assert Logistic.fitted(-local, same).slope == 0
    assert Logistic.fitted(np.ones(len(same)), same)(np.ones(2)).tolist() == [0.5, 0.5]
    assert Fusion.fitted(local, local, np.arange(len(same)) < 3) is None


def test_ranks_are_means_of_both_rows():
    network, local = np.array([[0.1, 0.9, 0.5]]), np.array([[0.0, 0.0, 7.0]])
    np.testing.assert_allclose(fused_by_ranks(network, local), [[2.5 / 6, 4.5 / 6, 5 / 6]])
