"""Who is near whom in two embeddings, against a plain loop."""

import numpy as np
import pytest

from reid_jax.ops.ranking import neighbours
from reid_jax.ops.ranking.neighbours import neighbour_agreement
from tests.loss_cases import unit


def loop(first, second, most):
    shared, same, pairs = [], [], []
    cosines = [[[unit(a) @ unit(b) for b in x] for a in x] for x in (first, second)]
    for i in range(len(first)):
        others = [j for j in range(len(first)) if j != i]
        near = [sorted(others, key=lambda j, c=c: -c[i][j])[:most] for c in cosines]
        shared.append(len(set(near[0]) & set(near[1])) / len(near[0]))
        same.append(near[0][0] == near[1][0])
        pairs += [(cosines[0][i][j], cosines[1][i][j]) for j in others]
    return np.mean(shared), np.mean(same), np.corrcoef(np.transpose(pairs))[0, 1]


@pytest.mark.parametrize("rows", [5, 1024])
def test_it_is_the_loop(monkeypatch, rows):
    monkeypatch.setattr(neighbours, "_ROWS", rows)
    rng = np.random.default_rng(0)
    first = rng.normal(size=(17, 4))
    second = np.concatenate([first + 0.7 * rng.normal(size=first.shape), first[:, :2]], axis=1)
    found = neighbour_agreement(first, second, neighbours=4)
    expected = loop(first, second, 4)
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-5)
    assert 0 < found["neighbours"] < 1


def test_few_photos_have_few_neighbours_and_equal_ones_no_correlation():
    first = np.random.default_rng(1).normal(size=(4, 3))
    assert neighbour_agreement(first, -3 * first)["neighbours"] == 1
    assert neighbour_agreement(first, np.ones((4, 2)))["cosines"] == 0
    with pytest.raises(AssertionError, match="2 photos have no neighbours"):
        neighbour_agreement(first[:2], first[:2])
