"""Of each network: the year of its paper, what was new, and its published top-1 on ImageNet."""

# By the beginning of a network's name; the longest that fits counts.
_PAPERS = {
    "alexnet": (2012, "ReLU and dropout, on two GPUs"),
    "vgg": (2014, "3x3 convolutions alone, many of them"),
    "resnet": (2015, "shortcuts"),
    "wide_resnet": (2016, "wider, not deeper"),
    "resnext": (2016, "cardinality: branches side by side"),
    "densenet": (2016, "each layer sees all before it"),
    "seresnet": (2017, "squeeze-and-excitation"),
    "mobilenetv1": (2017, "depthwise separable convolutions"),
    "mobilenet_v2": (2018, "inverted residuals, linear bottlenecks"),
    "mobilenet_v3": (2019, "found by search; hard-swish"),
    "efficientnet_b": (2019, "depth, width and size scaled together"),
    "tf_efficientnet_lite": (2020, "EfficientNet for integers: ReLU6, no squeeze-and-excitation"),
    "vit": (2020, "a transformer over patches"),
    "swin": (2021, "attention in windows that shift"),
    "efficientnet_v2": (2021, "fused blocks, searched for training speed"),
    "efficientnetv2_rw": (2021, "timm's own V2, drawn after the paper's first figure"),
    "convnext": (2022, "a ResNet with a transformer's habits"),
    "osnet": (2019, "one block sees at four scales, and weighs them"),
    "osnet_ain": (2021, "instance norm where a search put it, for cameras not seen"),
    "iresnet": (2019, "a ResNet of faces: batch norm first, each position kept (ArcFace)"),
}
# In percent: torchvision's first weights, except MobileNetV1, SE-ResNet, timm's Swin-B and L
# (their papers; these began with ImageNet-22k) and EfficientNet-Lite (its authors).
# DINOv2's are of a linear layer on features learnt without labels (its authors).
_TOP_1 = {
    "alexnet": 56.5,
    **{"vgg11": 69.0, "vgg11_bn": 70.4, "vgg13": 69.9, "vgg13_bn": 71.6},
    **{"vgg16": 71.6, "vgg16_bn": 73.4, "vgg19": 72.4, "vgg19_bn": 74.2},
    **{"resnet18": 69.8, "resnet34": 73.3, "resnet50": 76.1, "resnet101": 77.4, "resnet152": 78.3},
    **{"resnext50_32x4d": 77.6, "resnext101_32x8d": 79.3, "wide_resnet50_2": 78.5},
    **{"seresnet50": 76.7, "densenet121": 74.4, "densenet169": 75.6, "densenet201": 76.9},
    **{"mobilenetv1_100": 70.6, "mobilenet_v2": 71.9},
    **{"mobilenet_v3_small": 67.7, "mobilenet_v3_large": 74.0},
    **{"efficientnet_b0": 77.7, "efficientnet_b1": 78.6, "efficientnet_b2": 80.6},
    **{"efficientnet_b3": 82.0, "efficientnet_b4": 83.4, "efficientnet_b5": 83.4},
    **{"efficientnet_b6": 84.0, "efficientnet_b7": 84.1, "efficientnet_v2_s": 84.2},
    **{"tf_efficientnet_lite0": 75.1, "tf_efficientnet_lite1": 76.7, "tf_efficientnet_lite2": 77.6},
    **{"convnext_tiny": 82.5, "vit_b_16": 81.1, "swin_t": 81.5, "swin_s": 83.2, "swin_b": 83.6},
    **{"swin_base_patch4_window12_384": 86.4, "swin_large_patch4_window7_224": 86.3},
    **{"swin_large_patch4_window12_384": 87.3, "efficientnetv2_rw_m": 84.8},
    **{"vit_small_patch14_dinov2": 81.1, "vit_small_patch14_reg4_dinov2": 80.9},
    **{"vit_base_patch14_dinov2": 84.5, "vit_base_patch14_reg4_dinov2": 84.6},
    **{"vit_large_patch14_dinov2": 86.3, "vit_large_patch14_reg4_dinov2": 86.7},
}

_REGISTERS = "; tokens beside those of the image"


def paper_cells(name: str) -> tuple[str, str, str]:
    """Year, top-1 and what was new of a network, as text; empty where nothing is published."""
    top = f"{_TOP_1[name]:.1f}" if name in _TOP_1 else ""
    if "dinov2" in name:
        return "2023", top, f"learnt without labels{_REGISTERS if 'reg4' in name else ''}"
    fitting = [start for start in _PAPERS if name.startswith(start)]
    year, new = _PAPERS[max(fitting, key=len)] if fitting else ("", "")
    return str(year), top, new
