"""ONNX in 8 bits: tensors are quantised and dequantised in the graph (QDQ), by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.console import others_quiet
from reid_jax.export.int8.quantiser import Layer, Quantiser

_WITH_WEIGHTS = ("Conv", "Gemm", "MatMul")
_BETWEEN = ("Add", "MaxPool", "Relu", "Clip", "Reshape")
"""What is computed in integers between convolutions, too."""


class _Reader:
    """What ONNX Runtime takes inputs from."""

    def __init__(self, name: str, calls: Sequence[np.ndarray]):
        self._given: Iterator[dict[str, np.ndarray]] = iter([{name: rows} for rows in calls])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Of one call; None when there are no more."""
        return next(self._given, None)


def write(
    before: Path, after: Path, name: str, calls: Sequence[np.ndarray], kept: Sequence[Layer]
) -> None:
    """Writes `model.onnx`: weights by channel, activations with a zero point."""
    import onnx
    from onnxruntime import quantization

    model = onnx.load(before / "model.onnx")
    with others_quiet():
        quantization.quantize_static(
            model,
            after / "model.onnx",
            _Reader(name, calls),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_quantize=_chosen(model.graph, kept),
            extra_options={"MatMulConstBOnly": True, "CalibMaxIntermediateOutputs": 8},
        )


def _chosen(graph: Any, kept: Sequence[Layer]) -> list[str]:
    """Nodes that compute in integers: those with weights, and what lies between convolutions."""
    constants = {each.name for each in graph.initializer}
    weighted = [
        place
        for place, node in enumerate(graph.node)
        if node.op_type in _WITH_WEIGHTS and constants.intersection(node.input[1:2])
    ]
    convolutions = [place for place in weighted if graph.node[place].op_type == "Conv"]
    taken = set(weighted)
    if convolutions:
        inside = range(convolutions[0], convolutions[-1] + 2)
        taken |= {n for n in inside[: len(graph.node)] if graph.node[n].op_type in _BETWEEN}
    for layer, place in zip(("first", "last"), (weighted[0], weighted[-1]), strict=True):
        if layer in kept:
            taken.discard(place)
    return [graph.node[place].name for place in sorted(taken)]


QUANTISER = Quantiser("onnx", ("onnxruntime",), write)
