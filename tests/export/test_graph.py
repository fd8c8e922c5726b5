"""Each primitive as ONNX Runtime computes it, beside JAX; and what the graph does not hold."""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from reid_jax.errors import UserError
from reid_jax.export.graph.walk import graph_of
from reid_jax.export.graph.write import model_of
from reid_jax.ops.convolution.lax import plain_lowering

onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

RNG = np.random.default_rng(3)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def graph(function, *arrays, symbolic: bool = True, least: int = 1):
    """The graph of a function of arrays whose first axis is of any size."""
    (n,) = jax.export.symbolic_shape("n", constraints=[f"n >= {least}", "n <= 2048"])
    shapes = [
        jax.ShapeDtypeStruct((n, *a.shape[1:]) if symbolic else a.shape, a.dtype) for a in arrays
    ]
    with plain_lowering():
        traced = jax.jit(lambda *given: jax.tree.leaves(function(*given))).trace(*shapes).jaxpr
    names = [f"in{i}" for i in range(len(arrays))]
    return graph_of(traced, names, [f"out{i}" for i in range(len(traced.jaxpr.outvars))])


def run(made, *arrays) -> list[np.ndarray]:
    model = model_of(made, "test", "").SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {f"in{i}": array for i, array in enumerate(arrays)})


def check(function, *arrays, symbolic: bool = True) -> Counter:
    """Compares with JAX on all rows and on one; how often each operation is there."""
    made = graph(function, *arrays, symbolic=symbolic)
    counts = (len(arrays[0]), 1) if symbolic else (len(arrays[0]),)
    for count in counts:
        some = [array[:count] for array in arrays]
        expected = jax.tree.leaves(function(*map(jnp.asarray, some)))
        for found, right in zip(run(made, *some), expected, strict=True):
            assert found.shape == right.shape
            assert found.dtype == right.dtype
            np.testing.assert_allclose(found, right, rtol=2e-5, atol=2e-5)
    return Counter(node.operation for node in made.nodes)


X = normal(4, 5)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: jnp.exp(-x) * jnp.tanh(x) / (1.5 + jnp.square(x)),
        lambda x: jax.nn.gelu(x, approximate=False) + jax.nn.gelu(x) + jax.nn.sigmoid(x),
        lambda x: lax.rsqrt(jnp.abs(x) + 1.0) + jnp.sqrt(jnp.abs(x)) + jnp.log1p(jnp.abs(x)),
        lambda x: jnp.sin(x) + jnp.cos(x) + jnp.floor(x) + jnp.sign(x) + jnp.expm1(x),
        lambda x: jnp.clip(x, -0.5, 0.5) + jax.nn.relu(x) + jax.nn.relu6(3 * x) + x**3 + x**4,
        lambda x: jnp.where((x > 0) & ~(x > 1) | (x < -1), x, -2.0 * x),
        lambda x: jnp.mod(x, 0.7) + jnp.round(x * 3),
        lambda x: (x != x[:, :1]).astype(jnp.float32) + (x >= 0).astype(jnp.int32),
        lambda x: jnp.power(jnp.abs(x) + 0.1, 0.3) + lax.stop_gradient(x),
    ],
)
def test_elementwise(function):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        check(function, X)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.reshape(-1, 3, 8).transpose(0, 2, 1)[:, 1:7:2],
        lambda x: jnp.concatenate([x, x[:, ::-1]], axis=1) + jnp.stack([x[:, 0]] * 12, axis=1),
        lambda x: jnp.pad(x, ((0, 0), (1, 2), (0, 3)), constant_values=7.0),
        lambda x: jnp.broadcast_to(x[:, None], (x.shape[0], 2, 6, 4)).reshape(-1, 12, 4),
        lambda x: x.sum(0, keepdims=True) + x.max(axis=(1, 2), keepdims=True) - x.min(),
        lambda x: jnp.stack([x.prod(1), x.mean(1)]),
        lambda x: (x > 0).any(1).astype(jnp.float32) - (x > 0).all(2).sum(1, keepdims=True),
        lambda x: jnp.cumsum(x, axis=1) + jnp.argmax(x, axis=2)[..., None],
        lambda x: jnp.arange(x.shape[0], dtype=jnp.float32)[:, None, None] * x,
        lambda x: lax.top_k(x, 2),
        lambda x: jnp.split(x, [2, 5], axis=1),
        lambda x: x[:, jnp.array([2, 0, 2])] + x[:, 1:2] * x[:, 3, 1][:, None, None],
        lambda x: jnp.take_along_axis(x, jnp.argsort(jnp.arange(6))[None, :, None] * 0 + 1, axis=1),
        lambda x: jnp.sum(jnp.ones((x.shape[0], 3)), axis=0) + jnp.mean(x),
        lambda x: jax.nn.softmax(x, axis=-1) + jax.nn.softmax(x, axis=1),
        lambda x: lax.dynamic_slice_in_dim(x, 2, 3, axis=1),
    ],
)
def test_shapes_and_reductions(function):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        check(function, normal(3, 6, 4))


