"""A keyframe scorer in PyTorch: a training epoch on clips, or the scores of one long video.

Full attention by scaled_dot_product_attention, the window's with a T x T mask. On a GPU bfloat16
and torch.compile.
"""

import contextlib

import numpy as np
import torch
from common import answer, arrays, request, time_calls
from torch import nn
from torch.nn import functional


class Heads(nn.Module):
    def __init__(self, width, heads, dim):
        super().__init__()
        self.heads, self.dim = heads, dim
        self.qkv = nn.Linear(width, 3 * heads * dim)

    def forward(self, x, seen):
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, self.dim))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return found.transpose(1, 2).flatten(2)


class Attention(nn.Module):
    def __init__(self, width, heads, dim):
        super().__init__()
        self.heads = Heads(width, heads, dim)
        self.out = nn.Linear(heads * dim, width)

    def forward(self, x, seen):
        return self.out(self.heads(x, seen))


class Dual(nn.Module):
    def __init__(self, width, heads, dim):
        super().__init__()
        self.local = Heads(width, heads, dim)
        self.add_module("global", Heads(width, heads, dim))
        self.gate = nn.Linear(2 * heads * dim, heads * dim)
        self.out = nn.Linear(heads * dim, width)

    def forward(self, x, seen, window):
        near, far = self.local(x, window), getattr(self, "global")(x, seen)
        share = torch.sigmoid(self.gate(torch.cat([near, far], -1)))
        return self.out(share * near + (1 - share) * far)


def gelu(x):
    return functional.gelu(x, approximate="tanh")


class Layer(nn.Module):
    def __init__(self, asked):
        super().__init__()
        width = asked["width"]
        self.attention = Attention(width, asked["heads"], asked["head_dim"])
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
        self.fc1, self.fc2 = nn.Linear(width, asked["mlp"]), nn.Linear(asked["mlp"], width)
        self.drop = nn.Dropout(asked["dropout"])

    def forward(self, x, seen):
        x = x + self.drop(self.attention(self.norm1(x), seen))
        return x + self.drop(self.fc2(gelu(self.fc1(self.norm2(x)))))


class Encoder(nn.Module):
    def __init__(self, asked):
        super().__init__()
        self.names = [f"layer_{number}" for number in range(asked["depth"])]
        for name in self.names:
            self.add_module(name, Layer(asked))
        self.norm = nn.LayerNorm(asked["width"], 1e-6)

    def forward(self, x, seen):
        for name in self.names:
            x = getattr(self, name)(x, seen)
        return self.norm(x)


class Scorer(nn.Module):
    """Features (B, T, D), and which frames exist (B, T) or None for all -> logits (B, T)."""

    def __init__(self, asked, features):
        super().__init__()
        width = asked["width"]
        self.width, self.radius = width, asked["radius"]
        self.projection = nn.Linear(features, width)
        self.encoder = Encoder(asked)
        self.dual = Dual(width, asked["heads"], asked["dual_head_dim"])
        self.norm = nn.LayerNorm(width, 1e-6)
        self.hidden, self.score = nn.Linear(width, asked["hidden"]), nn.Linear(asked["hidden"], 1)
        self.drop = nn.Dropout(asked["dropout"])

    def positions(self, time):
        columns = torch.arange(self.width, device=time.device)
        angles = time[:, None] / 10_000.0 ** ((columns - columns % 2) / self.width)
        return torch.where(columns % 2 == 0, angles.sin(), angles.cos())

    def forward(self, features, exists):
        time = torch.arange(features.shape[1], device=features.device)
        apart = (time[:, None] - time[None, :]).abs()
        seen, window = None, (apart <= self.radius)[None, None]
        if exists is not None:
            seen = exists[:, None, None, :]
            # A padded frame sees itself: without anything to see it would be NaN.
            window = (window & seen) | (apart == 0)
        x = self.drop(self.projection(features) + self.positions(time))
        x = self.encoder(x, seen)
        x = self.norm(x + self.drop(self.dual(x, seen, window)))
        return self.score(self.drop(gelu(self.hidden(x))))[..., 0].float()


def ranks(wins, mask):
    return torch.where(mask, 0.5 + (wins * mask[:, None, :]).sum(-1), 0.0)


def centred(values, mask):
    mean = values.sum(-1, keepdim=True) / mask.sum(-1, keepdim=True)
    return torch.where(mask, values - mean, 0.0)


