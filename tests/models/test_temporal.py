"""Attention, encoder and smoothing over frames: against plain loops, and blind to padding."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

from reid_jax.models.temporal import attention
from reid_jax.models.temporal.encoder import TemporalEncoder
from reid_jax.models.temporal.positions import sinusoidal_positions
from reid_jax.ops.smoothing import smooth_over_time

B, T, H, D = 2, 11, 2, 3


def inputs(key, length=T):
    q, k, v = jax.random.normal(key, (3, B, length, H, D))
    mask = jnp.arange(length)[None] < jnp.asarray([[length], [length - 4]])
    return q, k, v, mask


def reference(q, k, v, mask, radius):
    """Attention by plain loops; `radius` None for the whole video."""
    q, k, v, mask = map(np.asarray, (q, k, v, mask))
    out = np.zeros_like(v)
    length = q.shape[1]
    for b in range(B):
        for h in range(H):
            for i in range(length):
                seen = [
                    j
                    for j in range(length)
                    if mask[b, j] and (radius is None or abs(i - j) <= radius)
                ]
                if seen:
                    weights = np.exp(k[b, seen, h] @ q[b, i, h] / np.sqrt(D))
                    out[b, i, h] = weights @ v[b, seen, h] / weights.sum()
    return out


def test_global_attention_equals_loops_also_block_by_block(key, monkeypatch):
    expected = reference(*inputs(key), None)
    whole = attention.global_attention(*inputs(key))
    monkeypatch.setattr(attention, "_WEIGHTS", 4 * T)
    blocks = attention.global_attention(*inputs(key))
    np.testing.assert_allclose(whole, expected, atol=1e-5)
    np.testing.assert_allclose(blocks, expected, atol=1e-5)

    def loss(q, k, v):
        return jnp.square(attention.global_attention(q, k, v, inputs(key)[3])).sum()

    gradients = jax.jit(jax.grad(loss, (0, 1, 2)))(*inputs(key)[:3])
    monkeypatch.undo()
    for ours, theirs in zip(gradients, jax.grad(loss, (0, 1, 2))(*inputs(key)[:3]), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(("length", "radius"), [(11, 1), (11, 3), (12, 4), (5, 8), (1, 2)])
def test_local_attention_equals_loops(key, length, radius):
    q, k, v, mask = inputs(key, length)
    mask = mask | (jnp.arange(length) == 0)[None]
    ours = jax.jit(functools.partial(attention.local_attention, radius=radius))(q, k, v, mask)
    np.testing.assert_allclose(ours, reference(q, k, v, mask, radius), atol=1e-5)


def largest_array(function, *arguments):
    """Elements of the largest array in a function's program, inner programs included."""

    def sizes(jaxpr):
        for equation in jaxpr.eqns:
            yield from (v.aval.size for v in equation.outvars)
            for inner in jaxprs_in_params(equation.params):
                yield from sizes(inner)

    return max(sizes(jax.make_jaxpr(function)(*arguments).jaxpr))


@pytest.mark.parametrize("kind", ["local", "global"])
@pytest.mark.parametrize("backward", [False, True])
def test_memory_is_linear_in_time(kind, backward, monkeypatch):
    monkeypatch.setattr(attention, "_WEIGHTS", 2**12)

    def size(length):
        q = jax.ShapeDtypeStruct((1, length, H, D), jnp.float32)
        mask = jax.ShapeDtypeStruct((1, length), jnp.bool_)

        def apply(q, k, v, mask):
            if kind == "local":
                return attention.local_attention(q, k, v, mask, radius=8).sum()
            return attention.global_attention(q, k, v, mask).sum()

        return largest_array(jax.grad(apply, (0, 1, 2)) if backward else apply, q, q, q, mask)

    assert size(8 * 512) <= 9 * size(512)


def test_positions_are_those_of_the_paper():
    positions = np.asarray(sinusoidal_positions(40, 7))
    for t in (0, 3, 39):
        for i in range(7):
            angle = t / 10_000 ** (2 * (i // 2) / 7)
            expected = np.cos(angle) if i % 2 else np.sin(angle)
            np.testing.assert_allclose(positions[t, i], expected, atol=1e-5)


@pytest.mark.parametrize(
    "module",
    [
        attention.TemporalAttention(2, 4),
        attention.TemporalAttention(2, 4, radius=2),
        attention.DualTemporalAttention(2, 4, 2),
        TemporalEncoder(depth=2, heads=2, head_dim=4, mlp=8),
    ],
    ids=["global", "local", "dual", "encoder"],
)
def test_modules_are_blind_to_padding(module, key):
    features = jax.random.normal(key, (1, 9, 6))
    variables = jax.jit(module.init)(key, features, jnp.ones((1, 9), bool))
    apply = jax.jit(module.apply)
    alone = apply(variables, features[:, :6], jnp.ones((1, 6), bool))
    mask = (jnp.arange(9) < 6)[None]
    padded = apply(variables, features, mask)
    other = apply(variables, jnp.where(mask[..., None], features, 1e3), mask)
    np.testing.assert_array_equal(padded[:, :6], other[:, :6])
    np.testing.assert_allclose(padded[:, :6], alone, atol=1e-5)


def test_encoder_in_bfloat16_stays_near_float32(key):
    features, mask = jax.random.normal(key, (2, 9, 16)), jnp.ones((2, 9), bool)
    shape = {"depth": 1, "heads": 2, "head_dim": 8, "mlp": 16}
    variables = jax.jit(TemporalEncoder(**shape).init)(key, features, mask)
    full = jax.jit(TemporalEncoder(**shape).apply)(variables, features, mask)
    half = jax.jit(TemporalEncoder(**shape, dtype=jnp.bfloat16).apply)(
        variables, features.astype(jnp.bfloat16), mask
    )
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(half.astype(jnp.float32), full, atol=0.1)


def test_smoothing_equals_loops_and_stays_within_the_video(key):
    values = jax.random.normal(key, (2, 12))
    mask = jnp.arange(12)[None] < jnp.asarray([[12], [5]])
    ours = smooth_over_time(values, mask, sigma=1.5)
    for b, length in enumerate((12, 5)):
        for i in range(12):
            near = [j for j in range(length) if abs(i - j) <= 5]
            weights = np.exp([-0.5 * ((i - j) / 1.5) ** 2 for j in near])
            expected = weights @ np.asarray(values)[b, near] / weights.sum() if i < length else 0.0
            np.testing.assert_allclose(ours[b, i], expected, atol=1e-6)
