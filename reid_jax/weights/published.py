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
      neck: whether BatchNorm, with a bias, follows the pooling.
      options: of the backbone, as `model.backbone_options`.
      exponent: the name in the file of GeM's exponent; "" where there is none.
      normed_by: before the names in the file of the neck's numbers.
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
    options: str = ""
    exponent: str = ""
    normed_by: str = ""
    prefix: str = ""
    beside: str = "$."

    def of_backbone(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of the backbone out of those of the file, by its own names."""
        return {
            key.removeprefix(self.prefix): value
            for key, value in tensors.items()
            if not re.match(self.beside, key)
        }

    def behind_backbone(self, tensors: Mapping[str, Tensor]) -> dict[tuple[str, ...], Tensor]:
        """The numbers of pooling and neck, by their path in an `EmbeddingNet`.

        Raises:
          UserError: one is not in the file; it is named.
        """
        names: dict[tuple[str, ...], str] = {}
        if self.exponent:
            names["params", "pool", "p"] = self.exponent
        if self.neck:
            names |= {path: f"{self.normed_by}.{leaf}" for path, leaf in _NECK.items()}
        for name in names.values():
            if name not in tensors:
                raise UserError(f"the file lacks {name}, so it is of another network")
        return {path: tensors[name] for path, name in names.items()}


_NECK: dict[tuple[str, ...], str] = {
    ("params", "neck", "scale"): "weight",
    ("params", "neck", "bias"): "bias",
    ("batch_stats", "neck", "mean"): "running_mean",
    ("batch_stats", "neck", "var"): "running_var",
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


def _miew(version: str, species: int) -> dict[str, Published]:
    repository = f"conservationxlabs/miewid-{version}"
    return {
        f"MiewID-{version}": Published(
            "efficientnetv2_rw_m",
            InputInfo(440),
            2152,
            "none is stated; ask Conservation X Labs",
            f"fins, flanks and faces of {species} species, ArcFace (Otarashvili et al. 2024)",
            repository,
            page=f"https://huggingface.co/{repository}",
            pooling="gem",
            neck=True,
            exponent="pooling.p",
            normed_by="bn",
            prefix="backbone.",
            beside=r"pooling\.|bn\.|final\.",
        )
    }


def _dino(size: str, dimensions: int) -> dict[str, Published]:
    found = {}
    for suffix, kind in {"": "", "-reg4": "reg4_"}.items():
        backbone = f"vit_{size}_patch14_{kind}dinov2"
        found[f"DINOv2-{size[0].upper()}{suffix}"] = Published(
            backbone,
            InputInfo(518),
            dimensions,
            "Apache 2.0",
            "142 million photos without labels (Oquab et al. 2024"
            + ("; with registers, Darcet et al. 2024)" if kind else ")"),
            f"timm/{backbone}.lvd142m",
            page="https://github.com/facebookresearch/dinov2",
        )
    return found


_PEOPLE = "(Zhou et al., ICCV 2019); made for 256 x 128 px"


def _osnet(name: str, backbone: str, about: str, file: str) -> dict[str, Published]:
    repository = "kaiyangzhou/osnet"
    return {
        f"OSNet-{name}": Published(
            backbone,
            InputInfo(256),
            512,
            "MIT; the photos it learnt from are for research",
            about,
            repository,
            files=(f"{file}.pth",),
            page=f"https://huggingface.co/{repository}",
            options="narrow=2",
        )
    }


def _arcface(depth: int, backbone: str) -> dict[str, Published]:
    return {
        f"ArcFace-R{depth}": Published(
            backbone,
            InputInfo(112, HALF, HALF),
            512,
            "research alone, not for commerce",
            "5.2 million aligned faces of 93,000 people, MS1MV3 (Deng et al., CVPR 2019)",
            page="https://github.com/deepinsight/insightface/tree/master/recognition/arcface_torch",
        )
    }


NAMES: dict[str, Published] = {
    **_mega("T-224", "swin_t", 768),
    **_mega("S-224", "swin_s", 768),
    **_mega("B-224", "swin_b", 1024),
    **_mega("L-224", "swin_large_patch4_window7_224", 1536),
    **_mega("L-384", "swin_large_patch4_window12_384", 1536),
    **_miew("msv2", 54),
    **_miew("msv3", 64),
    **_dino("small", 384),
    **_dino("base", 768),
    **_dino("large", 1024),
    **_osnet(
        "Market",
        "osnet_x1_0",
        f"people of Market-1501 {_PEOPLE}",
        "osnet_x1_0_market_256x128_amsgrad_ep150_stp60_lr0.0015_b64_fb10_softmax_labelsmooth_flip",
    ),
    **_osnet(
        "MSMT17",
        "osnet_x1_0",
        f"people of MSMT17 {_PEOPLE}",
        "osnet_x1_0_msmt17_combineall_256x128_amsgrad_ep150_stp60_lr0.0015_b64_fb10_softmax_"
        "labelsmooth_flip_jitter",
    ),
    **_osnet(
        "x0.25-Market",
        "osnet_x0_25",
        f"people of Market-1501 {_PEOPLE}",
        "osnet_x0_25_market_256x128_amsgrad_ep180_stp80_lr0.003_b128_fb10_softmax_labelsmooth_flip",
    ),
    **_osnet(
        "x0.25-MSMT17",
        "osnet_x0_25",
        f"people of MSMT17 {_PEOPLE}",
        "osnet_x0_25_msmt17_combineall_256x128_amsgrad_ep150_stp60_lr0.0015_b64_fb10_softmax_"
        "labelsmooth_flip_jitter",
    ),
    **_osnet(
        "AIN-MSMT17",
        "osnet_ain_x1_0",
        "people of MSMT17 (Zhou et al., PAMI 2021); made for 256 x 128 px",
        "osnet_ain_x1_0_msmt17_256x128_amsgrad_ep50_lr0.0015_coslr_b64_fb10_softmax_labsmth_flip_"
        "jitter",
    ),
    **_arcface(50, "iresnet50"),
    **_arcface(100, "iresnet100"),
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