def spearman_loss(scores, targets, mask, temperature):
    wins = torch.sigmoid((scores[:, :, None] - scores[:, None, :]) / temperature)
    below = (targets[:, None, :] < targets[:, :, None]).float()
    level = (targets[:, None, :] == targets[:, :, None]).float()
    ours = centred(ranks(wins, mask), mask)
    theirs = centred(ranks(below + 0.5 * level, mask), mask)
    norm = torch.sqrt((ours**2).sum(-1) + 1e-6) * theirs.norm(dim=-1)
    return (1 - (ours * theirs).sum(-1) / norm).mean()


def load(asked, features, device):
    with np.load(asked["weights"]) as file:
        tensors = {name: torch.from_numpy(file[name]) for name in file.files}
    network = Scorer(asked, features)
    network.load_state_dict(tensors)
    return network.to(device)


def half(device):
    return torch.autocast("cuda", torch.bfloat16) if device == "cuda" else contextlib.nullcontext()


def compiled(function, device):
    return torch.compile(function) if device == "cuda" else function


class Trainer:
    def __init__(self, asked, features, device):
        self.asked = asked
        self.network = load(asked, features, device).train()
        matrices = [leaf for leaf in self.network.parameters() if leaf.ndim > 1]
        vectors = [leaf for leaf in self.network.parameters() if leaf.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": asked["decay"]},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, asked["rate"], fused=True)
        self.device, self.forward = device, compiled(self.reduced, device)

    def loss(self, features, targets, mask):
        scores = torch.sigmoid(self.network(features, mask))
        squared = torch.where(mask, (scores - targets) ** 2, 0.0).sum() / mask.sum()
        rank = spearman_loss(scores, targets, mask, self.asked["temperature"])
        return self.asked["squared"] * squared + self.asked["rank"] * rank

    def reduced(self, *batch):
        with half(self.device):
            return self.loss(*batch)

    def step(self, batch):
        loss = self.forward(*batch)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()


def draw(videos, spans, chosen, clip, random):
    """A clip of each chosen video, from anywhere in it, padded: features, targets, mask."""
    device = videos["frames"].device
    features = torch.zeros(len(chosen), clip, videos["frames"].shape[1], device=device)
    targets = torch.zeros(len(chosen), clip, device=device)
    mask = torch.zeros(len(chosen), clip, dtype=torch.bool, device=device)
    for row, video in enumerate(chosen):
        offset, length = spans[video]
        start = offset + random.integers(max(length - clip, 0) + 1)
        size = min(length, clip)
        features[row, :size] = videos["frames"][start : start + size]
        targets[row, :size] = videos["targets"][start : start + size]
        mask[row, :size] = True
    return features, targets, mask


def time_epochs(asked, device):
    videos = arrays(asked["videos"], device)
    spans = torch.stack([videos["offset"], videos["length"]], 1).tolist()
    first = arrays(asked["first"], device)
    trainer = Trainer(asked, first["features"].shape[2], device)
    trainer.network.eval()
    with torch.no_grad():
        loss = float(trainer.loss(first["features"], first["target"], first["mask"]))
    trainer.network.train()
    batch, random = asked["batch"], np.random.default_rng(0)

    def epoch(order):
        for start in range(0, len(order) - batch + 1, batch):
            clips = draw(videos, spans, order[start : start + batch], asked["clip"], random)
            last = trainer.step(clips)
        return last

    said = time_calls(epoch, lambda _: random.permutation(len(spans)), asked["repeats"] + 1, device)
    return {**said, "loss": [loss]}


@torch.inference_mode()
def time_scores(asked, device):
    paths = asked["inputs"]
    first = {
        name: value[:, : asked["compared"]] for name, value in arrays(paths[0], device).items()
    }
    network = load(asked, first["features"].shape[2], device).eval()
    scores = torch.sigmoid(network(first["features"], None))
    error = float(((scores - first["target"]) ** 2).mean())

    def score(features):
        with half(device):
            return torch.sigmoid(network(features, None))

    call = compiled(score, device)
    said = time_calls(
        lambda features: call(features)[0, 0],
        lambda index: arrays(paths[index], device)["features"],
        len(paths),
        device,
    )
    return {**said, "loss": [error]}


def main():
    asked = request()
    device = asked["device"]
    answer((time_epochs if "videos" in asked else time_scores)(asked, device))


main()
