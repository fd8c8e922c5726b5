"""What keyframe networks cost: parameters, which of them train, and time."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from reid_jax.keyframes.net import KeyframeNet, KeyframeScorer
from reid_jax.models.registry import backbone_info, block_names, create_backbone
from reid_jax.reporting.cost import Layer, forward_cost, layers_of, number_of_parameters
from reid_jax.reporting.table import Table

KEYFRAME_MODELS = {"Model 1": ("resnet50", 2), "Model 2": ("efficientnet_b0", 3)}
"""The backbone, and how many of its last blocks train in the second stage."""
_PARTS = {
    "projection": ("projection",),
    "encoder": ("encoder",),
    "dual attention": ("dual", "norm"),
    "head": ("hidden", "score", "skip"),
}
_BATCHES = (1, 8)


@dataclass(frozen=True)
class Sizes:
    """Parameters of a keyframe network.

    Attributes:
      blocks: of each block of the backbone, from input to output.
      scorer: of each part of the scorer.
      classifier: of the 1000-class layer that the backbone's published weights come with. It is
        left out of the network, but counted where a backbone's size is quoted.
    """

    blocks: dict[str, int]
    scorer: dict[str, int]
    classifier: int

    @property
    def total(self) -> int:
        """All that the network has."""
        return sum(self.blocks.values()) + sum(self.scorer.values())

    def trained(self, last_blocks: int) -> int:
        """What trains when the last blocks of the backbone do, see `Stage.blocks`."""
        counts = list(self.blocks.values())
        return sum(self.scorer.values()) + sum(counts[len(counts) - last_blocks :])


def keyframe_sizes(backbone: str, scorer: KeyframeScorer | None = None) -> Sizes:
    """Counts from shapes alone, with the default scorer unless another is given."""
    size = backbone_info(backbone).inputs.input_size
    net = KeyframeNet(scorer or KeyframeScorer(), create_backbone(backbone))
    images = jax.ShapeDtypeStruct((1, 2, size, size, 3), jnp.float32)
    mask = jax.ShapeDtypeStruct((1, 2), jnp.bool_)
    params = jax.eval_shape(net.init, jax.random.key(0), images, mask)["params"]
    with_classes = jax.eval_shape(
        create_backbone(backbone, 1000).init,
        jax.random.key(0),
        jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32),
    )["params"]
    blocks = {
        name: number_of_parameters(params["backbone"][name]) for name in block_names(backbone)
    }
    return Sizes(
        blocks=blocks,
        scorer={name: number_of_parameters(part) for name, part in params["scorer"].items()},
        classifier=number_of_parameters(with_classes) - sum(blocks.values()),
    )


def keyframe_layers(name: str, *, frames: int = 16, input_size: int | None = None) -> list[Layer]:
    """One of `KEYFRAME_MODELS` layer by layer, for one sequence of so many images."""
    backbone, _ = KEYFRAME_MODELS[name]
    size = input_size or backbone_info(backbone).inputs.input_size
    return layers_of(
        KeyframeNet(KeyframeScorer(), create_backbone(backbone)),
        jax.ShapeDtypeStruct((1, frames, size, size, 3), jnp.float32),
        jax.ShapeDtypeStruct((1, frames), jnp.bool_),
    )


def summarize_keyframes(
    name: str,
    *,
    scorer: KeyframeScorer | None = None,
    frames: int = 16,
    input_size: int | None = None,
    speed: bool = False,
) -> dict[str, Any]:
    """One column of the table.

    Args:
      name: one of `KEYFRAME_MODELS`.
      scorer: the default one unless given.
      frames, input_size: how many images a sequence, and their side, to measure with; the size is
        the backbone's own unless given.
      speed: also measure the default device, with one and with eight sequences at once.

    Returns:
      name, backbone, frames, input_size; parameters: of each part; total, total_with_classes,
      trained_in_stage_one, trained_in_stage_two; milliseconds: by the number of sequences (None
      where not asked for).
    """
    backbone, last_blocks = KEYFRAME_MODELS[name]
    sizes = keyframe_sizes(backbone, scorer)
    size = input_size or backbone_info(backbone).inputs.input_size
    parts = {
        part: sum(sizes.scorer.get(module, 0) for module in modules)
        for part, modules in _PARTS.items()
    }
    measured = None
    if speed:
        net = KeyframeNet(scorer or KeyframeScorer(), create_backbone(backbone))
        measured = {
            str(batch): _milliseconds(net, (batch, frames, size, size, 3)) for batch in _BATCHES
        }
    return {
        "name": name,
        "backbone": backbone,
        "frames": frames,
        "input_size": size,
        "parameters": {"backbone": sum(sizes.blocks.values()), **parts},
        "total": sizes.total,
        "total_with_classes": sizes.total + sizes.classifier,
        "trained_in_stage_one": sizes.trained(0),
        "trained_in_stage_two": sizes.trained(last_blocks),
        "milliseconds": measured,
    }


def _milliseconds(net: KeyframeNet, shape: tuple[int, ...]) -> float:
    inputs = jnp.zeros(shape), jnp.ones(shape[:2], bool)
    shapes = jax.eval_shape(net.init, jax.random.key(0), *inputs)
    variables = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return 1e3 * forward_cost(net.apply, variables, *inputs).seconds


def keyframes_table(rows: list[dict[str, Any]]) -> Table:
    """`summarize_keyframes`' results side by side, and the first over the last."""
    heads = [f"{row['name']}: {row['backbone']}" for row in rows]
    return Table(
        ["keyframe network", *heads, f"{rows[0]['name']} / {rows[-1]['name']}"],
        [
            [name, *(format(value, form) for value in values), f"{values[0] / values[-1]:.2f}"]
            for name, values, form in _lines(rows)
        ],
    )


def _lines(rows: list[dict[str, Any]]) -> list[tuple[str, list[float], str]]:
    """What each line of the table is of, its values, and how they are written."""
    lines = [
        (part, [row["parameters"][part] for row in rows], ",") for part in rows[0]["parameters"]
    ]
    totals = {
        "network": "total",
        "network and the backbone's 1000-class layer": "total_with_classes",
        "trained in stage one": "trained_in_stage_one",
        "trained in stage two": "trained_in_stage_two",
    }
    lines += [(name, [row[key] for row in rows], ",") for name, key in totals.items()]
    for batch in rows[0]["milliseconds"] or ():
        name = f"ms, {batch} x {rows[0]['frames']} images"
        lines.append((name, [row["milliseconds"][batch] for row in rows], ",.1f"))
    return lines
