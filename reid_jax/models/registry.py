"""Names of the networks, how each is built, and what its published weights expect as input."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.errors import UserError
from reid_jax.models.backbones.convnext import CONVNEXTS, ConvNeXt
from reid_jax.models.backbones.densenet import DENSENETS, DenseNet
from reid_jax.models.backbones.efficientnet import EFFICIENTNETS, EFFICIENTNETS_LITE
from reid_jax.models.backbones.inverted_residual import MobileNet
from reid_jax.models.backbones.iresnet import IRESNETS, IResNet
from reid_jax.models.backbones.mobilenet import MOBILENETS, MOBILENETS_V1, MobileNetV1
from reid_jax.models.backbones.osnet import OSNETS, OSNet
from reid_jax.models.backbones.plain import VGG, VGGS, AlexNet
from reid_jax.models.backbones.resnet import RESNETS, ResNet
from reid_jax.models.backbones.small import SmallCNN, TwoConv
from reid_jax.models.backbones.swin import SWINS, SWINS_LARGE, SwinTransformer
from reid_jax.models.backbones.vit import DINOS, VITS, VisionTransformer
from reid_jax.models.paper_options import class_options, read_options

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)


@dataclasses.dataclass(frozen=True)
class InputInfo:
    """What a set of weights expects: square images of this size, `(x - mean) / std` of [0, 1].

    Example:
      >>> rj.models.InputInfo().mean
      (0.485, 0.456, 0.406)
    """

    input_size: int = 224
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD


@dataclasses.dataclass(frozen=True)
class BackboneInfo:
    """One network of the registry.

    Attributes:
      build: the module class; `options` are its arguments.
      family: which name map the weights follow (`reid_jax.weights.names`).
      inputs: what the reference's published weights expect (any image size works).
      reference: whose names the weights have, "torchvision", "timm", "torchreid" or "insightface";
        "" for nets of our own.
      hub: timm's Hugging Face repository with weights for exactly this arithmetic, "" where there
        is none (torchvision's EfficientNet-B5 ... B7 and MobileNetV3 differ from timm's in the
        epsilon of the batch norms or in the padding).
      hub_inputs: what those weights expect.
      classes: that the published weights tell apart, of ImageNet; 0 for those that embed.

    Example:
      >>> rj.models.backbone_info("resnet50").hub
      'timm/resnet50.tv_in1k'
    """

    name: str
    build: Callable[..., Any]
    options: Mapping[str, Any]
    family: str
    inputs: InputInfo = InputInfo()
    reference: str = "torchvision"
    hub: str = ""
    hub_inputs: InputInfo = InputInfo()
    classes: int = 1000


def _small() -> list[BackboneInfo]:
    grey = InputInfo(28, (0.5,), (0.5,))
    return [
        BackboneInfo("two_conv", TwoConv, {}, "own", grey, reference=""),
        BackboneInfo(
            "two_conv_relu", TwoConv, {"dense": (256,), "prelu": False}, "own", grey, reference=""
        ),
        BackboneInfo("small_cnn", SmallCNN, {}, "own", InputInfo(64, HALF, HALF), reference=""),
        BackboneInfo(
            "small_cnn_wide",
            SmallCNN,
            {"widths": (32, 64, 128, 256)},
            "own",
            InputInfo(64, HALF, HALF),
            reference="",
        ),
    ]


def _published(
    build: Callable[..., Any], networks: Mapping[str, Mapping[str, Any]], family: str, tag: str = ""
) -> list[BackboneInfo]:
    """Networks with torchvision's names and, where timm has converted them, its repositories."""
    return [
        BackboneInfo(name, build, options, family, hub=f"timm/{name}.{tag}" if tag else "")
        for name, options in networks.items()
    ]


_REGISTRY: dict[str, BackboneInfo] = {
    info.name: info
    for info in [
        *_small(),
        BackboneInfo("alexnet", AlexNet, {}, "plain"),
        *_published(VGG, VGGS, "plain", "tv_in1k"),
        *_published(ResNet, RESNETS, "resnet", "tv_in1k"),
        *_published(DenseNet, DENSENETS, "densenet", "tv_in1k"),
        *_published(MobileNetV1, MOBILENETS_V1, "mobile"),
        *_published(MobileNet, MOBILENETS, "mobile"),
        *_published(MobileNet, EFFICIENTNETS, "mobile"),
        *_published(MobileNet, EFFICIENTNETS_LITE, "mobile"),
        *_published(ConvNeXt, CONVNEXTS, "convnext", "fb_in1k"),
        *_published(VisionTransformer, VITS, "vit"),
        *_published(SwinTransformer, SWINS | SWINS_LARGE, "swin"),
        *_published(VisionTransformer, DINOS, "vit"),
        *_published(OSNet, OSNETS, "osnet"),
        *_published(IResNet, IRESNETS, "resnet"),
    ]
}


def _amend(name: str, **changes: Any) -> None:
    _REGISTRY[name] = dataclasses.replace(_REGISTRY[name], **changes)


_half = InputInfo(224, HALF, HALF)
_amend("seresnet50", reference="timm", hub="timm/seresnet50.ra2_in1k")
_amend(
    "mobilenetv1_100",
    reference="timm",
    inputs=_half,
    hub="timm/mobilenetv1_100.ra4_e3600_r224_in1k",
    hub_inputs=_half,
)
_amend("mobilenet_v2", hub="timm/mobilenetv2_100.ra_in1k")
for _b, _size, _hub, _hub_size in [
    (0, 224, "ra_in1k", 224),
    (1, 240, "ft_in1k", 240),
    (2, 288, "ra_in1k", 256),
    (3, 300, "ra2_in1k", 288),
    (4, 380, "ra2_in1k", 320),
    (5, 456, "", 456),
    (6, 528, "", 528),
    (7, 600, "", 600),
]:
    _amend(
        f"efficientnet_b{_b}",
        inputs=InputInfo(_size),
        hub=f"timm/efficientnet_b{_b}.{_hub}" if _hub else "",
        hub_inputs=InputInfo(_hub_size),
    )
