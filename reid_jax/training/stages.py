"""A schedule of what trains: the head first, then the last blocks of the backbone, more slowly."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import optax

from reid_jax.errors import UserError
from reid_jax.fields import NOT_NEGATIVE, POSITIVE, Bound

Tree = Any


@dataclass(frozen=True)
class Stage:
    """From one step on, how much of the backbone trains and how fast."""

    start: Annotated[int, NOT_NEGATIVE] = 0
    """The first step of the stage; it lasts until the next one starts."""
    blocks: Annotated[int, Bound(least=-1)] = -1
    """How many of the backbone's last blocks train: 0 none, -1 all."""
    backbone_rate: Annotated[float, POSITIVE] = 1.0
    """Multiplies the learning rate of the backbone's blocks that train."""
    rate: Annotated[float, POSITIVE] = 1.0
    """Multiplies the learning rate of everything, the backbone's blocks too."""


def check_stages(stages: Sequence[Stage], steps: int, steps_per_call: int) -> None:
    """Refuses a schedule that cannot be followed.

    Raises:
      UserError: naming the stage.
    """
    starts = [stage.start for stage in stages]
    if starts and starts[0] != 0:
        raise UserError(f"The first stage starts at step {starts[0]}; it must start at 0.")
    if starts != sorted(set(starts)):
        raise UserError(f"Stages start at steps {starts}; each must start after the one before it.")
    for stage in stages:
        if stage.start >= steps > 0:
            raise UserError(
                f"A stage starts at step {stage.start}; train.steps is only {steps}. "
                f"Train longer, or begin it sooner (--stages.{starts.index(stage.start)}.start)."
            )
        if stage.start % steps_per_call:
            raise UserError(
                f"A stage starts at step {stage.start}, which is not a multiple of "
                f"train.steps_per_call ({steps_per_call})."
            )


def stage_at(stages: Sequence[Stage], step: int) -> Stage:
    """The stage that a step belongs to; without stages everything trains."""
    current = Stage()
    for stage in stages:
        if stage.start <= step:
            current = stage
    return current


def work_left(stages: Sequence[Stage], blocks: Sequence[str], step: int, steps: int) -> float:
    """The steps from `step` to `steps`, in the cost of the next one.

    Backward costs twice what forward does, and goes as far as something trains; the blocks are
    taken to cost the same.
    """

    def cost(at: int) -> float:
        frozen = frozen_blocks(stage_at(stages, at), blocks)
        return 3 - 2 * len(frozen) / max(len(blocks), 1)

    edges = [step, *(each.start for each in stages if step < each.start < steps), steps]
    total = sum((end - begin) * cost(begin) for begin, end in itertools.pairwise(edges))
    return total / cost(step)


def frozen_blocks(stage: Stage, blocks: Sequence[str]) -> tuple[str, ...]:
    """The blocks, of those from input to output, that do not train in a stage."""
    if stage.blocks < 0:
        return ()
    return tuple(blocks[: max(len(blocks) - stage.blocks, 0)])


def update_rates(params: Tree, stage: Stage, frozen: Sequence[str]) -> Tree:
    """A factor for each leaf's update: 0 where frozen, else by the stage's rates.

    `params` is that of an embedding task, {"net": {"backbone": {block: ...}, ...}, ...}.
    """

    def rate(path: Any, leaf: jax.Array) -> float:
        del leaf
        names = [entry.key for entry in path if isinstance(entry, jax.tree_util.DictKey)]
        if names[:2] != ["net", "backbone"]:
            return stage.rate
        return 0.0 if names[2] in frozen else stage.rate * stage.backbone_rate

    return jax.tree_util.tree_map_with_path(rate, params)


def with_fresh_moments(opt_state: Tree) -> Tree:
    """The optimiser's state with Adam's moments and their count at zero.

    A block that starts to train has no moments yet; with the count of the others its first steps
    would be three times too long.
    """

    def is_adam(node: Any) -> bool:
        return isinstance(node, optax.ScaleByAdamState)

    def fresh(node: Any) -> Any:
        return jax.tree.map(jnp.zeros_like, node) if is_adam(node) else node

    return jax.tree.map(fresh, opt_state, is_leaf=is_adam)
