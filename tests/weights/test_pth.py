"""PyTorch's files: read without running them, and refused where they are anything but tensors."""

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.weights.pth import read_pth


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
