"""Compares two clips: python example.py [ONE.npy OTHER.npy]

It needs an engine and NumPy. A file holds the features (T, D) of frames in order, or the frames,
uint8 (T, H, W, 3), as model.json says. Without words it compares halves of reference.npz.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent


def main(opened: Any) -> None:
    """Prints how alike the clips are, and whether they are of one video."""
    facts = json.loads((HERE / "model.json").read_text())
    ask = opened(HERE, facts)
    name = facts["input"]["name"]
    if len(sys.argv) == 3:
        clips = [np.load(file) for file in sys.argv[1:]]
    else:
        with np.load(HERE / "reference.npz") as kept:
            whole = kept[name]
        clips = [whole, whole] if facts["batch"] else [whole[::2], whole[1::2]]
    clips = [clip.astype(facts["input"]["dtype"]) for clip in clips]
    alike = chamfer(*(ask(clip)["frames"] for clip in clips))
    least = facts["thresholds"]["same_video"]
    print(f"Chamfer {alike:.3f}: {'same video' if alike >= least else 'different'}")
    if any(output["name"] == "embedding" for output in facts["outputs"]):
        most = facts["batch"] or facts["clip"]
        one, other = (ask(thinned(clip, most))["embedding"][0] for clip in clips)
        print(f"cosine of embeddings {(one * other).sum():.3f}")
        if (HERE / "head.npz").exists():
            print(f"learned similarity {learned(one, other):.3f}, above 0 for the same video")


def thinned(clip: np.ndarray, most: int) -> np.ndarray:
    """At most so many frames, evenly spread."""
    if len(clip) <= most:
        return clip
    return clip[np.linspace(0, len(clip) - 1, most).round().astype(int)]


def learned(one: np.ndarray, other: np.ndarray) -> float:
    """What a Siamese network's head says of two embeddings."""
    with np.load(HERE / "head.npz") as kept:
        head = dict(kept)
    size = len(one)
    x = np.concatenate([np.abs(one - other) * size**0.5, one * other * size])
    x = x @ head["kernel"] + head["bias"]
    x = 0.5 * x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3)))
    correction = x @ head["last_kernel"] + head["last_bias"]
    return float(head["scale"] * (one * other).sum() + correction[0])


def chamfer(one: np.ndarray, other: np.ndarray) -> float:
    """The mean over frames of the best cosine in the other clip, over both directions."""
    one, other = (
        x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (one, other)
    )
    cosines = one @ other.T
    return float(0.5 * (cosines.max(1).mean() + cosines.max(0).mean()))
