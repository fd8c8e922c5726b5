"""Networks of the registry with drawn weights, as ONNX Runtime computes them beside JAX."""

from collections import Counter

import pytest

from reid_jax.export.engines.onnx import graph
from reid_jax.models import backbone_names
from scripts.engines import measured, program_of

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

OF_EACH_KIND = (
    *("mobilenet_v2", "resnet18", "convnext_tiny", "vit_small_patch16_224", "densenet121"),
)
OTHERS = tuple(name for name in backbone_names() if name not in OF_EACH_KIND)


def check(name: str) -> None:
    row = measured(name, "onnx")
    assert "refused" not in row, row
    assert row["difference"] < 1e-4


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_a_network_of_each_kind(name):
    check(name)


@pytest.mark.acceptance
@pytest.mark.parametrize("name", OTHERS)
def test_every_other_network(name):
    check(name)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "transposes"), [("convnext_tiny", 1)])
def test_dense_layers_take_channels_where_they_stand(name, transposes):
    counted = Counter(node.operation for node in graph(program_of(name, 64), 0).nodes)
    assert counted["Transpose"] == transposes


@pytest.mark.exhaustive
def test_one_layout_and_no_norm_are_left_of_an_efficient_net():
    """Its graph by jax2onnx has 130 transposes; the input's is all that there has to be."""
    counted = Counter(node.operation for node in graph(program_of("efficientnet_b0", 64), 0).nodes)
    assert counted["Transpose"] == 1
    assert counted["Conv"] == 81
    # A product for each SiLU, each squeeze-and-excitation, and the input's scale.
    assert counted["Mul"] == 49 + 16 + 1
    assert set(counted) == {"Transpose", "Conv", "Mul", "Add", "Sigmoid", "Cast", "ReduceMean"}
