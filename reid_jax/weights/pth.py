"""Tensors from PyTorch's `.pth` files, without PyTorch and without ever running a pickle.

A `.pth` file is a pickle, which in general is a program. This reader interprets the dozen
instructions that a dict of tensors needs and knows five names; it never imports, looks up or calls
anything that a file names, and refuses the file at the first thing that is not a tensor.
"""

from __future__ import annotations

import dataclasses
import io
import pickletools
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from reid_jax.errors import UserError

_DTYPES: dict[str, Any] = {
    "torch DoubleStorage": np.float64,
    "torch FloatStorage": np.float32,
    "torch HalfStorage": np.float16,
    "torch BFloat16Storage": ml_dtypes.bfloat16,
    "torch LongStorage": np.int64,
    "torch IntStorage": np.int32,
    "torch ShortStorage": np.int16,
    "torch CharStorage": np.int8,
    "torch ByteStorage": np.uint8,
    "torch BoolStorage": np.bool_,
}
_ORDERED_DICT = "collections OrderedDict"
_TENSOR = "torch._utils _rebuild_tensor_v2"
_PARAMETER = "torch._utils _rebuild_parameter"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


@dataclasses.dataclass(frozen=True)
class _Global:
    name: str


@dataclasses.dataclass(frozen=True)
class _Storage:
    dtype: Any
    key: str
    size: int


@dataclasses.dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _RefusedError(Exception):
    """The file holds something that is not a tensor, or is damaged."""


