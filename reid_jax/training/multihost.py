"""Several processes, on one machine or many, that make one training.

Every process runs the same command on the same configuration and photos. They find each other
through a coordinator, the first process; then all devices are one mesh. A process loads only its
own rows of a batch; the first one alone writes the log and speaks.
"""

import json
import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from reid_jax.errors import UserError


def join(coordinator: str) -> None:
    """Makes this process one of several; must come before anything else asks JAX for devices.

    Args:
      coordinator: "" to stay alone; "auto" where the environment says who takes part (SLURM, Open
        MPI, Kubernetes, Cloud TPU); otherwise HOST:PORT of the first process, with the number of
        processes in JAX_NUM_PROCESSES and the number of this one, from 0, in JAX_PROCESS_ID.

    Raises:
      UserError: when the others cannot be known or are not found.
    """
    if not coordinator or jax.distributed.is_initialized():
        return
    if jax.config.values["jax_platforms"] == "cpu" or os.environ.get("JAX_PLATFORMS") == "cpu":
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        if coordinator == "auto":
            jax.distributed.initialize()
        else:
            jax.distributed.initialize(coordinator, *_numbers())
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"train.coordinator is {coordinator!r}, but the processes did not find each other: "
            f"{reason}"
        ) from error


def _numbers() -> tuple[int, int]:
    try:
        return int(os.environ["JAX_NUM_PROCESSES"]), int(os.environ["JAX_PROCESS_ID"])
    except (KeyError, ValueError) as error:
        raise UserError(
            "train.coordinator names a host; set JAX_NUM_PROCESSES to the number of processes and "
            "JAX_PROCESS_ID to the number of this one, from 0."
        ) from error


def is_first() -> bool:
    """Whether this process is the one that speaks and writes."""
    return jax.process_index() == 0


def own_rows(sampler: Callable[[int], np.ndarray]) -> Callable[[int], np.ndarray]:
    """The sampler of this process's part of each batch; of one process, all of it."""
    count, index = jax.process_count(), jax.process_index()

    def own(step: int) -> np.ndarray:
        rows = sampler(step)
        each = len(rows) // count
        return rows[index * each : (index + 1) * each]

    return sampler if count == 1 else own


def any_process(flag: bool) -> bool:
    """Whether it is so in any process; all of them must ask."""
    if jax.process_count() == 1:
        return flag
    from jax.experimental.multihost_utils import process_allgather

    return bool(process_allgather(np.asarray(flag)).any())


def gathered(topic: str, value: Any) -> list[Any]:
    """What each process has (JSON); all of them must ask. Of one process, its own."""
    del topic
    if jax.process_count() == 1:
        return [value]
    from jax.experimental.multihost_utils import process_allgather

    text = np.frombuffer(json.dumps(value).encode(), np.uint8)
    sizes = process_allgather(np.asarray(len(text)))
    texts = process_allgather(np.resize(text, max(sizes)))
    return [json.loads(row[:size].tobytes()) for row, size in zip(texts, sizes, strict=True)]
