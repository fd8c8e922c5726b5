"""How a step would go on 8 to 1,024 devices: its compute, its exchanges, published links.

Weak scaling: each device keeps its part of the batch. Exchanges run as rings inside a group of
devices with fast links, then between groups, each device on its share ("BlueConnect", Cho et al.
2019).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reid_jax.plan.collectives import Collective

COUNTS = (8, 16, 32, 64, 128, 256, 512, 1024)
_BACKWARD = 2 / 3  # of the compute, over which gradients can be exchanged


@dataclass(frozen=True)
class Platform:
    """A kind of device and its links: bytes a second that a device sends, one way."""

    name: str
    peak: float  # bfloat16 operations a second
    fast: float
    group: int  # devices that share the fast links
    slow: float
    latency: float  # seconds an exchange takes to start, for each doubling of the devices
    source: str


PLATFORMS = (
    Platform(
        "H100 SXM, NVLink and InfiniBand NDR",
        989e12,
        450e9,
        8,
        50e9,
        5e-6,
        "NVIDIA H100 data sheet: 989 TFLOP/s bfloat16 dense, NVLink 900 GB/s both ways; DGX H100 "
        "user guide: one 400 Gb/s adapter a GPU",
    ),
    Platform(
        "TPU v5e",
        197e12,
        200e9,
        256,
        3.125e9,
        1e-6,
        "cloud.google.com/tpu/docs/v5e: 197 TFLOP/s, ICI 400 GB/s both ways a chip, pod of 256, "
        "data-centre network 6.4 Tb/s a pod",
    ),
    Platform(
        "TPU v5p",
        459e12,
        600e9,
        6144,
        6.25e9,
        1e-6,
        "cloud.google.com/tpu/docs/v5p: 459 TFLOP/s, ICI 1200 GB/s both ways a chip, slices up to "
        "6144, data-centre network 50 Gb/s a chip",
    ),
)


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


def exchange_seconds(each: Collective, devices: int, platform: Platform) -> float:
    """Of one collective, with `each.payload` as it is on that many devices."""
    inside = min(devices, platform.group)
    groups = math.ceil(devices / platform.group)
    rounds = 2 if each.kind == "all-reduce" else 1
    fast = rounds * each.payload * (inside - 1) / inside / platform.fast
    slow = rounds * each.payload / inside * (groups - 1) / groups / platform.slow
    return fast + slow + platform.latency * math.ceil(math.log2(devices))


def predict(
    compute: float,
    found: Sequence[Collective],
    platform: Platform,
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
            seconds += exchange_seconds(Collective(each.kind, payload, devices), devices, platform)
        predictions.append(Prediction(devices, compute, seconds))
    return predictions


def assumptions(platform: Platform, compute: str) -> str:
    """What a prediction takes for granted, in a few lines."""
    return "\n".join(
        (
            f"{platform.name}: {platform.source}.",
            f"  compute: {compute}, whatever the number of devices",
            f"  links: {platform.fast / 1e9:g} GB/s one way among {platform.group} devices, "
            f"{platform.slow / 1e9:g} GB/s a device beyond, both at their published rate",
            f"  {platform.latency * 1e6:g} us an exchange for each doubling of devices (assumed)",
            f"  overlap: exchanges run beside {_BACKWARD:.0%} of the compute, or not at all",
            "  reduced bytes stay, gathered bytes grow with the devices; no stragglers, input in "
            "time",
        )
    )
