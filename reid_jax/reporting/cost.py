"""What a network costs: parameters, multiply-adds, activations, images a second."""

from __future__ import annotations

import dataclasses
import math
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from reid_jax.compilations import program_memory
from reid_jax.hlo import read_hlo
from reid_jax.models.backbones.swin import SwinBlock
from reid_jax.models.backbones.vit import EncoderBlock
from reid_jax.models.layers import BatchNorm
from reid_jax.models.registry import backbone_info, create_backbone
from reid_jax.ops.convolution.compilation import compiler_options
from reid_jax.ops.convolution.lax import plain_lowering
from reid_jax.reporting.papers import paper_cells
from reid_jax.reporting.table import Table

_CALLS, _SECONDS = 20, 3.0


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer for one image: `output` is its shape without the batch, () for bare parameters."""

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int


@dataclasses.dataclass(frozen=True)
class Published:
    """What the literature says: parameters and multiply-adds in millions, and what it counts."""

    parameters: float
    multiply_adds: float
    note: str = ""


PUBLISHED = {
    "alexnet": Published(
        61, 720, "of the two-column original at 227 px; this is torchvision's single column"
    ),
    "vgg16": Published(138, 15_500),
    "resnet50": Published(25.6, 4_100, "the paper's 3.8 has the stride on the first 1x1"),
    "resnet152": Published(
        60.2, 11_600, "batch norms counted; the paper's 11.3 has the stride on the first 1x1"
    ),
    "densenet201": Published(20, 4_300),
    "mobilenet_v2": Published(3.5, 300),
    "efficientnet_b0": Published(5.3, 390),
    "efficientnet_b7": Published(66, 37_000, "at 600 px"),
    "efficientnetv2_rw_m": Published(53.2, 12_700, "at 320 px"),
    "vit_small_patch14_dinov2": Published(22.1, 46_800, "at 518 px"),
    "vit_base_patch14_dinov2": Published(86.6, 151_700, "at 518 px"),
    "vit_large_patch14_dinov2": Published(304.4, 507_100, "at 518 px"),
    "osnet_x1_0": Published(2.19, 1_958, "twice that of 256 x 128 px"),
    "osnet_x0_25": Published(0.204, 164.6, "twice that of 256 x 128 px"),
    "osnet_ain_x1_0": Published(2.19, 1_958, "twice that of 256 x 128 px"),
    "iresnet18": Published(24.0, 2_600),
    "iresnet50": Published(43.6, 6_300),
    "iresnet100": Published(65.2, 12_100),
}


def layers(name: str, *, num_classes: int = 1000, input_size: int | None = None) -> list[Layer]:
    """The layers of a network in the order in which they run, from shapes alone.

    Multiply-adds are those of convolutions, dense layers and attention, padding included, as the
    literature counts; a bias, a batch norm and an activation count nothing.
    """
    return layers_of(*_module_and_images(name, num_classes, input_size, batch=1))


def layers_of(module: nn.Module, *inputs: jax.ShapeDtypeStruct, **named: Any) -> list[Layer]:
    """The same of any module, called with arrays of these shapes and what is named."""
    rows: list[Layer] = []

    def record(next_fun: Any, args: Any, kwargs: Any, context: Any) -> Any:
        output = next_fun(*args, **kwargs)
        layer, path = context.module, "/".join(context.module.path)
        if context.method_name == "__call__":
            if isinstance(layer, EncoderBlock):
                tokens, width = output.shape[1:]
                costs = 2 * tokens * tokens * width
                rows.append(Layer(f"{path}/attention", "attention", (tokens, width), 0, costs))
            elif isinstance(layer, SwinBlock):
                _, high, wide, width = output.shape
                side = layer.window
                costs = 2 * math.ceil(high / side) * math.ceil(wide / side) * side**4 * width
                shape = (high, wide, width)
                rows.append(Layer(f"{path}/attention", "attention", shape, 0, costs))
            elif isinstance(layer, nn.Conv | nn.Dense | BatchNorm | nn.LayerNorm):
                rows.append(_row(layer, path, args[0].shape, output.shape))
        return output

    def init(*arrays: jax.Array) -> Any:
        with nn.intercept_methods(record):
            return module.init(jax.random.key(0), *arrays, **named)

    variables = jax.eval_shape(init, *inputs)
    seen = {row.name for row in rows}
    for path, leaf in flatten_dict(variables["params"], sep="/").items():
        if path.rpartition("/")[0] not in seen:
            rows.append(Layer(path, "parameter", (), math.prod(leaf.shape), 0))
    return rows


def _row(layer: nn.Module, path: str, given: tuple[int, ...], output: tuple[int, ...]) -> Layer:
    parameters = number_of_parameters(layer.variables["params"])
    costs = 0
    kind = {"BatchNorm": "batch norm", "LayerNorm": "layer norm"}.get(type(layer).__name__, "dense")
    if isinstance(layer, nn.Conv):
        sides, groups = layer.kernel_size, layer.feature_group_count
        kind = f"conv {'x'.join(map(str, sides))}" + (f" / {groups} groups" if groups > 1 else "")  # type: ignore[arg-type]
        costs = math.prod(output) * math.prod(layer.kernel_size) * given[-1] // groups  # type: ignore[arg-type]
    elif isinstance(layer, nn.Dense):
        costs = math.prod(output) * given[-1]
    return Layer(path, kind, output[1:], parameters, costs)


def compiled_multiply_adds(
    name: str, *, num_classes: int = 1000, input_size: int | None = None
) -> int:
    """Multiply-adds of one image counted in the program that XLA compiled, convolution by product.

    Convolutions are compiled as such here (on CPUs some are lowered otherwise), and XLA's own
    estimate is not used because it leaves out padding and counts every addition of a batch norm.
    """
    module, images = _module_and_images(name, num_classes, input_size, batch=1)
    variables = jax.eval_shape(module.init, jax.random.key(0), images)
    return multiply_adds_of(module.apply, variables, images)


def multiply_adds_of(function: Callable[..., Any], *arguments: Any) -> int:
    """`count_multiply_adds` of a function compiled for arrays of these shapes."""
    with plain_lowering():
        lowered = jax.jit(lambda *arguments: function(*arguments)).lower(*arguments)
    # The arithmetic is in the graph; machine code for it is not needed.
    options: dict[str, Any] = {}
    if jax.default_backend() == "cpu":
        options = {"xla_backend_optimization_level": 0}
    return count_multiply_adds(lowered.compile(compiler_options=options).as_text() or "")


def count_multiply_adds(hlo: str) -> int:
    """Multiply-adds of the convolutions and matrix products in the text of an HLO module."""
    total = 0
    for computation in read_hlo(hlo).computations.values():
        for each in computation.values():
            if each.operation not in ("convolution", "dot"):
                continue
            left, right = (computation[name].arrays[0].shape for name in each.operands[:2])
            outputs = math.prod(each.arrays[0].shape)
            if each.operation == "dot":
                axes = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", each.attributes)
                sizes = [left[int(axis)] for axis in axes[1].split(",") if axis] if axes else []
                total += outputs * math.prod(sizes)
                continue
            labels = re.search(r"dim_labels=\w+_(\w+)->", each.attributes)
            if labels is None:
                raise ValueError(f"a convolution without labels: {each.name}")
            total += outputs * math.prod(right) // right[labels[1].index("o")]
    return total


def images_per_second(name: str, *, batch: int = 8, input_size: int | None = None) -> float:
    """Inference on the default device: the best of a few batches, after compiling."""
    module, shape = _module_and_images(name, 0, input_size, batch)
    images = jnp.zeros(shape.shape)
    variables = jax.jit(module.init)(jax.random.key(0), images)
    return batch / forward_cost(module.apply, variables, images).seconds


@dataclasses.dataclass(frozen=True)
class ForwardCost:
    """What one call takes.

    Attributes:
      seconds: the least of several calls, as other work only slows down.
      memory: bytes of parameters, inputs, results and what is needed meanwhile, as the compiler
        lays them out; None where it does not say.
    """

    seconds: float
    memory: int | None

    @staticmethod
    def one_after_the_other(costs: Sequence[ForwardCost]) -> ForwardCost:
        """Of several networks: times add up, memory is that of the largest."""
        memory = [cost.memory for cost in costs if cost.memory is not None]
        return ForwardCost(
            sum(cost.seconds for cost in costs), max(memory) if len(memory) == len(costs) else None
        )


def forward_cost(function: Callable[..., Any], *arguments: Any) -> ForwardCost:
    """Of a function on the default device, compiled beforehand; called for at most 3 seconds."""
    arguments = jax.device_put(arguments)
    compiled = jax.jit(function, compiler_options=compiler_options()).lower(*arguments).compile()
    jax.block_until_ready(compiled(*arguments))
    seconds: list[float] = []
    while len(seconds) < 3 or (len(seconds) < _CALLS and sum(seconds) < _SECONDS):
        start = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        seconds.append(time.perf_counter() - start)
    return ForwardCost(min(seconds), program_memory(compiled))


def number_of_parameters(tree: Any) -> int:
    """In a pytree of arrays, or of their shapes."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def summarize(
    name: str, *, input_size: int | None = None, compiled: bool = True, speed: bool = False
) -> dict[str, Any]:
    """One row of the table, with the classes of the published weights (none without any).

    Keys: name, input_size, parameters, multiply_adds (formula), compiled_multiply_adds,
    activation_bytes (float32 outputs of all layers, one image), images_per_second; those not asked
    for are None.
    """
    info = backbone_info(name)
    size = input_size or info.inputs.input_size
    num_classes = _classes(name)
    rows = layers(name, num_classes=num_classes, input_size=size)
    return {
        "name": name,
        "input_size": size,
        "parameters": sum(row.parameters for row in rows),
        "multiply_adds": sum(row.multiply_adds for row in rows),
        "compiled_multiply_adds": (
            compiled_multiply_adds(name, num_classes=num_classes, input_size=size)
            if compiled
            else None
        ),
        "activation_bytes": 4 * sum(math.prod(row.output) for row in rows if row.output),
        "images_per_second": images_per_second(name, input_size=size) if speed else None,
    }


