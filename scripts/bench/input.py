"""Suite ``input``: photos from JPEG files to the device, beside a PyTorch DataLoader, and into
training.
"""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from reid_jax.data.parallel import num_cores
from reid_jax.data.photos.stream import stream
from reid_jax.plan.measure import measure
from scripts.bench import files
from scripts.bench.beside import difference, run_peer
from scripts.bench.photos import cycle_sampler, write_photos
from scripts.bench.report import as_rate, make_row

AGREEMENT = 0.01  # between the mean pixels: decoders round differently


class Size(NamedTuple):
    """Photos on the disk, their width, and the square that the network sees."""

    photos: int
    width: int
    side: int
    batch: int = 64


SIZES = (Size(512, 640, 224), Size(128, 2048, 224))
TRAINING = files.Case("resnet18", 96, batch=32, photos=256)
TRAINING_ELSEWHERE = files.Case("resnet50", 224, batch=256, photos=2048, steps=20)


def run(*, peer: bool = False) -> list[dict[str, Any]]:
    """Photos a second, and what a step of training waits for them."""
    training = TRAINING if jax.default_backend() == "cpu" else TRAINING_ELSEWHERE
    return [*(decoding_row(size, peer=peer) for size in SIZES), files.training_row(training)]


def decoding_row(size: Size, *, peer: bool) -> dict[str, Any]:
    """A row, in photos a second."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_photos(Path(folder), size.photos, size.width)
        batches = stream(dataset, cycle_sampler(size.batch, size.photos), size=size.side)
        ours = measure(
            lambda number: [jax.device_put(next(batches)["image"]) for _ in range(number)],
            lambda seed: size.photos // size.batch,
            keep=lambda images: float(np.mean([image[:, ::8, ::8].mean() for image in images])),
        )
        batches.close()  # type: ignore[attr-defined]
        theirs, apart, note = None, None, f"{num_cores()} cores"
        if peer:
            paths = [str(path) for path in dataset.paths]
            theirs = run_peer("data_loader", {"paths": paths, **size._asdict()})
            apart = difference(ours.results, theirs)
            if apart <= AGREEMENT:
                note += f"; mean pixels differ by {apart:.1g}"
                apart = None
    row = make_row(
        "input",
        f"{size.width} px JPEGs to {size.side} px on the device",
        ours,
        theirs,
        loss_difference=apart,
        note=note,
    )
    return as_rate(row, size.photos // size.batch * size.batch, "images/s")
