"""A graph as a file of ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from reid_jax.errors import UserError
from reid_jax.export.graph.builder import Graph

OPSET, FORM = 18, 9  # of June 2023; what engines of the last years read


def model_of(graph: Graph, name: str, about: str) -> Any:
    """An `onnx.ModelProto`, checked by ONNX itself.

    Raises:
      UserError: the package onnx is not installed.
    """
    onnx = package()
    helper, numpy_helper = onnx.helper, onnx.numpy_helper

    def info(entry: tuple[str, tuple[Any, ...], Any]) -> Any:
        tensor, shape, dtype = entry
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return helper.make_tensor_value_info(tensor, kind, list(shape))

    nodes = []
    for number, node in enumerate(graph.nodes):
        attributes = dict(node.attributes)
        if "to" in attributes:
            attributes["to"] = helper.np_dtype_to_tensor_dtype(np.dtype(attributes["to"]))
        place = (
            f"{node.layer}/{node.operation}_{number}"
            if node.layer
            else f"{node.operation}_{number}"
        )
        nodes.append(
            helper.make_node(node.operation, node.inputs, node.outputs, name=place, **attributes)
        )
    made = helper.make_graph(
        nodes,
        name,
        [info(each) for each in graph.inputs],
        [info(each) for each in graph.outputs],
        [
            numpy_helper.from_array(np.require(array, requirements="C"), constant)
            for constant, array in graph.constants.items()
        ],
    )
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=FORM,
        producer_name="reid_jax",
        doc_string=about,
    )
    onnx.checker.check_model(model)
    return model


def package() -> Any:
    """The package onnx.

    Raises:
      UserError: it is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise UserError(
            "Export to ONNX needs the package onnx: pip install 'reid-jax[onnx]'."
        ) from None
    return onnx
