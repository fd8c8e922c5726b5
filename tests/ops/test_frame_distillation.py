"""What a scorer learns of a larger one's inside, against plain loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.ops.losses.frame_distillation import attention_map_loss, frame_features_loss
from tests.loss_cases import numeric_gradient

B, T, F = 2, 4, 3
MASK = np.array([[True] * 4, [True, True, False, False]])
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(2, B, T, F))
MAPS = RNG.uniform(0.1, 1.0, size=(2, B, T, T))


def features_loop(student, teacher):
    rows = [(b, t) for b in range(B) for t in range(T) if MASK[b, t]]
    return sum(np.mean((student[b, t] - teacher[b, t]) ** 2) for b, t in rows), len(rows)


def maps_loop(student, teacher):
    total, rows = 0.0, [(b, t) for b in range(B) for t in range(T) if MASK[b, t]]
    for b, t in rows:
        real = [k for k in range(T) if MASK[b, k]]
        ours = np.array([student[b, t, k] for k in real])
        theirs = np.array([teacher[b, t, k] for k in real])
        ours, theirs = ours / ours.sum(), theirs / theirs.sum()
        total += sum(p * np.log(p / q) for p, q in zip(theirs, ours, strict=True))
    return total, len(rows)


@pytest.mark.parametrize(
    ("loss", "loop", "both"),
    [
        (frame_features_loss, features_loop, FEATURES),
        (attention_map_loss, maps_loop, MAPS),
    ],
)
def test_value_and_gradient_are_those_of_the_loop(loss, loop, both):
    def total(student, teacher):
        return loss(student, teacher, jnp.asarray(MASK))

    student, teacher = jnp.float32(both)
    value, count = jax.jit(total)(student, teacher)
    expected = loop(*both)
    np.testing.assert_allclose((value, count), expected, rtol=1e-5)
    ours, theirs = jax.grad(lambda *x: total(*x)[0], argnums=(0, 1))(student, teacher)
    numbers = numeric_gradient(lambda x: loop(x, both[1])[0], both[0])
    np.testing.assert_allclose(ours, numbers, rtol=1e-3, atol=1e-4)
    assert not np.asarray(theirs).any()
    assert loss(teacher, teacher, jnp.asarray(MASK))[0] < 1e-6


def test_frames_that_attend_to_nothing_do_not_count():
    teacher = jnp.float32(MAPS[1]).at[0, 1].set(0.0)
    total, count = attention_map_loss(jnp.float32(MAPS[0]), teacher, jnp.asarray(MASK))
    assert float(count) == MASK.sum() - 1
    gradient = jax.grad(lambda x: attention_map_loss(x, teacher, jnp.asarray(MASK))[0])
    assert np.isfinite(gradient(jnp.zeros((B, T, T)))).all()
    assert np.isfinite(total)


def test_wrong_shapes_are_refused():
    x, mask = jnp.zeros((2, 3, 3)), jnp.ones((2, 3), bool)
    for loss in (frame_features_loss, attention_map_loss):
        for bad in [(x[0], x, mask), (x, x[:1], mask), (x, x, mask[:, :2]), (x, x, x[..., 0])]:
            with pytest.raises(AssertionError):
                loss(*bad)
