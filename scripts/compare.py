"""Compares runs that hold out the same photos: metrics, size, speed, and what is no luck."""

from pathlib import Path

from tyro.conf import Positional

from reid_jax import cli
from reid_jax.evaluation.compare import compare_runs


def main(runs: Positional[tuple[Path, ...]], out: Path | None = None) -> None:
    """Prints a table and says which differences are more than luck.

    Args:
        runs: Folders of two runs or more.
        out: Folder for comparison.txt, comparison.json, roc.png and precision_recall.png.
    """
    compare_runs(runs, out)


if __name__ == "__main__":
    cli.run(main)
