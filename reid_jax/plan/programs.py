"""The programs that a configuration runs, traced for devices from shapes alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.tree_util import tree_leaves_with_path

from reid_jax.errors import UserError
from reid_jax.ops.ranking import individuals, match_ranks
from reid_jax.plan.accelerators import Accelerator
from reid_jax.training.ahead import step_ahead
from reid_jax.training.experiment import Experiment
from reid_jax.training.parallel import Layout, is_centers

What = Literal["step", "embed", "evaluate", "search"]
_MATCHES = 8  # photos of a query's individual in the gallery, at most
_NEIGHBOURS = 10
_QUERIES = 256  # of a block
_INSTEAD = {
    "parameters and moments": "take more devices, which divide the class centres, or fewer numbers "
    "an embedding (--model.embedding-dim)",
    "resident photos": "take --data.input stream",
    "photos of the batch": "take a smaller --data.batch-size",
}


@dataclass(frozen=True)
class Traced:
    """A program that is ready to be lowered.

    Attributes:
      stages: what `jax.jit(f).trace(...)` gave.
      batch: photos (clips, queries) that a call takes.
      calls: that the whole takes.
      steps: training steps that a call makes.
      note: what it stands for.
      given: bytes that each device holds before the first step, by what they are.
    """

    stages: Any
    batch: int
    note: str
    calls: int = 1
    steps: int = 1
    given: Mapping[str, int] = field(default_factory=dict)


def step(experiment: Experiment, config: Any, layout: Layout, batch: int) -> Traced:
    """The training step."""
    layout.check(batch, experiment.shared_unit, "data.batch_size")
    function, arguments = step_ahead(experiment, config, layout)
    steps = config.train.steps_per_call if experiment.feed.shared else 1
    note = "the step of a mesh, whatever train.parallel says"
    if steps > 1:
        note += f"; a call makes {steps} of them"
    shapes = arguments(batch)
    if layout.size > 1 and any(_are_whole_centers(*each) for each in tree_leaves_with_path(shapes)):
        note += f"; class centres are whole on each device, as {layout.size:,} do not divide them"
    names = ("parameters and moments", "resident photos", "photos of the batch")
    given = dict(zip(names, map(_bytes_on_one, shapes), strict=True))
    return Traced(function.trace(*shapes), batch, note, steps=steps, given=given)


def _are_whole_centers(path: tuple[Any, ...], leaf: Any) -> bool:
    return is_centers(path) and leaf.sharding.is_fully_replicated


def _bytes_on_one(shapes: Any) -> int:
    return sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(shapes)
    )


def check_given(given: Mapping[str, int], accelerator: Accelerator, devices: int) -> None:
    """Refuses what no device could hold, whatever is made of it.

    Raises:
      UserError: what is too large, and what to change.
    """
    if sum(given.values()) <= accelerator.memory_bytes:
        return
    largest = max(given, key=lambda name: given[name])
    on_each = f" on each of {devices:,}" if devices > 1 else ""
    raise UserError(
        f"Nothing fits into the {accelerator.memory_bytes / 1e9:.0f} GB of a {accelerator.name}: "
        f"{largest} are {given[largest] / 1e9:,.1f} GB{on_each}; {_INSTEAD[largest]}."
    )


def embed(experiment: Experiment, config: Any, layout: Layout, batch: int) -> Traced:
    """What the network says of a batch, without augmentation."""
    batch = max(batch // layout.size, 1) * layout.size
    task = experiment.task

    def initial() -> Any:
        return experiment.start(*task.init(jax.random.key(0), experiment.example))

    def predict(variables: tuple[Any, Any], rows: Any) -> Any:
        params, model_state = variables
        return task.predict(params, model_state, rows)

    names = {name: leaf.shape[1:] for name, leaf in experiment.example.items()}
    rows = {
        name: layout.divided_shape((batch, *shape), experiment.example[name].dtype, 0)
        for name, shape in names.items()
    }
    if (clip := getattr(config.data, "clip", 0)) and "mask" not in rows:
        rows = {
            name: layout.divided_shape((batch, clip, *shape[1:]), leaf.dtype, 0)
            for (name, shape), leaf in zip(names.items(), rows.values(), strict=True)
        }
        rows["mask"] = layout.divided_shape((batch, clip), bool, 0)
    variables = layout.shapes(jax.eval_shape(initial))
    return Traced(layout.compile_map(predict).trace(variables, rows), batch, "embedding a batch")


def evaluate(dimension: int, layout: Layout, gallery: int, queries: int) -> Traced:
    """The ranks of a block of queries' matches among all of a gallery, on the first device."""
    rows = min(_QUERIES, queries)
    width = -(-gallery // 128) * 128
    place = partial(_on_first, layout)
    arguments = (
        place((rows, dimension), jnp.float32),
        place((width, dimension), jnp.float32),
        place((width,), jnp.float32),
        place((width,), jnp.float32),
        place((), jnp.int32),
        ((place((rows,), jnp.int32),),),
        ((place((width,), jnp.int32),),),
        place((rows, _MATCHES), jnp.int32),
    )
    traced = match_ranks.match_ranks.trace(*arguments, by_search=False)
    note = f"blocks of {rows} queries with up to {_MATCHES} matches each, on one device"
    return Traced(traced, rows, note, calls=-(-queries // rows))


def search(dimension: int, layout: Layout, gallery: int, queries: int) -> Traced:
    """The nearest photos of a block of queries, the gallery divided over the devices."""
    rows = min(_QUERIES, queries)
    width = individuals.rounded_up(gallery, layout.size)
    return Traced(
        individuals.trace_search(layout.mesh, rows, width, dimension, _NEIGHBOURS),
        rows,
        f"blocks of {rows} queries, the {_NEIGHBOURS} nearest photos, float32",
        calls=-(-queries // rows),
    )


def _on_first(layout: Layout, shape: tuple[int, ...], dtype: Any) -> Any:
    place = jax.sharding.SingleDeviceSharding(layout.devices[0])
    return jax.ShapeDtypeStruct(shape, dtype, sharding=place)


def traced(
    what: What,
    experiment: Experiment,
    config: Any,
    layout: Layout,
    batch: int,
    gallery: int,
    queries: int,
) -> Traced:
    """The program that is asked for.

    Raises:
      UserError: the configuration has none such, or the devices cannot share the batch.
    """
    if what == "step":
        return step(experiment, config, layout, batch)
    if what == "embed":
        return embed(experiment, config, layout, batch)
    dimension = _dimension(experiment)
    makes: dict[str, Callable[..., Traced]] = {"evaluate": evaluate, "search": search}
    return makes[what](dimension, layout, gallery, queries)


def check_ranked(experiment: Experiment) -> None:
    """Refuses an experiment whose network makes no embeddings that are ranked.

    Raises:
      UserError: what can be asked for.
    """
    if not hasattr(experiment.task, "num_classes") or "image" not in experiment.example:
        raise UserError("evaluate and search are of embeddings of photos; use step or embed.")


def _dimension(experiment: Experiment) -> int:
    """Numbers an embedding; see `check_ranked`."""
    task = experiment.task

    def outputs() -> Any:
        params, model_state = task.init(jax.random.key(0), experiment.example)
        return task.predict(params, model_state, experiment.example)

    return int(jax.eval_shape(outputs).shape[-1])
