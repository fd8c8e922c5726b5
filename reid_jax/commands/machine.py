"""Commands about the machine that a training runs on."""

from pathlib import Path


def scale(
    devices: tuple[int, ...] = (1, 2, 4, 8), json: Path | None = None, plot: Path | None = None
) -> None:
    """Prints weak and strong scaling, the bytes between devices, and a model with its assumptions.

    Args:
        devices: How many devices to measure; parts of the CPU where there is no accelerator.
        json: File for the numbers.
        plot: File for a picture (PNG).
    """
    from reid_jax.plan.scale_report import measure_and_report

    measure_and_report(devices, json, plot)
