"""Every network against the definition it was published with, on weights drawn by name.

`fixtures/parity.npz` holds what these computed (`fixtures/make_parity.py` writes it).
"""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.models import backbone_info, backbone_names, create_backbone
from reid_jax.weights.convert import tensors_from_variables, variables_from_tensors
from reid_jax.weights.names import dialects, reference_names, reference_shapes
from tests.parity_cases import (
    IN_TRAINING,
    LONG,
    NETWORKS,
    OTHER_SIZES,
    SAMPLE,
    draw_cotangent,
    draw_images,
    draw_weight,
    relative_error,
    summary,
)

EXPECTED = np.load(Path(__file__).parents[1] / "fixtures" / "parity.npz")
# Compiling takes far longer than running here, so the compiler is told not to try hard.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
# At that level the products of attention are plain loops, forty times as slow.
THOROUGH = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False}


def drawn_variables(name: str) -> dict[str, Any]:
    shapes = reference_shapes(name, 1000, dialects(name)[0])
    tensors = {key: draw_weight(name, key, shape) for key, shape in shapes.items()}
    return variables_from_tensors(name, tensors, 1000, "the drawn weights")


def evaluation(name: str, dtype: Any) -> dict[str, float]:
    """Relative errors of pooled features, logits and the gradient of their weighted sum."""
    model = create_backbone(name, 1000, dtype=dtype)
    pooled_model = create_backbone(name, dtype=dtype)

    @partial(jax.jit, compiler_options=THOROUGH if name.startswith("vit") else QUICK)
    def compute(variables: Any, images: jax.Array, cotangent: jax.Array) -> dict[str, jax.Array]:
        logits, pull = jax.vjp(lambda x: model.apply(variables, x), images)
        features = pooled_model.apply(variables, images)
        return {"features": features, "logits": logits, "gradient": pull(cotangent)[0]}

    inputs = (drawn_variables(name), draw_images(name), draw_cotangent(name, (2, 1000)))
    found = compute(*jax.tree.map(lambda x: jnp.asarray(x, dtype), inputs))
    return {
        key: relative_error(summary(value, f"{name}/{key}"), EXPECTED[f"{name}/{key}"])
        for key, value in found.items()
    }


def of(names):
    """Each with the mark that it has."""
    rarely = {name: [pytest.mark.acceptance] for name in LONG}
    marks = rarely | {name: [] for name in SAMPLE}
    return [pytest.param(name, marks=marks.get(name, [pytest.mark.exhaustive])) for name in names]


@pytest.mark.parametrize("name", of(NETWORKS))
def test_features_logits_and_input_gradient(name: str) -> None:
    errors = evaluation(name, jnp.float32)
    assert errors["features"] <= 1e-4
    assert errors["logits"] <= 1e-4
    if errors["gradient"] > 1e-3:
        # Rounding may put one of a million ReLUs on the other side of its kink, in PyTorch's
        # float32 too: then the gradient is another one, and float64 tells whether it is right.
        with jax.enable_x64(True):
            assert evaluation(name, jnp.float64)["gradient"] <= 1e-6


@pytest.mark.parametrize("name", of(IN_TRAINING))
def test_training_mode(name: str) -> None:
    variables = drawn_variables(name)
    model = create_backbone(name, 1000)
    images = jnp.asarray(draw_images(name, 6))
    apply = jax.jit(
        lambda v, x: model.apply(v, x, train=True, mutable=["batch_stats"]),
        compiler_options=QUICK,
    )
    logits, new = apply(variables, images)
    ours = summary(np.asarray(logits), f"{name}/training_logits")
    assert relative_error(ours, EXPECTED[f"{name}/training_logits"]) <= 1e-4
    if "batch_stats" not in variables:
        assert f"{name}/training_statistics" not in EXPECTED
        return
    names = reference_names(name, 1000, dialects(name)[0])
    statistics = {
        names[("batch_stats", *(key.key for key in path))]: np.asarray(value)
        for path, value in jax.tree_util.tree_leaves_with_path(new["batch_stats"])
    }
    flat = np.concatenate([statistics[key] for key in sorted(statistics)])
    ours = summary(flat, f"{name}/training_statistics")
    assert relative_error(ours, EXPECTED[f"{name}/training_statistics"]) <= 1e-4


@pytest.mark.parametrize(
    ("name", "size"), [pytest.param(*case, marks=pytest.mark.exhaustive) for case in OTHER_SIZES]
)
def test_positions_are_interpolated_as_published(name: str, size: int) -> None:
    variables = drawn_variables(name)
    variables["params"].pop("head")
    apply = jax.jit(create_backbone(name).apply, compiler_options=THOROUGH)
    features = apply(variables, jnp.asarray(draw_images(name, 1, size)))
    key = f"{name} at {size}/features"
    assert relative_error(summary(np.asarray(features), key), EXPECTED[key]) <= 1e-4


def test_every_published_network_is_compared() -> None:
    assert set(NETWORKS) == {name for name in backbone_names() if backbone_info(name).reference}
    assert len(NETWORKS) == len(set(NETWORKS))
    assert set(NETWORKS) > SAMPLE | LONG


@pytest.mark.parametrize(
    "name", of(["vgg11_bn", "mobilenet_v3_small", "convnext_tiny", "vit_b_16"])
)
def test_names_and_values_come_back(name: str) -> None:
    shapes = reference_shapes(name, 10, dialects(name)[0])
    tensors = {key: draw_weight(name, key, shape) for key, shape in shapes.items()}
    again = tensors_from_variables(name, variables_from_tensors(name, tensors, 10, "memory"))
    assert again.keys() == tensors.keys()
    for key, value in tensors.items():
        np.testing.assert_array_equal(again[key], value)
        assert again[key].flags.c_contiguous
