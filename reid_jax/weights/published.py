"""Published re-identification networks by name: what each is made of, and what it expects.

`NAMES` is all that has to be written to add one whose backbone is there. A name stands in sources
of weights: `hub:NAME` fetches them, `NAME:FILE` is a file that was fetched otherwise.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping
from typing import Literal, TypeVar

from reid_jax.errors import UserError
from reid_jax.models.registry import HALF, InputInfo

Tensor = TypeVar("Tensor")
TIMM = "timm"  # before the path of a file with timm's weights of a backbone


@dataclasses.dataclass(frozen=True)
class Published:
    """A published network that embeds photos of individuals.

    Attributes:
      backbone: a name of `reid_jax.models.registry`.
      inputs: the side of a photo and its normalisation, as its authors use it.
      dimensions: numbers an embedding.
      licence: of the weights.
      about: what it was trained on.
      repository: on the Hugging Face hub; "" where the weights are not there.
      files: of the repository, the first that is there is taken.
      page: where the weights are described, or are to be fetched from.
      pooling: as `model.pooling`.
      neck: whether BatchNorm follows the pooling.
      prefix: before the backbone's names in the file.
      beside: a regular expression for the names of what is no part of the embedding.
    """

    backbone: str
    inputs: InputInfo
    dimensions: int
    licence: str
    about: str
    repository: str = ""
    files: tuple[str, ...] = ("model.safetensors", "pytorch_model.bin")
    page: str = ""
    pooling: Literal["avg", "gem"] = "avg"
    neck: bool = False
    prefix: str = ""
    beside: str = "$."

    def of_backbone(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of the backbone out of those of the file, by its own names."""
        return {
            key.removeprefix(self.prefix): value
            for key, value in tensors.items()
            if not re.match(self.beside, key)
        }


def _mega(size: str, backbone: str, dimensions: int) -> dict[str, Published]:
    name = f"MegaDescriptor-{size}"
    return {
        name: Published(
            backbone,
            InputInfo(int(size.split("-")[1]), HALF, HALF),
            dimensions,
            "CC BY-NC 4.0",
            "29 sets of photos of animals, ArcFace (Cermak et al., WACV 2024)",
            f"BVRA/{name}",
            page=f"https://huggingface.co/BVRA/{name}",
        )
    }


NAMES: dict[str, Published] = {
    **_mega("T-224", "swin_t", 768),
    **_mega("S-224", "swin_s", 768),
    **_mega("B-224", "swin_b", 1024),
    **_mega("L-224", "swin_large_patch4_window7_224", 1536),
    **_mega("L-384", "swin_large_patch4_window12_384", 1536),
}
_BY_REPOSITORY = {
    each.repository: name
    for name, each in NAMES.items()
    if each.repository.lower().endswith(f"/{name.lower()}")
}


def origin_of(source: object) -> tuple[str, str]:
    """Whose weights a source says that it has, and the rest of it.

    The first is a name of `NAMES`, "timm", or "" where it says nothing; with `hub:NAME` the rest is
    empty.

    Example:
      >>> origin_of("hub:MegaDescriptor-T-224"), origin_of("timm:weights.safetensors")
      (('MegaDescriptor-T-224', ''), ('timm', 'weights.safetensors'))
    """
    text = str(source)
    start, _, rest = text.partition(":")
    name = _BY_REPOSITORY.get(rest, rest)
    if start == "hub" and name in NAMES:
        return name, ""
    return (start, rest) if start == TIMM or (start in NAMES and rest) else ("", text)


def published_of(source: object) -> Published | None:
    """The published network whose weights these are; None for weights of a backbone."""
    return NAMES.get(origin_of(source)[0])


def backbone_of(source: object) -> str:
    """The backbone that a source of weights names; "" where it names none.

    Raises:
      UserError: it names a published network that there is not.

    Example:
      >>> backbone_of("pypi:mobilenet_v2"), backbone_of("hub:MegaDescriptor-T-224")
      ('mobilenet_v2', 'swin_t')
    """
    if (found := published_of(source)) is not None:
        return found.backbone
    kind, _, name = str(source).partition(":")
    if kind == "hub" and name and "/" not in name:
        close = difflib.get_close_matches(name, NAMES, 1, cutoff=0.4)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(NAMES)}."
        raise UserError(f"No published network is called {name}: {hint}")
    return name if kind == "pypi" else ""


def check_backbone(source: object, backbone: str) -> None:
    """Refuses weights of a published network for another backbone than its own.

    Raises:
      UserError: naming both.
    """
    own = backbone_of(source)
    if own and own != backbone:
        raise UserError(f"{source} is of {own}, not of {backbone}.")
