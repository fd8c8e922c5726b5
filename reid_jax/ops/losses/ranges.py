"""What the numbers of an objective may be."""

from reid_jax.errors import UserError

Range = tuple[bool, str]  # whether a value is in it, and the range in words


def above_0(value: float) -> Range:
    """For a margin, a scale."""
    return value > 0, "above 0"


def not_below_0(value: float) -> Range:
    """For a weight, a slack."""
    return value >= 0, "0 or more"


def require(objective: object, **right: Range) -> None:
    """Refuses an objective for the first of its fields that is out of its range.

    Raises:
      UserError: naming the field, its value and the range.
    """
    for name, (fine, range_) in right.items():
        if not fine:
            value, kind = getattr(objective, name), type(objective).__name__
            raise UserError(f"loss.{name} of {kind} is {value}; it must be {range_}.")
