"""How far a training is, and how good its validations were."""

import math
from dataclasses import dataclass


@dataclass
class Progress:
    """What the loop remembers beside the state; stored with each checkpoint.

    `without_improvement` counts the validations since the best one or the last stage's start.
    `blend` is how far the best one is from what training started from (0) to its step (1).
    `mark` is the value that the last improvement by more than `min_delta` reached.
    """

    best_value: float | None = None
    best_step: int = 0
    without_improvement: int = 0
    blend: float = 1.0
    mark: float | None = None

    def improved(self, step: int, value: float, blend: float = 1.0, min_delta: float = 0.0) -> bool:
        """Takes note of a validation; says whether it is the best so far (NaN never is).

        Validations that are not better by more than `min_delta` are counted.
        """
        best = -math.inf if self.best_value is None else self.best_value
        if value > (best if self.mark is None else self.mark) + min_delta:
            self.mark, self.without_improvement = value, 0
        else:
            self.without_improvement += 1
        if value > best:
            self.best_value, self.best_step, self.blend = value, step, blend
        return value > best
