"""Batches from the host: decoded in parallel ahead of the training step.

With TensorFlow through tf.data, without it through threads. Both load photos with `Dataset.load`
and draw them with the same sampler, so the batches are the same, and the same as those gathered
from the resident set.
"""

import collections
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from reid_jax.console import Bar
from reid_jax.data.optional_tensorflow import import_tensorflow
from reid_jax.data.photos.dataset import Dataset

Sampler = Callable[[int], np.ndarray]
Batch = dict[str, np.ndarray]

_BATCHES_AT_ONCE = 2  # each batch is decoded by all cores; the second fills their gaps


def stream(
    dataset: Dataset,
    sampler: Sampler,
    *,
    size: int,
    channels: int = 3,
    start_step: int = 0,
    num_steps: int | None = None,
    prefetch: int = 4,
) -> Iterator[Batch]:
    """Batches of the steps `start_step`, `start_step + 1`, ...; `num_steps` of them, or for ever.

    Each is a dict: image uint8 (B, size, size, channels), label int32 (B,), mask bool (B,), all
    true. `sampler(step)` are the indices into `dataset`. Up to `prefetch` batches wait in memory.

    Raises:
      UserError: a photo that was readable when the source was loaded no longer is.
    """
    implementation = threaded_stream if import_tensorflow() is None else tensorflow_stream
    return implementation(
        dataset,
        sampler,
        size=size,
        channels=channels,
        start_step=start_step,
        num_steps=num_steps,
        prefetch=prefetch,
    )


def in_blocks(
    dataset: Dataset,
    rows: np.ndarray,
    *,
    size: int,
    channels: int = 3,
    block: int = 512,
    progress: str | None = None,
) -> Iterator[Batch]:
    """The photos at `rows` (N,) in order: dicts with image uint8 (b, size, size, channels).

    One block waits while another is looked at; memory does not grow with N. `progress` is what a
    progress bar says, should it take long.

    Raises:
      UserError: a photo that was readable when the source was loaded no longer is.
    """
    parts = [rows[start : start + block] for start in range(0, len(rows), block)]
    return in_parts(dataset, parts, size=size, channels=channels, progress=progress)


def in_parts(
    dataset: Dataset,
    parts: Sequence[np.ndarray],
    *,
    size: int,
    channels: int = 3,
    progress: str | None = None,
) -> Iterator[Batch]:
    """`in_blocks` of any sizes, given the rows of each, of which some may be empty."""
    bar, seen = Bar(progress, sum(map(len, parts)), "photos"), 0
    blocks = stream(
        dataset,
        parts.__getitem__,
        size=size,
        channels=channels,
        num_steps=len(parts),
        prefetch=1,
    )
    try:
        for part, photos in zip(parts, blocks, strict=True):
            yield {"image": photos["image"]}
            seen += len(part)
            bar.update(seen)
    finally:
        bar.close()


def _load(dataset: Dataset, indices: np.ndarray, size: int, channels: int) -> Batch:
    return {
        "image": dataset.load(indices, size, channels),
        "label": dataset.labels[indices],
        "mask": np.ones(len(indices), bool),
    }


def tensorflow_stream(
    dataset: Dataset,
    sampler: Sampler,
    *,
    size: int,
    channels: int,
    start_step: int,
    num_steps: int | None,
    prefetch: int,
) -> Iterator[Batch]:
    """`stream` as a tf.data pipeline."""
    tf = import_tensorflow()
    assert tf is not None, "tensorflow_stream needs TensorFlow"
    failures: list[Exception] = []

    def load(step: np.int64) -> tuple[np.ndarray, ...]:
        try:
            return tuple(_load(dataset, sampler(int(step)), size, channels).values())
        except Exception as error:
            failures.append(error)  # tf.data would pass on its text, not the exception
            raise

    def load_batch(step):
        image, label, mask = tf.numpy_function(load, [step], [tf.uint8, tf.int32, tf.bool])
        return {"image": image, "label": label, "mask": mask}

    stop = np.iinfo(np.int64).max if num_steps is None else start_step + num_steps
    steps = tf.data.Dataset.range(start_step, stop)
    batches = steps.map(load_batch, num_parallel_calls=_BATCHES_AT_ONCE, deterministic=True)
    try:
        yield from batches.prefetch(prefetch).as_numpy_iterator()
    except tf.errors.OpError:
        if failures:
            raise failures[0] from None
        raise


def threaded_stream(
    dataset: Dataset,
    sampler: Sampler,
    *,
    size: int,
    channels: int,
    start_step: int,
    num_steps: int | None,
    prefetch: int,
) -> Iterator[Batch]:
    """`stream` with threads alone."""
    steps: Iterator[int] = itertools.count(start_step)
    if num_steps is not None:
        steps = iter(range(start_step, start_step + num_steps))
    waiting: collections.deque[Future[Batch]] = collections.deque()
    pool = ThreadPoolExecutor(_BATCHES_AT_ONCE, thread_name_prefix="stream")

    def load(step: int) -> Batch:
        return _load(dataset, sampler(step), size, channels)

    try:
        for step in itertools.islice(steps, prefetch + 1):
            waiting.append(pool.submit(load, step))
        while waiting:
            batch = waiting.popleft().result()
            for step in itertools.islice(steps, 1):
                waiting.append(pool.submit(load, step))
            yield batch
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
