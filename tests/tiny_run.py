"""A run that is trained in seconds, for tests of what comes after training."""

import dataclasses
import functools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax import configurations
from reid_jax.individuals.experiment import build, load_data
from reid_jax.individuals.split_file import keep_split
from reid_jax.models import create_backbone, registry
from reid_jax.ops.losses.objectives import Triplet
from reid_jax.questions import question_of
from reid_jax.same_video.config import (
    ClipDataConfig,
    SimilarityConfig,
    VideoSimilarityConfig,
)
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.config_file import claim_workdir, read_config
from reid_jax.training.experiment import Experiment
from reid_jax.training.loop import fit
from reid_jax.training.parallel import make_layout
from reid_jax.weights import save_pretrained

_FOLDER = tempfile.TemporaryDirectory(prefix="tiny-runs-")


def read_run_config(workdir: Path) -> Any:
    """The configuration that a run folder was trained with."""
    return read_config(workdir, question_of(workdir).config)


def make_tiny_run(workdir: Path, *, steps: int = 20, seed: int = 0, **data: object) -> Path:
    """Like `train_tiny_run`; who asks for what another test has trained gets a copy of it."""
    trained = _trained(steps, seed, tuple(sorted(data.items())))
    return shutil.copytree(trained, workdir, dirs_exist_ok=True)


@functools.cache
def _trained(steps: int, seed: int, data: tuple[tuple[str, object], ...]) -> Path:
    workdir = Path(tempfile.mkdtemp(dir=_FOLDER.name))
    return train_tiny_run(workdir, steps=steps, seed=seed, **dict(data))


def train_tiny_run(workdir: Path, *, steps: int = 20, seed: int = 0, **data: object) -> Path:
    """Trains a small network for a few steps on drawn individuals, without a report."""
    config = configurations.get("demo")
    facts = {
        "source": "synthetic:12x6",
        "image_size": 24,
        "batch_size": 8,
        "photos_per_identity": 2,
        "validation_fraction": 0.4,
        **data,
    }
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, **facts),
        model=dataclasses.replace(config.model, embedding_dim=8),
        optimizer=dataclasses.replace(config.optimizer, warmup_steps=2),
        train=dataclasses.replace(
            config.train,
            steps=steps,
            seed=seed,
            evaluate_every=steps,
            checkpoint_every=steps,
            parallel="single",
        ),
    )
    claim_workdir(workdir, config)
    dataset, splits = load_data(config.data, config.train.seed)
    keep_split(workdir, dataset, splits)
    fit(
        build(config, dataset, splits),
        config.train,
        make_layout("single"),
        workdir,
        ema_decay=config.optimizer.ema_decay,
    )
    return workdir


def draw_weights(monkeypatch: Any, file: Path, name: str = "resnet10") -> str:
    """Makes the half of a ResNet-18 known under a name, and a file of weights for it; the name."""
    info = registry.backbone_info("resnet18")
    options = {**info.options, "stages": (1, 1, 1, 1)}
    small = dataclasses.replace(info, name=name, options=options, hub="")
    monkeypatch.setitem(registry._REGISTRY, name, small)
    example = np.zeros((1, 32, 32, 3), np.float32)
    variables = jax.jit(create_backbone(name).init)(jax.random.key(7), example)
    save_pretrained(name, variables, file)
    return name


def breaking_off(experiment: Experiment, calls: int) -> Experiment:
    """The experiment, interrupted where call number `calls` (from 0) would come."""

    def broken(start: int, stop: int) -> Iterator[Any]:
        for number, call in enumerate(experiment.feed.calls(start, stop)):
            if number == calls:
                raise KeyboardInterrupt
            yield call

    feed = dataclasses.replace(experiment.feed, calls=broken)
    return dataclasses.replace(experiment, feed=feed)


def tiny_similarity_config(videos: Path) -> VideoSimilarityConfig:
    """Two steps on an H5 file of videos in three folds."""
    return VideoSimilarityConfig(
        data=ClipDataConfig(path=str(videos), folds=3, clip=4, batch_size=8, pairs=10),
        model=SimilarityConfig(embedding_dim=8, width=8),
        loss=Triplet(mining="all"),
        optimizer=OptimizerConfig(warmup_steps=0),
        train=TrainConfig(steps=2, evaluate_every=1, checkpoint_every=2, parallel="single"),
    )
