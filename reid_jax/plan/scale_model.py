"""How a step would go on 8 to 1,024 devices: its compute, its exchanges, published links.

Weak scaling: each device keeps its part of the batch. Exchanges run as rings inside a group of
devices with fast links, then between groups, each device on its share ("BlueConnect", Cho et al.
2019).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reid_jax.plan.accelerators import Accelerator, Links
from reid_jax.plan.collectives import Collective

COUNTS = (8, 16, 32, 64, 128, 256, 512, 1024)
_BACKWARD = 2 / 3  # of the compute, over which gradients can be exchanged


PLATFORMS = ("h100", "v5e", "v5p")


@dataclass(frozen=True)
class Prediction:
    """Seconds of a step, and the share of it that is compute (1: it scales perfectly).

    `exposed`: nothing runs beside an exchange; `overlapped`: the backward pass does.
    """

    devices: int
    compute: float
    exchange: float

    @property
    def exposed(self) -> float:
        """The share where nothing runs beside an exchange."""
        return self.compute / (self.compute + self.exchange)

    @property
    def overlapped(self) -> float:
        """The share where exchanges run beside the backward pass."""
        left = max(0.0, self.exchange - _BACKWARD * self.compute)
        return self.compute / (self.compute + left)


def exchange_seconds(each: Collective, devices: int, links: Links) -> float:
    """Of one collective, with `each.payload` as it is on that many devices."""
    inside = min(devices, links.group)
    groups = math.ceil(devices / links.group)
    rounds = 2 if each.kind == "all-reduce" else 1
    fast = rounds * each.payload * (inside - 1) / inside / links.fast
    slow = rounds * each.payload / inside * (groups - 1) / groups / links.slow
    return fast + slow + links.seconds * math.ceil(math.log2(max(devices, 1)))


def predict(
    compute: float,
    found: Sequence[Collective],
    links: Links,
    counts: Sequence[int] = COUNTS,
) -> list[Prediction]:
    """Weak scaling of a step whose exchanges were read from a program.

    What is gathered grows with the number of devices (the embeddings of the global batch), what is
    reduced does not (gradients, statistics of batch norms).
    """
    predictions = []
    for devices in counts:
        seconds = 0.0
        for each in found:
            grown = each.payload * devices // each.devices
            payload = grown if each.kind == "all-gather" else each.payload
            seconds += exchange_seconds(Collective(each.kind, payload, devices), devices, links)
        predictions.append(Prediction(devices, compute, seconds))
    return predictions


def assumptions(platform: Accelerator, compute: str) -> str:
    """What a prediction takes for granted, in a few lines."""
    links = platform.links
    return "\n".join(
        (
            f"{platform.name}: {platform.source}.",
            f"  compute: {compute}, whatever the number of devices",
            f"  links: {links.fast / 1e9:g} GB/s one way among {links.group} devices, "
            f"{links.slow / 1e9:g} GB/s a device beyond, both at their published rate",
            f"  {links.seconds * 1e6:g} us an exchange for each doubling of devices (assumed)",
            f"  overlap: exchanges run beside {_BACKWARD:.0%} of the compute, or not at all",
            "  reduced bytes stay, gathered bytes grow with the devices; no stragglers, input in "
            "time",
        )
    )
