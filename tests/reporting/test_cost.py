"""Parameters and multiply-adds of the networks against published and compiled counts."""

import jax
import jax.numpy as jnp
import pytest

from reid_jax.architectures.keyframes import keyframe_layers, keyframe_sizes
from reid_jax.architectures.temporal import KEYFRAME_SCORER, summarize_temporal, temporal_layers
from reid_jax.errors import UserError
from reid_jax.models import backbone_info, backbone_names
from reid_jax.reporting import cost as summary
from reid_jax.reporting.cost import (
    PUBLISHED,
    compiled_multiply_adds,
    costs_table,
    count_multiply_adds,
    layers,
    layers_of_network,
    summarize,
    table_of_layers,
)
from reid_jax.reporting.papers import paper_cells


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_values(name: str) -> None:
    row = summarize(name, compiled=False)
    published = PUBLISHED[name]
    assert row["parameters"] / 1e6 == pytest.approx(published.parameters, rel=0.02)
    assert row["multiply_adds"] / 1e6 == pytest.approx(published.multiply_adds, rel=0.035)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("alexnet", 96),
        ("resnet18", 128),
        ("mobilenet_v2", 128),
        ("vit_small_patch16_224", 224),
        ("swin_t", 64),
    ],
)
def test_the_compiled_program_agrees_with_the_formula(name: str, size: int) -> None:
    formula = sum(layer.multiply_adds for layer in layers(name, input_size=size))
    assert compiled_multiply_adds(name, input_size=size) == pytest.approx(formula, rel=0.02)


def test_counting_in_a_program() -> None:
    def f(x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.einsum("bij,bjk->bik", x, y)

    text = jax.jit(f).lower(jnp.ones((3, 4, 5)), jnp.ones((3, 5, 6))).compile().as_text()
    assert count_multiply_adds(text) == 3 * 4 * 5 * 6


def test_the_tables() -> None:
    text = table_of_layers(layers_of_network("mobilenet_v2"))
    assert "stage2_1/depthwise/conv" in text
    assert "3,504,872" in text
    row = summarize("two_conv", compiled=False)
    assert paper_cells("resnet50") == ("2015", "76.1", "shortcuts")
    assert paper_cells("efficientnet_v2_s")[:2] == ("2021", "84.2")
    assert paper_cells("two_conv") == ("", "", "")
    published = [name for name in backbone_names() if backbone_info(name).reference]
    assert all(paper_cells(name)[2] for name in published)
    assert "| two_conv | 28 |" in costs_table([row]).as_markdown()
    with pytest.raises(UserError, match="mobilenet_v2"):
        layers_of_network("mobilenetv2")


def test_speed_is_measured_as_training_compiles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert summary.images_per_second("two_conv", batch=2) > 0
    monkeypatch.setattr(summary, "compiler_options", lambda: {"xla_no_such_option": "1"})
    with pytest.raises(jax.errors.JaxRuntimeError, match="xla_no_such_option"):
        summary.images_per_second("two_conv", batch=2)


@pytest.mark.parametrize("name", ["tcn", KEYFRAME_SCORER])
def test_modules_over_time_are_told_layer_by_layer(name):
    rows = temporal_layers(name, frames=8, features=16)
    row = summarize_temporal(name, frames=8, features=16)
    assert sum(each.parameters for each in rows) == row["parameters"]
    assert sum(each.multiply_adds for each in rows) == row["multiply_adds"]


def test_a_keyframe_network_is_told_layer_by_layer():
    rows = keyframe_layers("Model 2", frames=2, input_size=64)
    assert sum(each.parameters for each in rows) == keyframe_sizes("efficientnet_b0").total
    assert any(each.name.startswith("backbone/") for each in rows)
    assert any(each.name.startswith("scorer/") for each in rows)
