"""How well photos without names are grouped, kept as scripts/results/groups.json for its table."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.commands import terminal
from reid_jax.data.photos import load_dataset
from reid_jax.data.photos.content import content_digests
from reid_jax.files import write_text
from reid_jax.individuals.evidence.features import Evidence, dataset_rows
from reid_jax.individuals.evidence.local import Background, Local
from reid_jax.individuals.gallery.grouping.constraints import NOBODY
from reid_jax.individuals.gallery.grouping.grouped import group
from reid_jax.individuals.gallery.grouping.near import Near, nearest, with_agreement
from reid_jax.individuals.published import open_model
from reid_jax.ops.grouping.agreement import agreement
from reid_jax.plan.measure import device_name

RESULTS = Path(__file__).resolve().parent / "results" / "groups.json"
_NONE = np.zeros((0, 2), np.int64)
_NAMED = 0.1  # of the photos have a name
Measured = Mapping[str, Mapping[str, float]]


def draws(labels: np.ndarray, individuals: int, number: int) -> list[np.ndarray]:
    """Rows of all photos of so many individuals, none of whom is in two draws."""
    who = np.random.default_rng(0).permutation(np.unique(labels))
    return [
        np.flatnonzero(np.isin(labels, who[place * individuals :][:individuals]))
        for place in range(number)
    ]


def measured(near: Near, embeddings: np.ndarray, labels: np.ndarray) -> Measured:
    """Measures of each way to group photos, by its name.

    Args:
      embeddings: ``(N, D)``; labels: ``(N,)``, who they really are.
    """
    from sklearn.cluster import KMeans

    number = len(np.unique(labels))
    centres = KMeans(number, n_init=3, random_state=0).fit_predict(embeddings)
    rows: dict[str, dict[str, float]] = {
        "each photo alone": agreement(np.arange(len(labels)), labels)._asdict(),
        "k-means, told how many": agreement(centres, labels)._asdict(),
    }
    nobody = np.full(len(labels), NOBODY)
    some = np.random.default_rng(1).random(len(labels)) < _NAMED
    ways: tuple[tuple[str, Evidence, np.ndarray], ...] = (
        ("network", "none", nobody),
        ("network, a tenth named", "none", np.where(some, labels, NOBODY)),
        ("network and local features", "fused", nobody),
        ("both, a tenth named", "fused", np.where(some, labels, NOBODY)),
    )
    for name, kind, whose in ways:
        found = group(near, kind, metric="cosine", whose=whose, apart=_NONE, together=_NONE)
        sure = np.flatnonzero(found.sure[found.groups.of])
        rows[name] = {
            **agreement(found.groups.of, labels)._asdict(),
            "sure_photos": len(sure) / len(labels),
        }
        if len(sure):
            of = found.groups.of[sure]
            rows[name] |= {"sure_precision": agreement(of, labels[sure]).pair_precision}
    return rows


def record(photos: str, each: list[Measured]) -> None:
    """Keeps what several draws of one source gave, in the place of what was there."""
    rows = {
        name: {
            key: [_rounded(draw[name].get(key)) for draw in each]
            for key in dict.fromkeys(key for draw in each for key in draw[name])
        }
        for name in each[0]
    }
    entry: dict[str, Any] = {
        "photos": photos,
        "device": device_name(),
        "date": date.today().isoformat(),
        "versions": {"jax": jax.__version__},
        "rows": rows,
    }
    there = json.loads(RESULTS.read_text()) if RESULTS.is_file() else []
    kept = [other for other in there if other["photos"] != photos]
    write_text(RESULTS, json.dumps([*kept, entry], indent=1) + "\n")


def _rounded(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else round(float(value), 4)


def main(data: str, photos: str, individuals: int, number: int = 3, model: str = "auto") -> None:
    """Groups the photos of some individuals, several times others, and keeps how well.

    Args:
        data: Source of the photos.
        photos: What they are called in the table.
        individuals: Of a draw.
        number: Draws.
        model: The network.
    """
    dataset, network = load_dataset(data), open_model(Path(model))
    each = []
    for rows in draws(dataset.labels, individuals, number):
        some = dataset.subset(rows)
        embeddings, features = network.embed(some), dataset_rows(some)
        digests = content_digests(some)
        local = Local.of(features, digests, Background.of(features, digests))
        near = with_agreement(nearest(embeddings, "cosine"), local)
        each.append(measured(near, embeddings, some.labels))
    record(photos, each)


if __name__ == "__main__":
    terminal.run(main)
