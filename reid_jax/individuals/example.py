"""Embeds photos and says how alike they are: python example.py [PHOTO ...]

It needs an engine, NumPy and Pillow. Where gallery.npz lies beside it, it says who is on them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
TURNS: dict[int, Any] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a camera was held, as EXIF numbers it."""


def pixels(file: Any, size: int, channels: int) -> np.ndarray:
    """A photo of any size as uint8 (size, size, channels), upright, squashed to a square."""
    image: Any = Image.open(file)
    if image.format == "JPEG":
        image.draft(None, (2 * size, 2 * size))  # decoded at a fraction, where that is enough
    image.load()
    turn = TURNS.get(image.getexif().get(0x0112, 1))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        backdrop = Image.new("RGB", image.size, (128, 128, 128))
        backdrop.paste(image, mask=image.getchannel("A"))
        image = backdrop
    image = image.convert("L" if channels == 1 else "RGB")
    image = image.resize((size, size), Image.Resampling.BILINEAR)
    image = image if turn is None else image.transpose(turn)
    return np.asarray(image).reshape(size, size, channels)


def main(opened: Any) -> None:
    """Embeds the photos that are named, or the two that lie here, and compares them."""
    facts = json.loads((HERE / "model.json").read_text())
    ask = opened(HERE, facts)
    files = [Path(word) for word in sys.argv[1:]] or [HERE / "one.png", HERE / "two.png"]
    size, channels = facts["input"]["shape"][1], facts["input"]["shape"][3]
    photos = np.stack([pixels(file, size, channels) for file in files])
    step = facts["batch"] or len(photos)  # a program of a fixed batch gets its last one filled up
    blocks = [photos[start : start + step] for start in range(0, len(photos), step)]
    full = [np.concatenate([b, np.repeat(b[:1], step - len(b), axis=0)]) for b in blocks]
    found = np.concatenate([ask(block)["embedding"] for block in full])[: len(photos)]
    for file, vector in zip(files[1:], found[1:]):  # noqa: B905
        print(
            f"{files[0].name} and {file.name}:",
            f"{facts['distance']} {alike(found[0], vector, facts):.3f}",
        )
    if (HERE / "gallery.npz").is_file():
        name_them(files, found, facts)


def alike(a: np.ndarray, b: np.ndarray, facts: Any) -> Any:
    """Cosine similarity, or Euclidean distance, of vectors (..., D)."""
    if facts["distance"] == "euclidean":
        return np.linalg.norm(a - b, axis=-1)
    return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def name_them(files: Any, found: np.ndarray, facts: Any) -> None:
    """Prints whose photo of the gallery each is most like, or that it is nobody's."""
    with np.load(HERE / "gallery.npz") as known:
        vectors, names = known["embeddings"], known["identities"]
    least = facts["thresholds"]["unknown"]
    for file, vector in zip(files, found):  # noqa: B905
        scores = alike(vectors, vector[None], facts)
        scores = -scores if facts["distance"] == "euclidean" else scores
        best = int(scores.argmax())
        name = names[best] if least is None or scores[best] >= least else "unknown"
        print(f"{file.name}: {name} ({scores[best]:.3f})")
