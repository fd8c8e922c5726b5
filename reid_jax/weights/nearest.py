"""Of which network a file of weights is, when it is not of the one that was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from reid_jax.models import backbone_info, backbone_names
from reid_jax.weights.names import dialects, reference_shapes

# A name that each file of a family has, by whoever wrote it; it saves tracing all the others.
_MARKS = {
    "resnet": ("layer1.0.conv1.weight",),
    "densenet": ("features.denseblock1.denselayer1.norm1.weight",),
    "plain": ("features.0.weight",),
    "convnext": ("features.1.0.layer_scale", "stages.0.blocks.0.gamma"),
    "vit": ("encoder.layers.encoder_layer_0.ln_1.weight", "blocks.0.attn.qkv.weight"),
    "swin": ("features.1.0.attn.qkv.weight", "layers.0.blocks.0.attn.qkv.weight"),
    "osnet": ("conv2.0.conv1.conv.weight",),
    "mobile": ("features.0.0.weight", "conv_stem.weight", "_conv_stem.weight"),
}
_ALIKE = 0.3  # of the tensors, from where on a network is worth naming
_ITSELF = 0.9  # from where on no other needs to be looked for


def nearest_network(tensors: Mapping[str, np.ndarray]) -> tuple[str, int, int]:
    """The network with most of its tensors in a file: its name, so many, of so many.

    Counted are those of the same name and shape, without classifier; ("", 0, 0) where no network
    has much in common with the file.
    """
    best, most = ("", 0, 0), _ALIKE
    for name in _candidates(tensors):
        shared, number, alike = _likeness(tensors, name)
        if alike > most:
            best, most = (name, shared, number), alike
        if alike == 1:
            break
    return best


def hint(tensors: Mapping[str, np.ndarray], name: str) -> str:
    """What to add to a sentence that says why a file is not of the network `name`."""
    if _likeness(tensors, name)[2] >= _ITSELF:
        return ""
    nearest, shared, number = nearest_network(tensors)
    if nearest == name:
        return ""
    if not nearest:
        return "; no network here has such names and shapes"
    fit = "all fit" if shared == number else f"{shared} of {number} tensors fit"
    return f"; the nearest is {nearest}, of which {fit}"


def _likeness(tensors: Mapping[str, np.ndarray], name: str) -> tuple[int, int, float]:
    """How many tensors of a network a file has, of how many, and both as a part of the larger."""
    found = []
    for dialect in dialects(name):
        shapes = reference_shapes(name, 0, dialect)
        shared = sum(
            key in tensors and tensors[key].shape == shape for key, shape in shapes.items()
        )
        # two more are the classifier; others count against what is a part of a larger network
        larger = max(len(shapes), len(tensors) - 2)
        found.append((shared, len(shapes), shared / larger))
    return max(found, key=lambda each: each[2])


def _candidates(tensors: Mapping[str, np.ndarray]) -> Iterable[str]:
    families = {family for family, marks in _MARKS.items() if any(m in tensors for m in marks)}
    return (name for name in backbone_names() if backbone_info(name).family in families)
