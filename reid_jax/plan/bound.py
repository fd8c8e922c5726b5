"""The time that a program cannot be faster than, from what it moves, computes and exchanges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reid_jax.plan.accelerators import Accelerator
from reid_jax.plan.collectives import Collective
from reid_jax.plan.scale_model import exchange_seconds


@dataclass(frozen=True)
class Bound:
    """Seconds that each part alone takes at the published rates; the longest is the bound."""

    compute: float
    memory: float
    links: float
    input: float = 0.0

    @property
    def seconds(self) -> float:
        """As if all parts ran beside each other."""
        return max(self.compute, self.memory, self.links, self.input)

    @property
    def name(self) -> str:
        """Which part is the longest."""
        parts = {name: getattr(self, name) for name in ("compute", "memory", "links", "input")}
        return max(parts, key=lambda name: parts[name])


def bound(
    accelerator: Accelerator,
    devices: int,
    operations: Mapping[str, float],
    hbm_bytes: float,
    collectives: Sequence[tuple[Collective, int]],
    input_seconds: float = 0.0,
) -> Bound:
    """The bound of one call.

    Args:
      operations: of all devices together, by precision of the product.
      hbm_bytes: of one device.
      collectives: each with how often it runs.
      input_seconds: that the host needs to make what a call reads.
    """
    rates = accelerator.operations_per_second
    return Bound(
        compute=sum(number / rates[kind] for kind, number in operations.items()) / devices,
        memory=hbm_bytes / accelerator.bytes_per_second,
        links=sum(
            times * exchange_seconds(each, each.devices, accelerator.links)
            for each, times in collectives
        ),
        input=input_seconds,
    )
