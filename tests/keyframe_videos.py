"""Small videos with features, annotators and frames, drawn from a seed, as an H5 file."""

from pathlib import Path

import numpy as np


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
