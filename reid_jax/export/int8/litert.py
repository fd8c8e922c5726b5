"""LiteRT in 8 bits, by the quantiser of its makers."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reid_jax.console import others_quiet
from reid_jax.export.int8.quantiser import Layer, Quantiser

_BITS = 8
_WITH_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_BETWEEN = ("ADD", "MUL", "LOGISTIC", "HARD_SWISH", "MAX_POOL_2D", "AVERAGE_POOL_2D", "MEAN", "PAD")
"""What is computed in integers between layers with weights, too; a norm is not."""


def write(
    before: Path, after: Path, name: str, calls: Sequence[np.ndarray], kept: Sequence[Layer]
) -> None:
    """Writes `model.tflite`: weights by channel, activations with a zero point."""
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import qtyping, quantizer

    file = str(before / "model.tflite")
    with others_quiet(), contextlib.redirect_stdout(io.StringIO()):
        made = quantizer.Quantizer(file)
        for operation in (*_WITH_WEIGHTS, *_BETWEEN):
            made.add_static_config(".*", qtyping.TFLOperationName(operation), _BITS, _BITS)
        for where in _left_out(file, kept):
            made.update_quantization_recipe(
                f"^{re.escape(where)}",
                qtyping.TFLOperationName.ALL_SUPPORTED,
                algorithm_key=quantizer.AlgorithmName.NO_QUANTIZE,
            )
        (signature,) = Interpreter(file).get_signature_list()
        found = made.calibrate({signature: [{name: rows} for rows in calls]})
        result = made.quantize(found, enable_progress_report=False)
    (after / "model.tflite").write_bytes(result.quantized_model)


def _left_out(file: str, kept: Sequence[Layer]) -> list[str]:
    """What operations give that stay in float32: before the first weights, and behind the last."""
    from ai_edge_quantizer.utils import tfl_flatbuffer_utils as flat

    model = flat.read_model(file)
    graph = model.subgraphs[0]
    words = [
        flat.TFL_OP_CODE_TO_NAME.get(model.operatorCodes[each.opcodeIndex].builtinCode)
        for each in graph.operators
    ]
    weighted = [place for place, word in enumerate(words) if word in _WITH_WEIGHTS]
    first = weighted[0] + ("first" in kept)
    last = weighted[-1] - ("last" in kept)
    return [
        graph.tensors[each.outputs[0]].name.decode()
        for place, each in enumerate(graph.operators)
        if not first <= place <= last and words[place] in (*_WITH_WEIGHTS, *_BETWEEN)
    ]


QUANTISER = Quantiser("int8", ("ai_edge_quantizer",), write)