_amend("efficientnet_v2_s", inputs=InputInfo(384), hub_inputs=InputInfo(384))
for _lite, _size in enumerate((224, 240, 260)):
    _name = f"tf_efficientnet_lite{_lite}"
    _amend(
        _name,
        reference="timm",
        # 127 and 128 of 255, as the weights were trained
        inputs=InputInfo(_size, (0.498,) * 3, (0.502,) * 3),
        hub=f"timm/{_name}.in1k",
        hub_inputs=InputInfo(_size, HALF, HALF),
    )
_amend(
    "vit_small_patch16_224",
    reference="timm",
    inputs=_half,
    hub="timm/vit_small_patch16_224.augreg_in21k_ft_in1k",
    hub_inputs=_half,
)
_amend("vit_b_16", hub="timm/vit_base_patch16_224.augreg2_in21k_ft_in1k", hub_inputs=_half)
for _name, _of in {"swin_t": "tiny", "swin_s": "small", "swin_b": "base"}.items():
    _tag = "ms_in22k_ft_in1k" if _of == "base" else "ms_in1k"
    _amend(_name, hub=f"timm/swin_{_of}_patch4_window7_224.{_tag}")
for _name in SWINS_LARGE:
    _inputs = InputInfo(int(_name[-3:]))
    _amend(
        _name,
        reference="timm",
        inputs=_inputs,
        hub=f"timm/{_name}.ms_in22k_ft_in1k",
        hub_inputs=_inputs,
    )
_amend(
    "efficientnetv2_rw_m",
    reference="timm",
    inputs=InputInfo(320),
    hub="timm/efficientnetv2_rw_m.agc_in1k",
    hub_inputs=InputInfo(320),
)
for _name in DINOS:
    _inputs = InputInfo(518)
    _amend(
        _name,
        reference="timm",
        inputs=_inputs,
        hub=f"timm/{_name}.lvd142m",
        hub_inputs=_inputs,
        classes=0,
    )
for _name in OSNETS:
    _amend(_name, reference="torchreid", inputs=InputInfo(256), classes=0)
for _name in IRESNETS:
    _amend(_name, reference="insightface", inputs=InputInfo(112, HALF, HALF), classes=0)


def backbone_names() -> tuple[str, ...]:
    """All names that `create_backbone` takes, family by family.

    Example:
      >>> "resnet50" in rj.models.backbone_names()
      True
    """
    return tuple(_REGISTRY)


def backbone_info(name: str) -> BackboneInfo:
    """The registry's entry; raises `UserError` with the closest names for an unknown one.

    Example:
      >>> rj.models.backbone_info("efficientnet_b0").inputs.input_size
      224
    """
    if name in _REGISTRY:
        return _REGISTRY[name]
    close = difflib.get_close_matches(name.lower(), _REGISTRY, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(_REGISTRY)}"
    raise UserError(f"no network is called {name!r}: {hint}")


def create_backbone(
    name: str,
    num_classes: int = 0,
    *,
    dtype: Any = jnp.float32,
    drop_path: float = 0.0,
    axis_name: str | None = None,
    remat: bool = False,
    **options: Any,
) -> nn.Module:
    """The network `name` as a Linen module (see `reid_jax.models.layers.Backbone` for its call).

    Args:
      num_classes: 0 for pooled features (B, F), otherwise logits (B, num_classes), both float32.
      dtype: of the computation; parameters and batch statistics are float32 always.
      drop_path: rate of stochastic depth at the last residual block (0 at the first).
      axis_name: mapped axis over which batch norms and dropout masks are shared.
      remat: keep only the inputs of blocks for the gradient: less memory, one more forward pass.
      options: of the network's class, e.g. `widths` of "small_cnn", or as its paper names them,
        see `reid_jax.models.paper_options.class_options`.

    Raises:
      UserError: for an unknown name or option.

    Example:
      >>> network = rj.models.create_backbone("small_cnn")
      >>> variables = network.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
      >>> network.apply(variables, jnp.zeros((2, 32, 32, 3))).shape
      (2, 64)
    """
    info = backbone_info(name)
    kind: Any = info.build
    arguments = class_options(name, kind, info.options, options)
    if drop_path and not info.build.has_residuals:  # type: ignore[attr-defined]
        raise UserError(f"{name} has no residual branches, so drop_path must be 0")
    if remat and not info.build.has_blocks:  # type: ignore[attr-defined]
        raise UserError(f"{name} has no blocks to compute again, so remat must be off")
    return info.build(
        num_classes=num_classes,
        dtype=dtype,
        drop_path=drop_path,
        axis_name=axis_name,
        remat=remat,
        **arguments,
    )


@cache
def block_names(name: str, options: str = "") -> tuple[str, ...]:
    """Top-level keys of the pooled network's parameters, from the input to the output.

    `options` are those of its paper, as `cardinality=32,base_width=4`. Freezing all but the last N
    of them leaves the last N layers or blocks to be trained.

    Example:
      >>> rj.models.block_names("small_cnn")[0]
      'conv1'
    """
    info = backbone_info(name)
    order: list[str] = []

    def init(key: jax.Array) -> None:
        size, channels = info.inputs.input_size, len(info.inputs.mean)
        images = jnp.zeros((1, size, size, channels))
        network = create_backbone(name, **read_options(options))
        order.extend(network.init(key, images)["params"])

    jax.eval_shape(init, jax.random.key(0))
    return tuple(order)
