"""Compares runs that hold out the same photos or videos: metrics, size, speed, what is no luck."""

from pathlib import Path

from tyro.conf import Positional

from reid_jax import cli
from reid_jax.evaluation.compare import compare_runs


def main(runs: Positional[tuple[Path, ...]], out: Path | None = None) -> None:
    """Prints a table and says which differences are more than luck.

    Args:
        runs: Folders of two runs or more, of one kind.
        out: Folder for comparison.txt, comparison.json and figures: of embeddings roc.png and
            precision_recall.png, of keyframe scores curves.png and scatter.png.
    """
    compare_runs(runs, out)


if __name__ == "__main__":
    cli.run(main)
