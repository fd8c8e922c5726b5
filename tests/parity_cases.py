"""What the parity expectations were computed for: weights and images drawn by name from a seed.

Imported by the test and by `data/make_parity.py`, which needs PyTorch; this file needs numpy only.
"""

import zlib

import numpy as np

PROJECTIONS = 32
TILE = 999_983  # prime: drawing longer tensors from this many numbers keeps their order visible

# Variance of the kernels times their inputs, by part of the name: deeper networks bear less.
GAINS = [
    ("resn", 1.0),
    ("vit", 1.0),
    ("swin", 1.0),
    ("convnext", 1.0),
    ("lite", 1.6),
    ("mobilenet", 1.6),
    ("efficientnet_v2", 1.25),
    ("efficientnetv2", 1.25),
    ("osnet", 1.0),
    ("efficientnet_b7", 1.6),
    ("efficientnet_b6", 1.75),
    ("efficientnet_b5", 1.85),
    ("efficientnet_b4", 1.85),
    ("efficientnet_b3", 1.9),
    ("efficientnet", 2.1),
]

# The small ones, of one family each, that every `make test` compares; the others take minutes to
# compile, and run with `make test CI=1`.
SAMPLE = {
    *("alexnet", "resnet18", "mobilenetv1_100", "mobilenet_v3_small", "efficientnet_b0"),
    *("tf_efficientnet_lite0", "vit_small_patch16_224", "osnet_x0_25", "iresnet18"),
}

# Those of minutes each, with a smaller one of the same family beside them: `make acceptance`.
LONG = {
    *("vit_base_patch14_dinov2", "vit_base_patch14_reg4_dinov2", "vit_large_patch14_dinov2"),
    *("vit_large_patch14_reg4_dinov2", "iresnet100", "efficientnet_b7", "efficientnetv2_rw_m"),
    *("swin_base_patch4_window12_384", "swin_large_patch4_window7_224"),
    "swin_large_patch4_window12_384",
}

# The family each network is of; the first of a family is also compared in training mode.
FAMILIES = {
    "plain": [
        "vgg11_bn",
        "alexnet",
        "vgg11",
        "vgg13",
        "vgg13_bn",
        "vgg16",
        "vgg16_bn",
        "vgg19",
        "vgg19_bn",
    ],
    "resnet": [
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "resnet152",
        "resnext50_32x4d",
        "resnext101_32x8d",
        "wide_resnet50_2",
    ],
    "se_resnet": ["seresnet50"],
    "densenet": ["densenet121", "densenet169", "densenet201"],
    "mobilenet_v1": ["mobilenetv1_100"],
    "mobilenet_v2": ["mobilenet_v2"],
    "mobilenet_v3": ["mobilenet_v3_small", "mobilenet_v3_large"],
    "efficientnet": [f"efficientnet_b{i}" for i in range(8)],
    "efficientnet_v2": ["efficientnet_v2_s"],
    "efficientnet_rw": ["efficientnetv2_rw_m"],
    "efficientnet_lite": [f"tf_efficientnet_lite{i}" for i in range(3)],
    "convnext": ["convnext_tiny"],
    "vit": ["vit_b_16", "vit_small_patch16_224"],
    "swin": [
        "swin_t",
        "swin_s",
        "swin_b",
        "swin_base_patch4_window12_384",
        "swin_large_patch4_window7_224",
        "swin_large_patch4_window12_384",
    ],
    "dinov2": [f"vit_{size}_patch14_dinov2" for size in ("small", "base", "large")],
    "dinov2_registers": [f"vit_{size}_patch14_reg4_dinov2" for size in ("small", "base", "large")],
    "osnet": ["osnet_x0_25", "osnet_x1_0"],
    "osnet_ain": ["osnet_ain_x1_0"],
    "iresnet": ["iresnet18", "iresnet50", "iresnet100"],
}
NETWORKS = [name for family in FAMILIES.values() for name in family]
IN_TRAINING = [family[0] for family in FAMILIES.values()]
# The position embedding as it lies in the file, and one that is neither.
OTHER_SIZES = [
    (f"vit_{kind}_patch14_{registers}dinov2", size)
    for kind, size in (("small", 518), ("base", 252))
    for registers in ("", "reg4_")
]


def image_size(name: str) -> int:
    """Small sizes that each architecture admits; 224 where the reference admits no other."""
    if "dinov2" in name:
        return 196
    if name.startswith("iresnet"):
        return 112
    if name.startswith("vit"):
        return 224
    if name.startswith("swin_") and "patch" in name:  # timm's have the size in their weights
        return int(name[-3:])
    return 72 if name == "alexnet" else 64


def draw_images(name: str, count: int = 2, size: int | None = None) -> np.ndarray:
    """Normalised images (count, S, S, 3)."""
    size = size or image_size(name)
    rng = np.random.default_rng(zlib.crc32(f"images of {name}".encode()))
    return rng.standard_normal((count, size, size, 3)).astype(np.float32)


def draw_cotangent(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """What the logits are multiplied by before the input gradient is taken."""
    rng = np.random.default_rng(zlib.crc32(f"cotangent of {name}".encode()))
    return rng.standard_normal(shape).astype(np.float32)


def draw_weight(network: str, tensor: str, shape: tuple[int, ...]) -> np.ndarray:
    """A tensor of the reference's state dict, from the name alone.

    Kernels are scaled so that activations neither die out nor grow over the depth.
    """
    rng = np.random.default_rng(zlib.crc32(tensor.encode()))
    size = int(np.prod(shape))
    normal = np.resize(rng.standard_normal(min(size, TILE), np.float32), size).reshape(shape)
    if tensor.endswith("running_mean"):
        return 0.2 * normal
    if tensor.endswith("running_var"):
        return np.exp(0.3 * normal)
    if tensor.endswith("prelu.weight"):
        return 0.25 * np.exp(0.3 * normal)
    if tensor.endswith(("layer_scale", "gamma")):
        return 0.3 * np.exp(0.3 * normal)
    if tensor.endswith("bias"):
        return 0.2 * normal
    if len(shape) == 1:
        return np.exp(0.2 * normal)
    if "token" in tensor or "pos_emb" in tensor:
        return 0.2 * normal
    gain = next((g for prefix, g in GAINS if prefix in network), 2.0)
    return (normal * np.sqrt(gain / np.prod(shape[1:]))).astype(np.float32)


def summary(array: np.ndarray, key: str) -> np.ndarray:
    """The norm of an array and its sums under `PROJECTIONS` random signs: float32 (1 + those,).

    The difference of two sums is, but for a factor near one, the norm of the arrays' difference:
    every entry counts, and a ReLU that rounding has switched on weighs no more than it should.
    """
    flat = np.asarray(array, np.float64).ravel()
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    sums = [rng.choice([-1.0, 1.0], flat.size) @ flat for _ in range(PROJECTIONS)]
    return np.array([np.linalg.norm(flat), *sums], np.float32)


def relative_error(ours: np.ndarray, expected: np.ndarray) -> float:
    """Of two summaries: an estimate of the norm of the difference over the norm."""
    return float(np.sqrt(np.mean(np.square(ours[1:] - expected[1:]))) / expected[0])
