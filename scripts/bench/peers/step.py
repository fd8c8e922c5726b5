"""A training step in PyTorch: channels_last, and on a GPU bfloat16 and torch.compile."""

import contextlib
import math
import time

import numpy as np
import torch
from common import answer, arrays, request, time_calls
from torch import nn
from torch.nn import functional

try:
    import torchvision
except RuntimeError:
    # Built for another PyTorch: its own operators do not load, and its networks need none of them.
    for operator in ("nms", "qnms"):
        schema = "(Tensor boxes, Tensor scores, float limit) -> Tensor"
        torch.library.define(f"torchvision::{operator}", schema)
    import torchvision


class SmallCNN(nn.Module):
    """Conv-4: four times 3x3 convolution, batch norm, ReLU, 2x2 pooling."""

    def __init__(self, channels):
        super().__init__()
        for i in range(1, 5):
            self.add_module(f"conv{i}", nn.Conv2d(channels, 64, 3, padding=1, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(64))
            channels = 64

    def forward(self, x):
        for i in range(1, 5):
            x = functional.relu(getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x)))
            x = functional.max_pool2d(x, 2) if min(x.shape[2:]) >= 2 else x
        return x.mean((2, 3))


def make_network(name, channels):
    if name == "small_cnn":
        return SmallCNN(channels)
    options = {"stochastic_depth_prob": 0.0} if name.startswith("efficientnet") else {}
    network = getattr(torchvision.models, name)(weights=None, **options)
    setattr(network, "fc" if name.startswith("res") else "classifier", nn.Identity())
    return network


def augment(images, crop):
    """A random resized crop and a mirror image, one bilinear sampling of the batch."""
    batch = len(images)
    draws = torch.rand(5, batch, device=images.device)
    area = 1 - crop * draws[0]
    ratio = torch.exp(math.log(4 / 3) * (2 * draws[1] - 1))
    height = torch.sqrt(area / ratio).clamp(max=1)
    width = torch.sqrt(area * ratio).clamp(max=1)
    mirror = torch.where(draws[2] < 0.5, -1.0, 1.0)
    theta = torch.zeros(batch, 2, 3, device=images.device)
    theta[:, 0, 0], theta[:, 0, 2] = width * mirror, (1 - width) * (2 * draws[3] - 1)
    theta[:, 1, 1], theta[:, 1, 2] = height, (1 - height) * (2 * draws[4] - 1)
    grid = functional.affine_grid(theta, images.shape, align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def batch_hard(embeddings, labels):
    distances = torch.cdist(embeddings, embeddings)
    same = labels[:, None] == labels[None, :]
    farthest = distances.masked_fill(~same, -1).amax(1)
    closest = distances.masked_fill(same, math.inf).amin(1)
    return functional.relu(farthest - closest + 0.3).mean()


def arcface(embeddings, labels, centers, scale=30.0, margin=0.5):
    cosines = functional.linear(embeddings, functional.normalize(centers))
    own = cosines.gather(1, labels[:, None])
    shifted = own * math.cos(margin) - torch.sqrt((1 - own**2).clamp(min=1e-6)) * math.sin(margin)
    beyond = own - margin * math.sin(math.pi - margin)
    target = torch.where(own > math.cos(math.pi - margin), shifted, beyond)
    return functional.cross_entropy(scale * cosines.scatter(1, labels[:, None], target), labels)


class Trainer:
    def __init__(self, asked, device, memory_format):
        with np.load(asked["weights"]) as file:
            tensors = {name: torch.from_numpy(file[name]) for name in file.files}
        with np.load(asked["inputs"][0]) as file:
            channels = file["image"].shape[3]
        self.centers = None
        if "centers" in tensors:
            self.centers = nn.Parameter(tensors.pop("centers").to(device))
        network = make_network(asked["backbone"], channels)
        found = network.load_state_dict(tensors, strict=False)
        assert all(key.split(".")[-1].startswith(("num_", "running_")) for key in found[0]), found
        assert not found[1], found
        self.network = network.to(device, memory_format=memory_format).train()
        self.crop, self.device, self.memory_format = asked["crop"], device, memory_format
        parameters = list(network.parameters())
        parameters += [] if self.centers is None else [self.centers]
        self.optimizer = torch.optim.SGD(
            parameters,
            asked["rate"],
            momentum=asked["momentum"],
            nesterov=True,
            fused=device == "cuda",
        )
        self.forward = torch.compile(self.loss) if device == "cuda" else self.loss

    def loss(self, images, labels, augmented=True):
        x = images.permute(0, 3, 1, 2).float() / 255
        x = augment(x, self.crop) if augmented else x
        x = ((x - 0.5) / 0.5).contiguous(memory_format=self.memory_format)
        half = self.device == "cuda" and augmented
        with torch.autocast("cuda", torch.bfloat16) if half else contextlib.nullcontext():
            features = self.network(x)
        embeddings = functional.normalize(features.float())
        if self.centers is None:
            return batch_hard(embeddings, labels)
        return arcface(embeddings, labels, self.centers)

    def step(self, inputs):
        loss = self.forward(inputs["image"], inputs["label"].long())
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()


def main():
    asked = request()
    device = asked["device"]
    formats = [torch.channels_last]
    inputs = arrays(asked["inputs"][0], device)
    with torch.no_grad():
        plain = Trainer(asked, device, torch.contiguous_format)
        first = float(plain.loss(inputs["image"], inputs["label"].long(), augmented=False))
        del plain
    if device == "cpu":  # which one is faster depends on the network
        formats.append(torch.contiguous_format)
    seconds = {}
    for each in formats:
        trainer = Trainer(asked, device, each)
        for _ in range(2 if len(formats) > 1 else 0):
            start = time.perf_counter()
            trainer.step(inputs)
            seconds[each] = time.perf_counter() - start
    best = min(formats, key=lambda each: seconds.get(each, 0.0))
    trainer = Trainer(asked, device, best)
    said = time_calls(
        trainer.step, lambda i: arrays(asked["inputs"][i], device), len(asked["inputs"]), device
    )
    answer({**said, "loss": [first]}, torchvision=torchvision.__version__)


main()
