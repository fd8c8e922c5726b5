"""Suite ``evaluation``: a report on very many photos, beside embedding them once."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from reid_jax.data.photos import Dataset
from reid_jax.individuals.judge import evaluate_candidates
from reid_jax.individuals.measures import raw_pixel_embeddings
from reid_jax.individuals.report import write_report
from reid_jax.plan.measure import Measurement
from reid_jax.plan.memory import watch_peak
from scripts.bench import files
from scripts.bench.photos import write_photos
from scripts.bench.report import make_row


class Size(NamedTuple):
    """Photos of individuals, and numbers an embedding."""

    photos: int = 100_000
    individuals: int = 20_000
    dimensions: int = 128
    files: int = 1_000  # JPEGs, which are read again and again under the photos' names
    width: int = 640

    def __str__(self) -> str:
        return f"report of {self.photos:,} photos, {self.individuals:,} individuals"


def run(size: Size | None = None, *, peer: bool = False) -> list[dict[str, Any]]:
    """One row; its peer is embedding the same photos, which is timed on a few of them."""
    size = size or Size()
    with tempfile.TemporaryDirectory() as folder:
        dataset, embeddings = make_photos(Path(folder), size)
        with watch_peak() as peak:
            start = time.perf_counter()
            report(Path(folder) / "report", dataset, embeddings)
            seconds = time.perf_counter() - start
    held = None
    if peak.highest is not None and peak.resident is not None and jax.default_backend() == "cpu":
        held = peak.highest - peak.resident
    ours = Measurement(seconds, 0.0, held, 0.0, ())
    notes = "once, compilation included; leave-one-out, with a row of random embeddings and of raw "
    notes += "pixels, which are decoded"
    if not peer:
        return [make_row("evaluation", str(size), ours, note=notes)]
    cpu = jax.default_backend() == "cpu"
    case = files.EMBEDDING if cpu else files.EMBEDDING_ELSEWHERE
    embedding = files.measure_embedding(case)
    share = case.photos / size.photos
    notes += f"; peer: embedding them by {case}"
    return [make_row("evaluation", str(size), ours, embedding, peer_share=share, note=notes)]


def make_photos(folder: Path, size: Size) -> tuple[Dataset, np.ndarray]:
    """Photos in files, and embeddings (N, D) float32 in which individuals can be told apart."""
    random = np.random.default_rng(0)
    labels = random.permutation(np.arange(size.photos) % size.individuals).astype(np.int32)
    written = write_photos(folder, size.files, size.width)
    dataset = replace(
        written,
        paths=written.paths[np.arange(size.photos) % size.files],
        labels=labels,
        identities=tuple(f"individual {number:06}" for number in range(size.individuals)),
        columns={"digest": np.array([b"%032d" % number for number in range(size.photos)])},
    )
    centres = random.standard_normal((size.individuals, size.dimensions), np.float32)
    noise = random.standard_normal((size.photos, size.dimensions), np.float32)
    return dataset, centres[labels] + 1.5 * noise


def report(folder: Path, dataset: Dataset, embeddings: np.ndarray) -> None:
    """All that follows the network's embeddings."""
    every, channels = np.arange(len(dataset)), 3
    candidates = {
        "this network": embeddings,
        "untrained network": np.random.default_rng(1).standard_normal(embeddings.shape, np.float32),
        "raw pixels": raw_pixel_embeddings(dataset.load(every, 32, channels)),
    }
    options = {"columns": dataset.columns, "metric": "cosine"}
    metrics, details, baselines = evaluate_candidates(
        candidates, dataset.labels, every, every, seed=0, **options
    )
    write_report(
        folder,
        title="report",
        embeddings=embeddings,
        dataset=dataset,
        query=every,
        gallery=every,
        metrics=metrics,
        details=details,
        baselines=baselines,
    )
