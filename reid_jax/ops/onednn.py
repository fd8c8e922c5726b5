"""Convolutions by oneDNN on a CPU, whose kernels are faster than XLA's there.

PyTorch and TensorFlow compute them by the same library. It comes with the package onednn-cpu-gomp;
what XLA calls (`onednn_convolution.cc`) is compiled by the machine's C++ compiler at first use and
kept in the user's cache folder. Without either, or where REID_JAX_ONEDNN is 0, `missing` says why.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.ops.cpu_convolution import Geometry, Shape, output_shape

_SOURCE = Path(__file__).with_name("onednn_convolution.cc")
_PACKAGES = {"onednn-cpu-gomp": "libdnnl.so.3", "onednn-devel-cpu-gomp": "oneapi/dnnl/dnnl.hpp"}
_HANDLERS = ("ConvolutionForward", "ConvolutionInputGradient", "ConvolutionKernelGradient")
_LONGEST_NAME = 256


def missing() -> str | None:
    """None where oneDNN can be called, otherwise what it lacks, in a few words."""
    if os.environ.get("REID_JAX_ONEDNN") == "0":
        return "REID_JAX_ONEDNN is 0"
    found = _load()
    return found if isinstance(found, str) else None


@functools.lru_cache(maxsize=4096)
def is_fast(image: Shape, kernel: Shape, geometry: Geometry) -> bool:
    """Whether oneDNN has kernels of its own for a problem and its gradients.

    For the others it falls back on a plain loop, a hundred times slower.
    """
    library = _load()
    if isinstance(library, str):
        return False
    numbers = [*image, *kernel, *output_shape(image, kernel, geometry), *geometry.strides]
    numbers += [*_flat(geometry.pads), *geometry.dilation, geometry.groups]
    problem = (ctypes.c_int64 * len(numbers))(*numbers)
    for handler in range(len(_HANDLERS)):
        name = ctypes.create_string_buffer(_LONGEST_NAME)
        library.ConvolutionImplementation(
            ctypes.c_int64(handler), problem, name, ctypes.c_size_t(len(name))
        )
        if not name.value or b"ref" in name.value:
            return False
    return True


def convolve(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """The convolution of (B, H, W, C) by (h, w, C / groups, F), float32."""
    return _call(0, output_shape(x.shape, kernel.shape, geometry), x, kernel, geometry)


def gradients(
    x: jax.Array, kernel: jax.Array, gradient: jax.Array, geometry: Geometry
) -> tuple[jax.Array, jax.Array]:
    """Gradients with respect to `x` and `kernel`, given that of the result, float32."""
    return (
        _call(1, x.shape, kernel, gradient, geometry),
        _call(2, kernel.shape, x, gradient, geometry),
    )


def _call(
    handler: int, shape: Sequence[int], a: jax.Array, b: jax.Array, geometry: Geometry
) -> jax.Array:
    assert missing() is None, "ask before calling"
    result = jax.ShapeDtypeStruct(tuple(shape), np.float32)
    return jax.ffi.ffi_call(_target(_HANDLERS[handler]), result, vmap_method="sequential")(
        a,
        b,
        strides=np.asarray(geometry.strides, np.int64),
        pads=np.asarray(_flat(geometry.pads), np.int64),
        dilation=np.asarray(geometry.dilation, np.int64),
        groups=np.int64(geometry.groups),
    )


def _flat(pads: Sequence[Sequence[int]]) -> list[int]:
    return [pad for pair in pads for pad in pair]


def _target(handler: str) -> str:
    return f"reid_jax.onednn.{handler}"


@functools.cache
def _load() -> ctypes.CDLL | str:
    """The library with its handlers known to XLA, or why there is none."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return "it is called on Linux and x86-64 only"
    try:
        folders = [_folder_above(end, package) for package, end in _PACKAGES.items()]
    except importlib.metadata.PackageNotFoundError as error:
        return f"package {error.name} is not installed"
    try:
        library = ctypes.CDLL(str(_compile(*folders)))
    except (OSError, subprocess.CalledProcessError) as error:
        said = str(getattr(error, "stderr", "") or error)
        # Somebody installed it, so it is wanted.
        warnings.warn(f"convolutions are slower, without oneDNN: {said}", stacklevel=2)
        return said
    for handler in _HANDLERS:
        capsule = jax.ffi.pycapsule(getattr(library, handler))
        jax.ffi.register_ffi_target(_target(handler), capsule, platform="cpu")
    return library


def _folder_above(end: str, package: str) -> Path:
    """The folder in which an installed package has the file `end`.

    Raises:
      PackageNotFoundError: when it is not installed, or has lost that file.
    """
    for file in importlib.metadata.files(package) or []:
        if str(file).endswith(end):
            return Path(str(file.locate())).resolve().parents[end.count("/")]
    raise importlib.metadata.PackageNotFoundError(package)


def _compile(libraries: Path, headers: Path) -> Path:
    """The compiled source, from the cache where it is there already."""
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        raise FileNotFoundError("there is no C++ compiler (g++)")
    command: list[Any] = [compiler, "-std=c++17", "-O2", "-fPIC", "-shared", _SOURCE]
    command += ["-I", headers, "-isystem", jax.ffi.include_dir(), "-L", libraries]
    command += [f"-Wl,-rpath,{libraries}", "-ldnnl"]
    versions = [importlib.metadata.version(name) for name in ("jaxlib", *_PACKAGES)]
    written = repr((versions, [str(part) for part in command])).encode() + _SOURCE.read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reid_jax" / "native"
    result = cache / f"onednn-{hashlib.sha256(written).hexdigest()[:16]}.so"
    if not result.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            made = Path(folder) / result.name
            subprocess.run([*command, "-o", made], check=True, capture_output=True, text=True)
            made.replace(result)
    return result