def read_pth(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a state dict saved by `torch.save`, in the zip format or the older one.

    Raises:
      UserError: for a file that holds anything but tensors in dicts, or that is damaged.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if zipfile.is_zipfile(file):
                content, storages = _read_zip(file)
            else:
                file.seek(0)
                content, storages = _read_legacy(file)
        for wrapper in ("state_dict", "model"):
            if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
                content = content[wrapper]
        if not isinstance(content, dict):
            raise _RefusedError("it holds no dict of tensors")
        return {str(name): _array(tensor, storages) for name, tensor in content.items()}
    except FileNotFoundError:
        raise UserError(f"there is no file {path}") from None
    except _RefusedError as refusal:
        raise UserError(f"{path} was not read: {refusal}") from None
    except Exception as error:
        raise UserError(f"{path} is damaged or no PyTorch file ({error})") from None


def _array(tensor: Any, storages: Callable[[_Storage], np.ndarray]) -> np.ndarray:
    if not isinstance(tensor, _Tensor):
        raise _RefusedError(f"it holds a {type(tensor).__name__} where a tensor is expected")
    data = storages(tensor.storage)
    sizes = (tensor.offset, *tensor.shape, *tensor.strides)
    if len(tensor.shape) != len(tensor.strides) or any(
        not isinstance(n, int) or n < 0 for n in sizes
    ):
        raise _RefusedError("a tensor has an impossible shape")
    if 0 in tensor.shape:
        return np.zeros(tensor.shape, data.dtype)
    last = sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
    if tensor.offset + last >= data.size:
        raise _RefusedError("a tensor reaches beyond its data")
    strides = tuple(s * data.itemsize for s in tensor.strides)
    view = np.lib.stride_tricks.as_strided(data[tensor.offset :], tensor.shape, strides)
    return np.array(view)


def _read_zip(file: BinaryIO) -> tuple[Any, Callable[[_Storage], np.ndarray]]:
    archive = zipfile.ZipFile(file)
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
        raise _RefusedError("its parts are compressed, which PyTorch never does")
    pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise _RefusedError("it is a zip file, but not one of PyTorch's")
    root = pickles[0].removesuffix("data.pkl")
    content = _interpret(io.BytesIO(archive.read(pickles[0])))
    names = set(archive.namelist())
    if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
        raise _RefusedError("its numbers are big-endian")
    # All is read before the file is closed; a storage is shared by its tensors.
    data = {
        name.removeprefix(f"{root}data/"): archive.read(name)
        for name in names
        if name.startswith(f"{root}data/")
    }

    def storages(storage: _Storage) -> np.ndarray:
        return np.frombuffer(data[storage.key], storage.dtype)

    return content, storages


def _read_legacy(file: BinaryIO) -> tuple[Any, Callable[[_Storage], np.ndarray]]:
    if _interpret(file) != _LEGACY_MAGIC:
        raise _RefusedError("it is no PyTorch file")
    _interpret(file)  # the version of the format
    system = _interpret(file)
    if not (isinstance(system, dict) and system.get("little_endian")):
        raise _RefusedError("its numbers are big-endian")
    content = _interpret(file)
    keys = _interpret(file)
    start = file.tell()
    data = file.read()

    found: dict[str, _Storage] = {}

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            for item in value.values():
                collect(item)
        elif isinstance(value, _Tensor):
            found[value.storage.key] = value.storage

    collect(content)
    arrays: dict[str, np.ndarray] = {}
    position = 0
    for key in keys:
        size = int.from_bytes(data[position : position + 8], "little")
        position += 8
        if key not in found:
            raise _RefusedError(f"data at byte {start + position} belongs to no tensor")
        dtype = np.dtype(found[key].dtype)
        arrays[key] = np.frombuffer(data, dtype, count=size, offset=position)
        position += size * dtype.itemsize
    return content, lambda storage: arrays[storage.key]


def _interpret(file: Any) -> Any:
    """The value that a pickle describes, for the instructions that describe tensors in dicts."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    mark = object()

    def since_mark() -> list[Any]:
        items = []
        while (item := stack.pop()) is not mark:
            items.append(item)
        return items[::-1]

    for opcode, value, _ in pickletools.genops(file):
        argument: Any = value
        match opcode.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                stack.append(mark)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(opcode.name == "NEWTRUE")
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(argument)
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(opcode.name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "APPEND":
                value = stack.pop()
                stack[-1].append(value)
            case "APPENDS":
                items = since_mark()
                stack[-1].extend(items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                stack[-1][key] = value
            case "SETITEMS":
                items = since_mark()
                stack[-1].update(zip(items[::2], items[1::2], strict=True))
            case "GLOBAL" | "STACK_GLOBAL":
                if opcode.name == "STACK_GLOBAL":
                    name, module = stack.pop(), stack.pop()
                    argument = f"{module} {name}"
                if argument not in (_ORDERED_DICT, _TENSOR, _PARAMETER, *_DTYPES):
                    raise _RefusedError(
                        f"it holds {argument.replace(' ', '.')}, which is no tensor"
                    )
                stack.append(_Global(argument))
            case "BINPERSID":
                stack.append(_storage(stack.pop()))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(_reduce(function, arguments))
            case "BUILD":
                # Attributes of the dict (its `_metadata`) or of a parameter: not wanted here.
                stack.pop()
            case _:
                raise _RefusedError(f"its instruction {opcode.name} belongs to no tensor")
    raise _RefusedError("it ends early")


def _storage(identity: Any) -> _Storage:
    kind, dtype, key, _, size = identity[:5]
    if kind != "storage" or not isinstance(dtype, _Global) or dtype.name not in _DTYPES:
        raise _RefusedError("it holds a reference that is no tensor's data")
    if len(identity) > 5 and identity[5] is not None:
        raise _RefusedError("its tensors are views in a way of PyTorch before 0.4")
    return _Storage(_DTYPES[dtype.name], str(key), int(size))


def _reduce(function: Any, arguments: Any) -> Any:
    name = function.name if isinstance(function, _Global) else ""
    if name == _ORDERED_DICT and arguments in ((), ([],)):
        return {}
    if name == _TENSOR and isinstance(arguments[0], _Storage):
        storage, offset, shape, strides = arguments[:4]
        return _Tensor(storage, offset, tuple(shape), tuple(strides))
    if name == _PARAMETER and isinstance(arguments[0], _Tensor):
        return arguments[0]
    raise _RefusedError(f"it calls {name.replace(' ', '.') or 'something'} in a way no tensor does")
