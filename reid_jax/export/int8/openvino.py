"""OpenVINO in 8 bits, by NNCF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.console import others_quiet
from reid_jax.export.engines.openvino import silent
from reid_jax.export.int8.quantiser import Layer, Quantiser

_WITH_WEIGHTS = ("Convolution", "GroupConvolution", "MatMul")


def write(
    before: Path, after: Path, name: str, calls: Sequence[np.ndarray], kept: Sequence[Layer]
) -> None:
    """Writes `model.xml` and `model.bin`: weights by channel, biases corrected."""
    silent()
    import nncf
    import openvino
    from openvino.passes import ConstantFolding, Manager

    alike = _of_one_length(calls)
    with others_quiet():
        model = openvino.Core().read_model(str(before / "model.xml"))
        passes = Manager()
        passes.register_pass(ConstantFolding())  # kernels by channel are reshaped by computed sizes
        passes.run_passes(model)
        layers = _weighted(model)
        names = {"first": layers[0], "last": layers[-1]}
        found = nncf.quantize(
            model,
            nncf.Dataset([{name: rows} for rows in alike]),
            subset_size=len(alike),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(names=sorted({names[layer] for layer in kept})),
        )
        openvino.save_model(found, after / "model.xml", compress_to_fp16=False)


def _of_one_length(calls: Sequence[np.ndarray]) -> list[np.ndarray]:
    """As NNCF needs them: those of the largest length where most have it, else cut to the least."""
    lengths = [len(rows) for rows in calls]
    full = [rows for rows in calls if len(rows) == max(lengths)]
    return full if 2 * len(full) >= len(calls) else [rows[: min(lengths)] for rows in calls]


def _weighted(model: Any) -> list[str]:
    """Layers with weights, in order."""
    return [
        node.get_friendly_name()
        for node in model.get_ordered_ops()
        if node.get_type_name() in _WITH_WEIGHTS and _constant(node.input_value(1).get_node())
    ]


def _constant(node: Any) -> bool:
    """Whether a weight is one, perhaps reshaped."""
    while node.get_type_name() in ("Reshape", "Convert", "Transpose"):
        node = node.input_value(0).get_node()
    return bool(node.get_type_name() == "Constant")


QUANTISER = Quantiser("int8", ("nncf",), write)
