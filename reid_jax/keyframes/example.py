"""Scores the frames of a film: python example.py [FEATURES.npy | FRAME.png FRAME.png ...]

It needs an engine, NumPy and Pillow. Without words it scores what lies in reference.npz.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
BEST = 3


def pixels(file: Any, size: int) -> np.ndarray:
    """A frame of any size as uint8 (size, size, 3), squashed to a square."""
    image = Image.open(file).convert("RGB")
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))


def main(opened: Any) -> None:
    """Prints the frames that matter most."""
    facts = json.loads((HERE / "model.json").read_text())
    ask = opened(HERE, facts)
    files, name = sys.argv[1:], facts["input"]["name"]
    if not files:
        with np.load(HERE / "reference.npz") as kept:
            frames = kept[name]
    elif name == "features":
        frames = np.load(files[0]).astype(np.float32)
    else:
        frames = np.stack([pixels(file, facts["input"]["shape"][1]) for file in files])
    scores = ask(frames)["score"]
    for place in np.argsort(-scores)[:BEST]:
        what = Path(files[place]).name if len(files) > 1 else f"frame {place}"
        print(f"{what}: {scores[place]:.3f}")
