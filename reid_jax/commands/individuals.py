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


def data(
    data: str,
    html: Path | None = None,
    json: Path | None = None,
    out: Path | None = None,
    margin: float = 0.0,
    box_confidence: float = 0.2,
    box_categories: str = "",
    exif: bool = True,
    ignore_identity: str = "-1",
    side_column: str = "",
    burst_seconds: float = 10.0,
    seed: int = 0,
) -> None:
    """Says what a source of photos holds, and what can be learnt from and judged by it.

    Args:
        data: Where the photos are: folder:PATH, csv:PATH, coco:FILE, megadetector:FILE, ...
        html: File for a page with pictures.
        json: File for all that was counted, with the names of photos.
        out: Folder for both, index.html and inventory.json, and for skipped.txt.
        margin: Of photos with boxes, what is seen around a box on each side, as a part of its width
            and height.
        box_confidence: Boxes that a detector was less sure of are left out.
        box_categories: Which boxes are read; empty for animals of MegaDetector, all of COCO.
        exif: Take date and place from the photos where the source does not say them, as
            --data.exif does of a training.
        ignore_identity: Names under which photos are of nobody.
        side_column: The column that says which side of an animal is seen.
        burst_seconds: Shots of one individual that are so close are of one burst.
        seed: Of the divisions that are tried.
    """
    from reid_jax.data.photos.reading import Reading, words
    from reid_jax.individuals.inventory.written import inventory_to_files

    reading = Reading(
        margin=margin,
        confidence=box_confidence,
        categories=words(box_categories),
        exif=exif,
        ignored=words(ignore_identity),
        side_column=side_column,
    )
    inventory_to_files(data, reading, html, json, out, seed=seed, seconds=burst_seconds)
