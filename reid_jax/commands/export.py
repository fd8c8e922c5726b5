"""The command that takes a network out of JAX."""

from pathlib import Path
from typing import Literal

from reid_jax.commands.arguments import Network
from reid_jax.training.network_words import with_options


def export(
    workdir: Network,
    to: Literal["onnx", "openvino", "litert", "stablehlo"],
    out: Path,
    batch: int = 0,
    gallery: Path | None = None,
    backbone: str = "",
    views: int | None = None,
    image_size: int | None = None,
) -> None:
    """Writes the whole program for another engine, with an example, when it agrees with JAX.

    Args:
        workdir: Folder of the run, or a published network: auto, pypi:NAME, hub:NAME or a file.
        to: The engine: ONNX Runtime and others (onnx), OpenVINO, LiteRT for phones, or JAX alone
            (stablehlo: for CPU, CUDA and TPU at once).
        out: A folder, new or empty.
        batch: Photos at a time, where the engine should know; 0 for any number.
        gallery: A gallery of the run's, whose individuals the example is to name.
        backbone: Of a published network from a file, hub or hub:OWNER/REPOSITORY, which one it is.
        views: Of a published network, how many altered copies of a photo are embedded with it.
        image_size: Of a published network, the side in pixels at which it sees photos.
    """
    from reid_jax.errors import UserError
    from reid_jax.export.engines.table import engine
    from reid_jax.export.exportable import Exportable
    from reid_jax.files import check_new
    from reid_jax.questions import load

    engine(to)
    check_new(out)
    named = Path(with_options(workdir, backbone=backbone, views=views, image_size=image_size))
    known = None
    if gallery is not None:
        from reid_jax.individuals.gallery.opened import Gallery

        known = Gallery.open(gallery).exported()
    found = load(named)
    if not isinstance(found, Exportable):
        raise UserError(f"{workdir} cannot be exported.")
    found.export(to, out, batch=batch, gallery=known)
