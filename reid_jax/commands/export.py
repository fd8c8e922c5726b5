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
    int8: bool = False,
    calibrate: str = "",
    calibrate_with: int = 300,
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
        int8: In 8-bit integers: smaller, and as a rule faster; size, time and quality of both are
            said.
        calibrate: Photos (folder:PATH and so on) or films, by which the ranges of integers are
            found; by default those of the training.
        calibrate_with: How many of these at most: photos, clips of features, or frames of clips.
        backbone: Of a published network from a file, hub or hub:OWNER/REPOSITORY, which one it is.
        views: Of a published network, how many altered copies of a photo are embedded with it.
        image_size: Of a published network, the side in pixels at which it sees photos.
    """
    from reid_jax.errors import UserError
    from reid_jax.export.engines.table import engine
    from reid_jax.export.exportable import Exportable
    from reid_jax.export.int8.table import quantiser
    from reid_jax.files import check_new
    from reid_jax.questions import load

    engine(to)
    if int8:
        quantiser(to)
    check_new(out)
    named = Path(with_options(workdir, backbone=backbone, views=views, image_size=image_size))
    known = None
    if gallery is not None:
        from reid_jax.individuals.gallery.opened import Gallery

        known = Gallery.open(gallery).exported()
    found = load(named)
    if not isinstance(found, Exportable):
        raise UserError(f"{workdir} cannot be exported.")
    found.export(
        *(to, out),
        batch=batch,
        gallery=known,
        int8=int8,
        calibrate=calibrate,
        calibrate_with=calibrate_with,
    )
