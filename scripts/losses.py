"""Draws what every objective costs, where it pulls, and what its margin does."""

from pathlib import Path

from reid_jax import cli
from reid_jax.evaluation.loss_plots import draw_losses


def losses(out: Path = Path("losses")) -> None:
    """Writes a PNG a family of objectives, and index.md with all of them.

    Args:
        out: Folder for the pictures.
    """
    for file, words in draw_losses(out):
        print(f"{out / file}: {words}")
    print(f"all of them: {out / 'index.md'}")


if __name__ == "__main__":
    cli.run(losses)