_HEAD = "network px parameters multiply-adds compiled activations images/s year top-1 new published"


def costs_table(rows: list[dict[str, Any]]) -> Table:
    """The table of the README from `summarize`'s rows."""
    lines = []
    for row in rows:
        compiled, speed = row["compiled_multiply_adds"], row["images_per_second"]
        published = PUBLISHED.get(row["name"])
        lines.append(
            [
                row["name"],
                row["input_size"],
                f"{row['parameters'] / 1e6:.2f} M",
                f"{row['multiply_adds'] / 1e9:.3f} G",
                "" if compiled is None else f"{compiled / 1e9:.3f} G",
                f"{row['activation_bytes'] / 2**20:.0f} MiB",
                "" if speed is None else f"{speed:.1f}",
                *paper_cells(row["name"]),
                _published_cell(published) if published else "",
            ]
        )
    return Table(_HEAD.split(), lines, "lrrrrrrrrll")


def _published_cell(published: Published) -> str:
    note = f"; {published.note}" if published.note else ""
    return f"{published.parameters:g} M / {published.multiply_adds / 1000:g} G{note}"


def layers_of_network(name: str, *, input_size: int | None = None) -> list[Layer]:
    """One network layer by layer, with the classes of its published weights."""
    return layers(name, num_classes=_classes(name), input_size=input_size)


def _classes(name: str) -> int:
    info = backbone_info(name)
    return info.classes if info.reference else 0


def table_of_layers(rows: Sequence[Layer]) -> str:
    """Layers as aligned text, with their sum."""
    total = sum(row.multiply_adds for row in rows)
    lines = [
        [
            row.name,
            row.kind,
            " x ".join(map(str, row.output)),
            f"{row.parameters:,}",
            f"{row.multiply_adds:,}",
            f"{row.multiply_adds / total:.1%}" if row.multiply_adds else "",
        ]
        for row in rows
    ]
    parameters = sum(row.parameters for row in rows)
    lines.append(["total", "", "", f"{parameters:,}", f"{total:,}", ""])
    head = ["layer", "kind", "output", "parameters", "multiply-adds", "share"]
    return Table(head, lines, "llrrrr").as_text()


def _module_and_images(
    name: str, num_classes: int, input_size: int | None, batch: int
) -> tuple[nn.Module, jax.ShapeDtypeStruct]:
    inputs = backbone_info(name).inputs
    size = input_size or inputs.input_size
    shape = (batch, size, size, len(inputs.mean))
    return create_backbone(name, num_classes), jax.ShapeDtypeStruct(shape, np.float32)
