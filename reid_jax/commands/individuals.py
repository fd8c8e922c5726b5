"""Commands about individuals that are no gallery's."""

from pathlib import Path

from reid_jax.commands.arguments import Network
from reid_jax.training.network_words import with_options


def embed(
    workdir: Network,
    data: str,
    out: Path,
    backbone: str = "",
    views: int | None = None,
    image_size: int | None = None,
    margin: float | None = None,
    box_confidence: float | None = None,
    coordinator: str = "",
) -> None:
    """Writes embeddings (N, D) float32, paths (N,) and identities (N,) to an .npz file.

    Args:
        workdir: Folder of the run, or a published network: auto, pypi:NAME, hub:NAME or a file.
        data: Where the photos are: folder:PATH, csv:PATH, tfds:NAME, omniglot:PATH or synthetic:N.
        out: The .npz file.
        backbone: Of a published network from a file, hub or hub:OWNER/REPOSITORY, which one it is.
        views: Of a published network, how many altered copies of a photo are embedded with it.
        image_size: Of a published network, the side in pixels at which it sees photos.
        margin: Of a published network and photos with boxes, what is seen around a box on each
            side, as a part of its width and height.
        box_confidence: Of a published network, boxes that a detector was less sure of are left out.
        coordinator: Several processes that share the photos: HOST:PORT of the first one, or auto
            under SLURM and Open MPI. Shares are kept in OUT.shares until all are done; the same
            command goes on from them.
    """
    from reid_jax.individuals.run import embed_to_file

    named = with_options(
        workdir,
        backbone=backbone,
        views=views,
        image_size=image_size,
        margin=margin,
        box_confidence=box_confidence,
    )
    embed_to_file(Path(named), data, out, coordinator=coordinator)


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
