"""Suite ``input``: photos from JPEG files to the device, beside a PyTorch DataLoader.

The photos are made here: smooth shapes with noise, which compress as photos do.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from reid_jax.bench.measure import measure
from reid_jax.bench.peers import difference, run_peer
from reid_jax.bench.report import as_rate, make_row
from reid_jax.data.dataset import Dataset
from reid_jax.data.parallel import num_cores
from reid_jax.data.stream import stream

AGREEMENT = 0.01  # between the mean pixels: decoders round differently


class Size(NamedTuple):
    """Photos on the disk, their width, and the square that the network sees."""

    photos: int
    width: int
    side: int
    batch: int = 64


_SIZES = (Size(512, 640, 224), Size(128, 2048, 224))


def write_photos(folder: Path, size: Size) -> Dataset:
    """JPEGs of quality 90, three quarters as high as wide."""
    from PIL import Image

    random = np.random.default_rng(0)
    height, paths = 3 * size.width // 4, []
    for number in range(size.photos):
        shapes = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8))
        smooth = np.asarray(shapes.resize((size.width, height), Image.Resampling.BICUBIC), np.int16)
        noise = random.integers(-6, 7, smooth.shape, np.int16)
        paths.append(folder / f"{number:06}.jpg")
        Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8)).save(
            paths[-1], quality=90
        )
    labels = np.zeros(size.photos, np.int32)
    return Dataset(np.array([str(path) for path in paths]), labels, ("all",))


def endless_batches(dataset: Dataset, size: Size) -> Iterator[jax.Array]:
    """Batches on the device, photo after photo, over and over."""
    rows = np.arange(size.batch)
    batches = stream(
        dataset, lambda step: (step * size.batch + rows) % len(dataset), size=size.side
    )
    for batch in batches:
        yield jax.device_put(batch["image"])


def run(sizes: tuple[Size, ...] = _SIZES, *, peer: bool = False) -> list[dict[str, Any]]:
    """A row for each size, in photos a second."""
    return [_row(size, peer=peer) for size in sizes]


def _row(size: Size, *, peer: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_photos(Path(folder), size)
        batches = endless_batches(dataset, size)
        try:
            ours = measure(
                lambda number: [next(batches) for _ in range(number)],
                lambda seed: size.photos // size.batch,
                keep=lambda images: float(np.mean([image[:, ::8, ::8].mean() for image in images])),
            )
        finally:
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
