"""ArcFace as it is written in PyTorch: all cosines, the margin at the label, cross-entropy."""

import math

import torch
from common import answer, arrays, request, time_calls
from torch.nn import functional


def main():
    asked = request()
    device, scale, margin = asked["device"], asked["scale"], asked["margin"]
    centers = arrays(asked["inputs"][0], device)["centers"].requires_grad_()

    def loss(embeddings, labels):
        units = functional.normalize(embeddings), functional.normalize(centers)
        cosines = functional.linear(*units)
        own = cosines.gather(1, labels[:, None])
        sine = torch.sqrt((1 - own**2).clamp(min=1e-6))
        shifted = own * math.cos(margin) - sine * math.sin(margin)
        beyond = own - margin * math.sin(math.pi - margin)
        target = torch.where(own > math.cos(math.pi - margin), shifted, beyond)
        return functional.cross_entropy(scale * cosines.scatter(1, labels[:, None], target), labels)

    compiled = torch.compile(loss) if device == "cuda" else loss

    def make_inputs(index):
        inputs = arrays(asked["inputs"][index], device)
        centers.grad = None
        return inputs["embeddings"].requires_grad_(), inputs["labels"]

    def call(inputs):
        value = compiled(*inputs)
        value.backward()
        return value.detach()

    answer(time_calls(call, make_inputs, len(asked["inputs"]), device))


main()
