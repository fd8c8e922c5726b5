"""Embeds photos with a trained run."""

from pathlib import Path

from reid_jax import cli
from reid_jax.evaluation.run import embed_to_file


def main(workdir: Path, data: str, out: Path) -> None:
    """Writes embeddings (N, D) float32, paths (N,) and identities (N,) to an .npz file.

    Args:
        workdir: Folder of the run.
        data: Where the photos are: folder:PATH, csv:PATH, tfds:NAME, omniglot:PATH or synthetic:N.
        out: The .npz file.
    """
    embed_to_file(workdir, data, out)


if __name__ == "__main__":
    cli.run(main)
