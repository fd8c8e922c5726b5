"""A training step on several devices: measured here, and what more devices would give."""

from pathlib import Path

from reid_jax import cli
from reid_jax.bench.scale_report import measure_and_report


def main(
    devices: tuple[int, ...] = (1, 2, 4, 8), json: Path | None = None, plot: Path | None = None
) -> None:
    """Prints weak and strong scaling, the bytes between devices, and a model with its assumptions.

    Args:
        devices: How many devices to measure; parts of the CPU where there is no accelerator.
        json: File for the numbers.
        plot: File for a picture (PNG).
    """
    measure_and_report(devices, json, plot)


if __name__ == "__main__":
    cli.run(main)
