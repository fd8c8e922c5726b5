"""What an objective is: a loss, what a configuration sets of it, and its parameters."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import jax

Tree = Any


class Term(NamedTuple):
    """One weighted term of a loss, as a sum over this device's share and what it is divided by.

    The step adds `weight * psum(total) / psum(number)` over the terms, which is exact for padded
    batches and for any number of devices.
    """

    total: jax.Array
    number: jax.Array
    weight: float = 1.0


class Sampling(NamedTuple):
    """How an objective looks at a sample of the classes.

    `draw(num_classes, labels (B,), mask, axis_name)` gives the classes (S,) int32, ascending, and
    the place of each label among them (B,); `objective` is the loss over the centres drawn.
    """

    draw: Callable[..., tuple[jax.Array, jax.Array]]
    objective: "Objective"


class Objective(Protocol):
    """A frozen dataclass that a configuration can name.

    `outputs` has "embedding" (B, D), what is compared, and "neck" (B, D), what is classified.
    """

    @property
    def wants(self) -> tuple[str, ...]:
        """What `outputs` needs beside these, each float32 (B,) and without a gradient.

        "standing": how long a neck is, in standard deviations from the mean of recent batches.
        "lot": drawn from the standard normal distribution, by a key of the step and the photo.
        """
        ...

    def init(self, key: jax.Array, num_classes: int, dimension: int) -> Tree:
        """Its parameters (class centres), empty for losses that look inside the batch only."""
        ...

    @property
    def sampling(self) -> Sampling | None:
        """How classes are drawn for a step, None where all take part or there are none."""
        ...

    def for_batches(self, positives: int) -> "Objective":
        """The same for batches in which an example has at most so many others of its class."""
        ...

    def terms(
        self,
        params: Tree,
        outputs: Mapping[str, jax.Array],
        labels: jax.Array,
        mask: jax.Array | None,
        axis_name: str | None,
    ) -> dict[str, Term]:
        """The loss of a batch with labels (B,), by the names under which it is logged."""
        ...


class InBatch:
    """An objective without parameters: a loss of embeddings and labels, whose fields are options.

    A new one is `class Name(InBatch, loss=function, term="name"):`, a dataclass of the function's
    keyword arguments.
    """

    wants: ClassVar[tuple[str, ...]] = ()
    _loss: ClassVar[Callable[..., tuple[jax.Array, jax.Array]]]
    _term: ClassVar[str]

    def __init_subclass__(
        cls, *, loss: Callable[..., tuple[jax.Array, jax.Array]], term: str
    ) -> None:
        cls._loss, cls._term = staticmethod(loss), term

    def init(self, key: jax.Array, num_classes: int, dimension: int) -> Tree:
        del key, num_classes, dimension
        return {}

    @property
    def sampling(self) -> Sampling | None:
        """None: it has no classes."""
        return None

    def for_batches(self, positives: int) -> Objective:
        """Itself, as most losses look at all pairs anyway."""
        del positives
        return self

    def arguments(self) -> dict[str, Any]:
        """What the loss is called with beside the batch."""
        return dict(vars(self))

    def terms(
        self,
        params: Tree,
        outputs: Mapping[str, jax.Array],
        labels: jax.Array,
        mask: jax.Array | None,
        axis_name: str | None,
    ) -> dict[str, Term]:
        del params
        given = {"mask": mask, "axis_name": axis_name, **self.arguments()}
        return {self._term: Term(*self._loss(outputs["embedding"], labels, **given))}
