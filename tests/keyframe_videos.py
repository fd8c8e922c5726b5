"""Small videos with features, annotators and frames, drawn from a seed, and what trains on them."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.keyframes.clips import ClipAugmentation
from reid_jax.keyframes.config import KeyframeConfig, ScorerConfig, VideoDataConfig
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.experiment import Experiment

SCORER = {
    "width": 8,
    "depth": 1,
    "heads": 2,
    "head_dim": 4,
    "mlp": 8,
    "dual_head_dim": 4,
    "radius": 4,
    "hidden": 8,
}


def write_videos(
    path: Path, count: int = 6, *, width: int = 12, frames: Path | None = None, seed: int = 0
) -> Path:
    """Videos whose importance is a linear function of their features; optionally with images."""
    import h5py

    rng = np.random.default_rng(seed)
    direction = rng.normal(size=width)
    with h5py.File(path, "w") as file:
        for number in range(count):
            length = int(rng.integers(14, 30))
            features = rng.normal(size=(length, width))
            score = 1 / (1 + np.exp(-features @ direction / 3))
            picks = np.arange(length) * 3
            users = score[None] + 0.1 * rng.normal(size=(3, length))
            group = file.create_group(f"video_{number + 1}")
            group["features"] = features.astype(np.float32)
            group["picks"] = picks
            group["n_frames"] = 3 * length
            group["gtscore"] = score.astype(np.float32)
            group["user_scores"] = np.repeat(users, 3, axis=1).astype(np.float32)
            if frames is not None:
                _write_images(frames / group.name.strip("/"), score, rng)
                group["sampled_frames"] = picks
    return path


def _write_images(folder: Path, score: np.ndarray, rng: np.random.Generator) -> None:
    """Important frames are bright."""
    from PIL import Image

    folder.mkdir(parents=True)
    for number, value in enumerate(score):
        noise = rng.integers(-20, 20, (16, 16, 3))
        pixels = np.clip(255 * value + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.jpg", quality=95)


def make_config(path: Path, **sections: dict[str, Any]) -> KeyframeConfig:
    """A tiny experiment; keyword arguments replace fields of its sections."""
    config = KeyframeConfig(
        data=VideoDataConfig(
            path=str(path), folds=3, validation_fraction=0.25, clip=16, batch_size=8, components=0
        ),
        augment=ClipAugmentation(speed=0.2, jitter=1.0, drop=0.1, noise=0.1, mix=0.2),
        model=ScorerConfig(**SCORER, dropout=0.1),
        optimizer=OptimizerConfig(learning_rate=1e-2, warmup_steps=2, clip_norm=1.0, ema_decay=0.5),
        train=TrainConfig(
            steps=12, log_every=3, evaluate_every=3, checkpoint_every=3, parallel="single"
        ),
    )
    changed: dict[str, Any] = {
        name: dataclasses.replace(getattr(config, name), **fields)
        for name, fields in sections.items()
    }
    return dataclasses.replace(config, **changed)


def of_images(path: Path, **sections: dict[str, Any]) -> KeyframeConfig:
    """The same from the images in `frames` beside the file, one update a step, as `make_config`."""
    images = {"frames": str(path.parent / "frames"), "image_size": 16, "clip": 4, "batch_size": 2}
    small: dict[str, dict[str, Any]] = {
        "data": images,
        "augment": {"noise": 0.0, "mix": 0.0},
        "model": {"backbone": "small_cnn"},
        "optimizer": {"warmup_steps": 0},
        "train": {"steps": 2, "log_every": 1, "evaluate_every": 2, "checkpoint_every": 2},
    }
    names = small | sections
    return make_config(
        path, **{name: small.get(name, {}) | sections.get(name, {}) for name in names}
    )


def one_batch(experiment: Experiment) -> Any:
    """What the first step sees, as arrays by name."""
    rows, _ = next(iter(experiment.feed.calls(0, 1)))
    seen = experiment.feed.make_step(lambda state, batch, *, axis_name=None: (batch, {}))
    return jax.device_get(seen({}, experiment.feed.shared, rows)[0])
