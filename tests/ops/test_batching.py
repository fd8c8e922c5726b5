"""Rows in blocks of one size, and arrays padded to one length."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_jax.ops.batching import blocks, filled, in_blocks, padded


@given(number=st.integers(0, 40), size=st.integers(1, 12))
def test_blocks_are_every_row_once_in_order(number, size):
    found = list(blocks(number, size))
    assert [row for block in found for row in range(number)[block]] == list(range(number))
    assert all(block.stop - block.start == size for block in found[:-1])


@pytest.mark.parametrize("number", [1, 3, 4, 5, 9])
def test_a_function_sees_one_shape_and_each_row_gets_its_own_result(number):
    shapes = set()

    @jax.jit
    def double(rows):
        shapes.add(rows.shape)
        return 2 * rows

    rows = np.arange(2.0 * number, dtype=np.float32).reshape(number, 2) + 1
    np.testing.assert_array_equal(in_blocks(double, rows, 4), 2 * rows)
    assert shapes == {(4, 2)}


def test_what_is_filled_up_is_a_copy_with_zeros_behind():
    rows = np.ones((2, 3), np.uint8)
    for size in (2, 5):
        whole = filled(rows, size)
        assert whole.dtype == np.uint8
        assert whole.shape == (size, 3)
        assert whole.sum() == 6
        whole[0] = 7
        assert rows.max() == 1


def test_arrays_are_padded_to_the_longest_along_an_axis():
    one, two = np.ones((2, 1), np.float32), np.full((2, 3), 2.0, np.float32)
    np.testing.assert_array_equal(padded([one, two], axis=1), [[[1, 0, 0]] * 2, [[2, 2, 2]] * 2])
    np.testing.assert_array_equal(padded([one[0], two[0]]), [[1, 0, 0], [2, 2, 2]])
