"""What is exported: a function of arrays, what it is given, and what must be known of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import jax
import numpy as np

Answers: TypeAlias = dict[str, np.ndarray]
"""Arrays by the names of a program's outputs."""

Target = Literal["onnx", "openvino", "litert", "stablehlo"]


@dataclass(frozen=True)
class Program:
    """One network with all that stands before and behind it.

    Attributes:
      function: rows (N, ...) to arrays by name; pure, and traced once.
      name: of the input.
      rows: some of it, (N, ...), N at least 8, on which an engine is checked.
      answers: what the run itself says of rows, by the way that people use it.
      apart: whether each row has a result of its own, as photos; else rows are the frames of one
        film, and only whole films are given.
      least: rows that it needs at least.
      facts: what `model.json` says beside what is known of every program.
      example: the module whose source becomes `example.py`.
      fingerprint: of the network, as galleries keep it.
      beside: arrays that `example.py` reads, by their file's name and theirs.
    """

    function: Callable[[jax.Array], dict[str, jax.Array]]
    name: str
    rows: np.ndarray
    answers: Callable[[np.ndarray], Answers]
    apart: bool
    facts: Mapping[str, Any]
    example: str
    least: int = 1
    fingerprint: str = ""
    beside: Mapping[str, Answers] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """Individuals that an exported network can name.

    Attributes:
      embeddings: (N, D) float32.
      identities: (N,) whose each is.
      threshold: the score from which the most similar individual is the answer; None where the
        gallery could not be calibrated.
      fingerprint: of the network that made the embeddings.
    """

    embeddings: np.ndarray = field(repr=False)
    identities: np.ndarray = field(repr=False)
    threshold: float | None
    fingerprint: str
