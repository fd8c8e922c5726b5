"""How batches reach the step: from device memory or from the host, with identical pixels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from reid_jax.data.photos.dataset import Dataset
from reid_jax.data.photos.resident import load_resident
from reid_jax.data.photos.stream import Sampler, stream
from reid_jax.ops.losses.distilled import TAUGHT
from reid_jax.training.hosts.join import own_rows
from reid_jax.training.step import TrainStep, make_resident_steps, make_streamed_step
from reid_jax.training.teaching import Teacher, beside

# A set up to this size is kept in device memory when the configuration leaves the choice.
RESIDENT_BYTES = 4 * 2**30


@dataclass(frozen=True)
class Feed:
    """What a compiled call reads.

    Attributes:
      shared: arrays that every call reads and every device holds.
      batch_axis: the axis of a call's batch that devices divide.
      make_step: wraps the training step so that it reads `(state, shared, batch)`.
      calls: `calls(start, stop)` yields, between two steps, the batch of each call and how many
        steps it makes.
      own_rows: of several processes each gets its own part of a batch, not the whole.
    """

    shared: dict[str, Any]
    batch_axis: int
    make_step: Callable[[TrainStep], TrainStep]
    calls: Callable[[int, int], Iterator[tuple[Any, int]]]
    own_rows: bool = False


def is_resident(input: str, photos: int, size: int, channels: int) -> bool:
    """Whether a set of so many photos is kept in device memory; `input` as in `make_feed`."""
    small = photos * size * size * channels <= RESIDENT_BYTES
    return input == "resident" or (input == "auto" and small)


def imagined_feed(
    photos: int, batch_size: int, *, size: int, channels: int, input: str, steps_per_call: int
) -> Feed:
    """The feed of a set of photos that is not there, of shapes alone."""

    def shape(number: int) -> Any:
        return jax.ShapeDtypeStruct((number, size, size, channels), np.uint8)

    def labels(number: int) -> Any:
        return jax.ShapeDtypeStruct((number,), np.int32)

    if is_resident(input, photos, size, channels):
        rows = jax.ShapeDtypeStruct((steps_per_call, batch_size), np.int32)
        shared: Any = {"image": shape(photos), "label": labels(photos)}
        return Feed(shared, 1, make_resident_steps, lambda start, stop: iter([(rows, 1)]))
    mask = jax.ShapeDtypeStruct((batch_size,), bool)
    batch = {"image": shape(batch_size), "label": labels(batch_size), "mask": mask}
    return Feed({}, 0, make_streamed_step, lambda start, stop: iter([(batch, 1)]))


def make_feed(
    dataset: Dataset,
    sampler: Sampler,
    *,
    size: int,
    channels: int,
    input: str,
    steps_per_call: int,
    teacher: Teacher | None = None,
) -> Feed:
    """A resident feed, or a streamed one where asked for or where the set is too large.

    Where there is a `teacher`, batches bring what it says of them, or its variables.
    """
    sampler = own_rows(sampler)
    from_teacher = {} if teacher is None else teacher.shared
    if is_resident(input, len(dataset), size, channels):
        shared = {"image": load_resident(dataset, size, channels), "label": dataset.labels}
        shared |= from_teacher

        def calls(start: int, stop: int) -> Iterator[tuple[np.ndarray, int]]:
            while start < stop:
                # A run that was stopped in between finds its way back to whole calls.
                count = steps_per_call - start % steps_per_call
                rows = [sampler(step) for step in range(start, start + count)]
                yield np.stack(rows).astype(np.int32), count
                start += count

        steps = partial(make_resident_steps, beside=beside)
        return Feed(shared, 1, steps, calls, own_rows=True)

    kept = from_teacher.pop(TAUGHT, None)

    def with_kept(step: int, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return batch if kept is None else {**batch, TAUGHT: kept[sampler(step)]}

    def batches(start: int, stop: int) -> Iterator[tuple[dict[str, np.ndarray], int]]:
        streamed = stream(
            dataset,
            sampler,
            size=size,
            channels=channels,
            start_step=start,
            num_steps=stop - start,
        )
        return ((with_kept(step, batch), 1) for step, batch in enumerate(streamed, start))

    return Feed(from_teacher, 0, make_streamed_step, batches, own_rows=True)
