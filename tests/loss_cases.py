"""Batches on which every in-batch loss is tried, and the checks against a plain float64 loop."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np


def _random(seed, labels, width=3):
    rng = np.random.default_rng(seed)
    labels = np.array(labels, np.int32)
    return rng.normal(size=(len(labels), width)), labels, np.ones(len(labels), bool)


def _masked(batch, *padding):
    embeddings, labels, mask = batch
    mask[list(padding)] = False
    return embeddings, labels, mask


def _integers(rows, labels):
    # Small integers: squared distances are exact in float32, so that ties are ties there too.
    return np.array(rows, np.float64), np.array(labels, np.int32), np.ones(len(labels), bool)


CASES = {
    "balanced": _random(0, [0, 0, 1, 1, 2, 2, 3, 3]),
    "three_photos": _random(1, [5, 5, 5, 2, 2, 2, 9, 9, 9]),
    "uneven": _random(2, [0, 1, 0, 0, 2, 1, 0]),
    "padded": _masked(_random(3, [0, 0, 1, 1, 0, 2, 2, 1]), 1, 5, 7),
    "no_positive": _random(4, [0, 1, 2, 3]),
    "single_class": _random(5, [7, 7, 7, 7]),
    "all_padding": _masked(_random(6, [0, 0, 1, 1]), 0, 1, 2, 3),
}
# Not differentiable (coincident points, ties): values, and finite gradients.
DEGENERATE = {
    "duplicates": _integers([[1, 0], [1, 0], [1, 0], [0, 2], [0, 2], [3, 1]], [0, 0, 1, 1, 2, 2]),
    "collinear": _integers([[1, 1], [2, 2], [3, 3], [4, 4], [6, 6], [9, 9]], [0, 1, 0, 1, 2, 2]),
    "all_equal": _integers([[2, 1]] * 6, [0, 0, 0, 1, 1, 1]),
    "zeros": _integers([[0, 0]] * 4, [0, 0, 1, 1]),
}


def numeric_gradient(function, x, step=1e-6):
    """Central differences of a scalar function of a float64 array."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        above, below = x.copy(), x.copy()
        above[index] += step
        below[index] -= step
        gradient[index] = (function(above) - function(below)) / (2 * step)
    return gradient


def value_and_gradient(loss):
    """`loss` compiled: (embeddings, labels, mask) -> sum, count, gradient of the sum."""

    @jax.jit
    def compiled(x, y, m):
        return loss(x, y, mask=m), jax.grad(lambda z: loss(z, y, mask=m)[0])(x)

    def run(embeddings, labels, mask):
        (total, count), gradient = compiled(jnp.float32(embeddings), labels, mask)
        assert total.dtype == count.dtype == jnp.float32
        assert total.shape == count.shape == ()
        return float(total), float(count), np.asarray(gradient)

    return run


def check_against(loss, reference, *, rtol=1e-5, atol=1e-4, held=None):
    """Values, and where there is one the gradient, of `loss` equal those of the loop, in all cases.

    The loss sees every case padded to one shape, in any order of its rows, and so compiles once;
    the loop sees neither. `held(embeddings)` is the loop in which what gets no gradient is held at
    these embeddings.
    """
    run = value_and_gradient(loss)
    rows, width = 9, 3
    for name, (embeddings, labels, mask) in (CASES | DEGENERATE).items():
        # The loop starts from what float32 can hold, so that the two see the same numbers.
        embeddings = embeddings.astype(np.float32).astype(np.float64)
        extra = rows - len(labels)
        total, count, gradient = run(
            np.pad(embeddings, [(0, extra), (0, width - embeddings.shape[1])]),
            np.pad(labels, (0, extra)),
            np.pad(mask, (0, extra)),
        )
        expected_total, expected_count = reference(embeddings, labels, mask)
        assert count == expected_count, name
        np.testing.assert_allclose(total, expected_total, rtol=rtol, atol=1e-5, err_msg=name)
        assert np.isfinite(gradient).all(), name
        assert not gradient[len(labels) :].any(), name
        gradient = gradient[: len(labels), : embeddings.shape[1]]
        assert not gradient[~mask].any(), name
        if name in CASES:
            loop = held(embeddings) if held else reference
            expected = numeric_gradient(
                lambda x, y=labels, m=mask, loop=loop: loop(x, y, m)[0], embeddings
            )
            np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=atol, err_msg=name)
    check_permutations(run)


def check_permutations(run):
    """The order of the rows of the batch does not change sum and count."""
    embeddings, labels, mask = (
        np.pad(x, [(0, 1)] + [(0, 0)] * (x.ndim - 1)) for x in CASES["padded"]
    )
    expected = run(embeddings, labels, mask)[:2]

    @hypothesis.given(st.permutations(range(len(labels))))
    @hypothesis.settings(max_examples=10, deadline=None)
    def check(permutation):
        order = np.array(permutation)
        got = run(embeddings[order], labels[order], mask[order])[:2]
        np.testing.assert_allclose(got, expected, rtol=1e-5)

    check()


def positives_of(anchor, labels, mask):
    return [
        i
        for i in range(len(labels))
        if i != anchor and labels[i] == labels[anchor] and mask[i] and mask[anchor]
    ]


def negatives_of(anchor, labels, mask):
    return [
        i for i in range(len(labels)) if labels[i] != labels[anchor] and mask[i] and mask[anchor]
    ]


def distance(x, y):
    return np.sqrt(((x - y) ** 2).sum())


def unit(x):
    norm = np.sqrt((x**2).sum())
    return x / norm if norm > 0 else x
