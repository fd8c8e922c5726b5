"""The largest batch that fits, from what the compiler says a step needs."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from reid_jax.compilations import program_memory
from reid_jax.console import say
from reid_jax.errors import UserError
from reid_jax.training.ahead import step_ahead
from reid_jax.training.config import AUTO
from reid_jax.training.config_file import has_begun, read_values
from reid_jax.training.experiment import Experiment
from reid_jax.training.parallel import Layout
from reid_jax.training.question import Question

_SHARE = 0.9  # of the memory; the rest is for what is not the step's
_MOST = 16_384
_HALVINGS = 3  # of the gap between powers of two, a compilation each


def kept_batch_size(workdir: Path, config: Any) -> Any:
    """A configuration that asks for `auto`, with what the run in `workdir` began with."""
    if config.data.batch_size != AUTO or not has_begun(workdir):
        return config
    return with_batch_size(config, int(read_values(workdir)["data"]["batch_size"]))


def with_batch_size(config: Any, size: int) -> Any:
    """The configuration with another batch size."""
    return dataclasses.replace(config, data=dataclasses.replace(config.data, batch_size=size))


def choose_batch_size(question: Question[Any, Any], config: Any, data: Any, layout: Layout) -> Any:
    """The configuration with the largest batch that fits, if it asks for `auto`; says which.

    Raises:
      UserError: when nothing fits, or where several processes would have to agree.
    """
    if config.data.batch_size != AUTO or not config.train.steps:
        return config
    if jax.process_count() > 1:
        raise UserError("data.batch_size is auto; several processes need a number.")
    alone, most = question.batch_bounds(config, data)
    unit = math.lcm(alone, layout.size * config.train.accumulate)
    unit = unit * 2 if unit < 4 else unit
    experiment = question.build(with_batch_size(config, unit), data)
    unit = math.lcm(unit, layout.size * experiment.shared_unit)
    needed = bytes_of_step(experiment, config, layout)
    size = find_batch_size(needed, unit, min(most, _MOST), layout.memory)
    say(
        f"data.batch_size: {size}, which needs {needed(size) / 1e9:.2f} of a device's "
        f"{layout.memory / 1e9:.2f} GB"
    )
    return with_batch_size(config, size)


def find_batch_size(needed: Callable[[int], int], unit: int, most: int, memory: int) -> int:
    """A multiple of `unit` up to `most` whose step fits, within an eighth of the largest such.

    What two small batches need gives a line that says where to look among `unit`, 2 `unit`,
    4 `unit`, ... and `most`; the step is compiled there, and on from there up or down. Halving the
    gap to the first that does not fit takes a few more looks. What is returned was seen to fit.

    Args:
      needed: batch size -> bytes on a device.
      memory: bytes that a device has.

    Raises:
      UserError: when not even `unit` fits.
    """
    limit = _SHARE * memory
    units = max(most // unit, 1)
    sizes = sorted({unit << power for power in range(units.bit_length())} | {unit * units})
    seen = {sizes[0]: needed(sizes[0])}
    if seen[sizes[0]] > limit:
        raise UserError(
            f"A batch of {sizes[0]} needs {seen[sizes[0]] / 1e9:.1f} GB of a device's "
            f"{memory / 1e9:.1f}; set model.remat, a smaller network or smaller images."
        )
    if len(sizes) == 1:
        return sizes[0]

    def fits(size: int) -> bool:
        if size not in seen:
            seen[size] = needed(size)
        return seen[size] <= limit

    fits(sizes[1])
    each = max(seen[sizes[1]] - seen[sizes[0]], 1) / (sizes[1] - sizes[0])
    reach = sizes[0] + (limit - seen[sizes[0]]) / each
    index = max(sum(size <= reach for size in sizes) - 1, 0)
    while not fits(sizes[index]):
        index -= 1
    while index + 1 < len(sizes) and fits(sizes[index + 1]):
        index += 1
    if index + 1 == len(sizes):
        return sizes[index]
    low, high = sizes[index] // unit, sizes[index + 1] // unit
    for _ in range(_HALVINGS):
        middle = (low + high) // 2
        if middle == low:
            break
        low, high = (middle, high) if fits(unit * middle) else (low, middle)
    return unit * low


def bytes_of_step(experiment: Experiment, config: Any, layout: Layout) -> Callable[[int], int]:
    """batch size -> bytes that a step needs on a device, as XLA lays it out."""
    compiled, arguments = step_ahead(experiment, config, layout)

    def needed(size: int) -> int:
        held = program_memory(compiled.lower(*arguments(size)).compile())
        if held is None:
            raise UserError("The device does not say what a step takes; give the batch a size.")
        return held

    return needed