def test_products():
    a, b = normal(3, 6, 4), normal(3, 5, 4)
    w, m, joined = normal(4, 7), normal(2, 6), normal(2, 4, 3)
    check(lambda x: x @ w, a)
    check(lambda x: jnp.einsum("hH,bHc->bhc", m, x), a)
    check(lambda x: jnp.einsum("hH,bHc->hbc", m, x), a)
    check(lambda x, y: jnp.einsum("bqd,bkd->bqk", x, y), a, b)
    heads = normal(3, 6, 2, 4), normal(3, 5, 2, 4)
    check(lambda x, y: jnp.einsum("bqhd,bkhd->bhqk", x, y), *heads)
    check(lambda x: jnp.einsum("bthd,hde->bte", x, joined), heads[0])


@pytest.mark.parametrize(("stride", "groups", "dilation"), [(1, 1, 1), (2, 1, 1), (1, 4, 2)])
def test_a_convolution_takes_batch_norm_in(stride, groups, dilation):
    kernel = normal(3, 3, 4 // groups, 8)
    scale, bias, mean = normal(8), normal(8), normal(8)

    def function(x):
        y = lax.conv_general_dilated(
            x,
            kernel,
            (stride, stride),
            ((1, 2), (0, 1)),
            rhs_dilation=(dilation, dilation),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )
        return jax.nn.relu((y - mean) * scale + bias).mean((1, 2))

    with jax.numpy_rank_promotion("allow"):
        found = check(function, normal(2, 9, 8, 4))
    assert found == {"Transpose": 1, "Conv": 1, "Relu": 1, "ReduceMean": 1}


def test_what_lies_as_it_should_is_not_moved():
    kernel = normal(1, 1, 6, 6)

    def function(x):
        y = lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        y = jnp.concatenate([y, -y], axis=-1)[..., :6] * y.mean((1, 2), keepdims=True)
        pooled = lax.reduce_window(y, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        halves = pooled.reshape(-1, 2, 2, 2, 2, 6).mean((2, 4))
        return jnp.pad(halves, ((0, 0), (1, 1), (1, 1), (0, 0)))[:, 1:, 1:].mean((1, 2))

    found = check(function, normal(2, 8, 8, 6))
    assert found["Transpose"] == 1, found


def test_random_numbers_of_fixed_keys_are_constants():
    def function(x):
        return x + jax.random.normal(jax.random.key(1), (5,))[None]

    assert check(function, X) == {"Add": 1}


def test_branches_and_short_loops_are_written_out():
    def function(x):
        by_platform = lax.platform_dependent(x, tpu=lambda x: x + 1, default=lambda x: 1 + x)
        total, each = lax.scan(lambda c, row: (c + row, c * row), x[0], jnp.stack([x[0]] * 3))
        return by_platform + total[None], each

    check(function, X)


def test_a_loop_of_unknown_length_is_refused_by_the_name_of_its_layer():
    def function(x):
        with jax.named_scope("encoder"):
            return lax.while_loop(lambda c: c.sum() < 10, lambda c: c + 1.0, x)

    with pytest.raises(UserError, match=r"cannot be written as ONNX: encoder has while"):
        graph(function, X)
    with pytest.raises(UserError, match="loop of n turns"):
        graph(lambda x: lax.map(lambda row: row * 2, x), X)


def test_sizes_follow_from_the_input():
    def function(x):
        length = x.shape[0]
        blocks = -(-length // 4)
        padded = jnp.pad(x, ((0, blocks * 4 - length), (0, 0)))
        return padded.reshape(blocks, 4, 5).sum(1), jnp.arange(length) % 3

    for count in (1, 3, 4, 9):
        check(function, normal(count, 5))
