"""Networks over the frames of a film, of any number, as ONNX Runtime computes them beside JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.keyframes.net import KeyframeScorer
from reid_jax.keyframes.task import prepare
from reid_jax.models.temporal.registry import temporal_encoder, temporal_encoder_names
from tests.export.test_graph import graph, run

COUNTS = (1, 3, 8, 40)


def drawn(variables):
    """Numbers in the place of what begins at 0 or 1, so that no part is without effect."""
    leaves, tree = jax.tree.flatten(variables)
    rng = np.random.default_rng(2)
    return tree.unflatten(
        [np.asarray(leaf + 0.1 * rng.normal(size=leaf.shape), np.float32) for leaf in leaves]
    )


def compare(function, width: int, counts=COUNTS, least: int = 1) -> None:
    frames = np.random.default_rng(1).normal(size=(max(counts), width)).astype(np.float32)
    made = graph(function, frames, least=least)
    for count in counts:
        expected = np.asarray(jax.jit(function)(frames[:count]))
        (found,) = run(made, frames[:count])
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", temporal_encoder_names())
def test_encoders_of_clips(name):
    network = temporal_encoder(name, embedding_dim=6, width=16)
    ones = jnp.ones((1, 4), bool)
    variables = drawn(network.init(jax.random.key(0), jnp.zeros((1, 4, 8)), ones, train=False))

    def function(frames):
        mask = jnp.ones((1, frames.shape[0]), bool)
        return network.apply(variables, frames[None], mask, train=False)

    least = getattr(network, "neighbours", 1)
    compare(function, 8, tuple(count for count in COUNTS if count >= least), least)


def test_a_scorer_of_frames():
    network = KeyframeScorer(
        16, depth=2, heads=2, head_dim=4, mlp=8, radius=3, skip=True, smoothing=1.5
    )
    variables = drawn(network.init(jax.random.key(0), jnp.zeros((1, 4, 8)), jnp.ones((1, 4), bool)))

    def function(frames):
        mask = jnp.ones((1, frames.shape[0]), bool)
        return network.apply(variables, frames[None], mask)[0]

    compare(function, 8)


@pytest.mark.parametrize("power", [1.0, 0.5])
def test_what_stands_before_a_scorer(power):
    rng = np.random.default_rng(4)
    preparation = {
        "mean": rng.normal(size=8).astype(np.float32),
        "scale": rng.uniform(0.5, 2, 8).astype(np.float32),
        "basis": rng.normal(size=(8, 5)).astype(np.float32),
        "context": np.float32(0.7),
    }
    if power != 1:
        preparation["power"] = np.float32(power)

    def function(frames):
        return prepare(preparation, frames[None], jnp.ones((1, frames.shape[0]), bool))[0]

    compare(function, 8)
