"""What is wrong with a training while it goes: by its losses, its validations, its embeddings."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.individuals.symptoms import FEWEST_LOSSES, collapsed, not_falling, past_its_best
from reid_jax.ops.losses.objectives import Objective
from reid_jax.ops.spread import effective_rank, spread
from reid_jax.reporting.symptom import Symptom

_MONITOR = "validation/mAP"

Rows = Sequence[Mapping[str, Any]]


def indifferent_loss(objective: Objective, labels: np.ndarray, num_classes: int) -> float:
    """The loss where all embeddings of a batch are the same, and all class centres with them.

    Args:
      labels: ``(B,)`` of a batch.
      num_classes: training individuals.
    """
    length = 2**-0.5
    shapes = jax.eval_shape(lambda: objective.init(jax.random.key(0), num_classes, 2))
    params = jax.tree.map(lambda leaf: jnp.full(leaf.shape, length, leaf.dtype), shapes)
    same = jnp.full((len(labels), 2), length)
    outputs = {"embedding": same, "neck": same}
    terms = objective.terms(params, outputs, jnp.asarray(labels, jnp.int32), None, None)
    return sum(float(term.weight * term.total / term.number) for term in terms.values())


def of_training(
    rows: Rows,
    embeddings: np.ndarray | None,
    individuals: int,
    indifferent: Callable[[], float] = lambda: math.nan,
) -> list[Symptom]:
    """What is wrong, the worst first; nothing where all is well.

    Args:
      rows: of ``metrics.jsonl`` so far.
      embeddings: ``(N, D)`` of photos that were held out, before any whitening.
      individuals: that these photos show.
      indifferent: gives :func:`indifferent_loss`.
    """
    losses = [row["loss"] for row in rows if row.get("loss") is not None]
    found = [
        None
        if embeddings is None
        else collapsed(
            spread(embeddings),
            effective_rank(embeddings),
            dimensions=embeddings.shape[1],
            individuals=individuals,
        ),
        not_falling(losses, indifferent),
        past_its_best(rows, _MONITOR),
    ]
    return [each for each in found if each is not None]


def watch(
    objective: Objective | None, labels: np.ndarray, num_classes: int, individuals: int
) -> Callable[[Rows, np.ndarray | None], str]:
    """What an experiment's `watch` says: a sentence with what to try, or nothing; once while it
    stays the same, and not in the first steps, after which networks may look collapsed and are not.

    Args:
      objective, labels, num_classes: of :func:`indifferent_loss`; no objective where the loss is
        not by labels alone.
      individuals: that the validation photos show.
    """

    @functools.cache
    def indifferent() -> float:
        return math.nan if objective is None else indifferent_loss(objective, labels, num_classes)

    told = ""

    def said(rows: Rows, predictions: np.ndarray | None) -> str:
        nonlocal told
        early = sum("loss" in row for row in rows) < FEWEST_LOSSES
        found = [] if early else of_training(rows, predictions, individuals, indifferent)[:1]
        before, told = told, found[0].name if found else ""
        return str(found[0]) if told != before and found else ""

    return said
