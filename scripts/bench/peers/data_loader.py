"""JPEGs through a PyTorch DataLoader: PIL in a worker a core, uint8 batches on the device."""

import os

import numpy as np
import torch
from common import answer, request, time_calls
from PIL import Image
from torch.utils.data import DataLoader, Dataset


class Photos(Dataset):
    def __init__(self, paths, side):
        self.paths, self.side = paths, side

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        with Image.open(self.paths[index]) as image:
            square = image.convert("RGB").resize((self.side,) * 2, Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(square))


def main():
    asked = request()
    device = asked["device"]
    loader = DataLoader(
        Photos(asked["paths"], asked["side"]),
        batch_size=asked["batch"],
        drop_last=True,
        num_workers=len(os.sched_getaffinity(0)),
        persistent_workers=True,
        pin_memory=device == "cuda",
    )

    def call(_):
        kept = [batch.to(device, non_blocking=True) for batch in loader]
        return torch.stack([batch[:, ::8, ::8].float().mean() for batch in kept]).mean()

    answer(time_calls(call, lambda index: None, asked["repeats"] + 1, device))


main()
