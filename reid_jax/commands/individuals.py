"""Commands about individuals that are no gallery's."""

from pathlib import Path


def embed(workdir: Path, data: str, out: Path, coordinator: str = "") -> None:
    """Writes embeddings (N, D) float32, paths (N,) and identities (N,) to an .npz file.

    Args:
        workdir: Folder of the run.
        data: Where the photos are: folder:PATH, csv:PATH, tfds:NAME, omniglot:PATH or synthetic:N.
        out: The .npz file.
        coordinator: Several processes that share the photos: HOST:PORT of the first one, or auto
            under SLURM and Open MPI. Shares are kept in OUT.shares until all are done; the same
            command goes on from them.
    """
    from reid_jax.individuals.run import embed_to_file

    embed_to_file(workdir, data, out, coordinator=coordinator)


def open_set(workdir: Path, unknown_fraction: float = 0.2, json: Path | None = None) -> None:
    """Prints how well known individuals are found and unknown ones rejected, beside baselines.

    Args:
        workdir: Folder of the run.
        unknown_fraction: Share of the individuals that are taken out of the gallery, where the
            run's split kept none out of it (--data.split open does).
        json: File for the numbers.
    """
    from reid_jax.individuals.open_set_run import evaluate_open_set_run

    evaluate_open_set_run(workdir, unknown_fraction=unknown_fraction, json_path=json)
