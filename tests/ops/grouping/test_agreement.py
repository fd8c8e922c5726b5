"""Measures of groups beside scikit-learn's and plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from reid_jax.ops.grouping.agreement import agreement

LABELS = st.integers(1, 30).flatmap(
    lambda count: st.tuples(*[st.lists(st.integers(0, 5), min_size=count, max_size=count)] * 2)
)


@given(LABELS)
def test_each_measure(labels):
    found, truth = (np.array(each) for each in labels)
    measured = agreement(found, truth)
    assert measured.ari == pytest.approx(adjusted_rand_score(truth, found))
    if len(set(found)) > 1 or len(set(truth)) > 1:
        assert measured.nmi == pytest.approx(normalized_mutual_info_score(truth, found), abs=1e-9)
    one, other = np.triu_indices(len(found), 1)
    same_group, same = found[one] == found[other], truth[one] == truth[other]
    for value, of in ((measured.pair_precision, same_group), (measured.pair_recall, same)):
        expected = np.mean((same & same_group)[of]) if of.any() else np.nan
        np.testing.assert_allclose(value, expected)
    precision = np.mean([np.mean(truth[found == found[i]] == truth[i]) for i in range(len(found))])
    recall = np.mean([np.mean(found[truth == truth[i]] == found[i]) for i in range(len(found))])
    assert measured.bcubed_precision == pytest.approx(precision)
    assert measured.bcubed_recall == pytest.approx(recall)
    assert measured.bcubed_f1 == pytest.approx(2 * precision * recall / (precision + recall))


def test_the_truth_itself_is_perfect_and_names_do_not_matter():
    truth = np.array([3, 3, 1, 1, 1, 7])
    perfect = agreement(np.array([0, 0, 9, 9, 9, 4]), truth)
    assert perfect == (3, 1, pytest.approx(1), 1, 1, 1, 1, 1)
