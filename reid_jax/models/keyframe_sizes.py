"""How many parameters a keyframe scorer and the backbone under it have, and which of them train."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from reid_jax.models.keyframes import KeyframeNet, KeyframeScorer
from reid_jax.models.registry import backbone_info, block_names, create_backbone


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
    blocks = {name: _count(params["backbone"][name]) for name in block_names(backbone)}
    return Sizes(
        blocks=blocks,
        scorer={name: _count(part) for name, part in params["scorer"].items()},
        classifier=_count(with_classes) - sum(blocks.values()),
    )


def _count(tree: Any) -> int:
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def sizes_table(backbone: str, *, last_blocks: int, scorer: KeyframeScorer | None = None) -> str:
    """The breakdown in words: parts, totals, and what trains in the two stages."""
    sizes = keyframe_sizes(backbone, scorer)
    rows = [(f"backbone {backbone}", sum(sizes.blocks.values()))]
    rows += [(f"scorer {name}", count) for name, count in sizes.scorer.items()]
    rows += [
        ("network", sizes.total),
        ("network and the backbone's 1000-class layer", sizes.total + sizes.classifier),
        ("trained with the backbone frozen", sizes.trained(0)),
        (f"trained with its last {last_blocks} blocks", sizes.trained(last_blocks)),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {count:>12,}" for name, count in rows)
