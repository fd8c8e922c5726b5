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
import shlex
import shutil
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jax
import numpy as np

from reid_jax.files import cache_folder
from reid_jax.ops.convolution.cpu import Geometry, Shape, output_shape

_SOURCE = Path(__file__).with_name("onednn_convolution.cc")
_PACKAGES = {"onednn-cpu-gomp": "libdnnl.so.3", "onednn-devel-cpu-gomp": "oneapi/dnnl/dnnl.hpp"}
_HANDLERS = ("ConvolutionForward", "ConvolutionInputGradient", "ConvolutionKernelGradient")
_LONGEST_NAME = 256
_loading = threading.Lock()


def missing() -> str | None:
    """None where oneDNN can be called, otherwise what it lacks, in a few words."""
    if os.environ.get("REID_JAX_ONEDNN") == "0":
        return "REID_JAX_ONEDNN is 0"
    found = _load()
    return found if isinstance(found, str) else None


@functools.lru_cache(maxsize=4096)
def is_fast(image: Shape, kernel: Shape, geometry: Geometry, *, narrow: bool = False) -> bool:
    """Whether oneDNN has kernels of its own for a problem and its gradients.

    `narrow` asks for those of bfloat16, on a CPU with instructions for it. For the others it falls
    back on a plain loop, a hundred times slower.
    """
    library = _load()
    if isinstance(library, str):
        return False
    numbers = [*image, *kernel, *output_shape(image, kernel, geometry), *geometry.strides]
    numbers += [*_flat(geometry.pads), *geometry.dilation, geometry.groups, int(narrow)]
    problem = (ctypes.c_int64 * len(numbers))(*numbers)
    for handler in range(len(_HANDLERS)):
        name = ctypes.create_string_buffer(_LONGEST_NAME)
        library.ConvolutionImplementation(
            ctypes.c_int64(handler), problem, name, ctypes.c_size_t(len(name))
        )
        if not name.value or b"ref" in name.value:
            return False
    return True


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """The convolution of (B, H, W, C) by (h, w, C / groups, F); of what `is_fast`.

    Both are float32, or both bfloat16; then sums are float32 all the same, and rounded once.

    All three passes are linear in each of their arguments, and their derivatives are the passes.
    """
    shape = output_shape(x.shape, kernel.shape, geometry)
    return _call(0, jax.ShapeDtypeStruct(shape, x.dtype), x, kernel, geometry)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def input_gradient(
    kernel: jax.Array, gradient: jax.Array, geometry: Geometry, shape: Shape
) -> jax.Array:
    """By the image, of the given shape, where `gradient` is that of the result."""
    return _call(1, jax.ShapeDtypeStruct(shape, gradient.dtype), kernel, gradient, geometry)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def kernel_gradient(
    x: jax.Array, gradient: jax.Array, geometry: Geometry, shape: Shape
) -> jax.Array:
    """By the kernel, of the given shape, where `gradient` is that of the result; float32."""
    return _call(2, jax.ShapeDtypeStruct(shape, np.float32), x, gradient, geometry)


def gradients(
    x: jax.Array, kernel: jax.Array, gradient: jax.Array, geometry: Geometry
) -> tuple[jax.Array, jax.Array]:
    """Gradients with respect to `x` and `kernel`, of their types, given that of the result."""
    return (
        input_gradient(kernel, gradient, geometry, x.shape),
        kernel_gradient(x, gradient, geometry, kernel.shape).astype(kernel.dtype),
    )


Two = tuple[jax.Array, jax.Array]


def _of_convolve(geometry: Geometry, given: Two, gradient: jax.Array) -> Two:
    return gradients(*given, gradient, geometry)


def _of_input_gradient(geometry: Geometry, _: Shape, given: Two, image: jax.Array) -> Two:
    kernel, gradient = given
    return (
        kernel_gradient(image, gradient, geometry, kernel.shape).astype(kernel.dtype),
        convolve(image, kernel, geometry),
    )


def _of_kernel_gradient(geometry: Geometry, _: Shape, given: Two, kernel: jax.Array) -> Two:
    x, gradient = given
    kernel = kernel.astype(x.dtype)
    return input_gradient(kernel, gradient, geometry, x.shape), convolve(x, kernel, geometry)


convolve.defvjp(lambda x, k, *static: (convolve(x, k, *static), (x, k)), _of_convolve)
input_gradient.defvjp(
    lambda k, g, *static: (input_gradient(k, g, *static), (k, g)), _of_input_gradient
)
kernel_gradient.defvjp(
    lambda x, g, *static: (kernel_gradient(x, g, *static), (x, g)), _of_kernel_gradient
)


def _call(
    handler: int, result: jax.ShapeDtypeStruct, a: jax.Array, b: jax.Array, geometry: Geometry
) -> jax.Array:
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


def _load() -> ctypes.CDLL | str:
    """The library with its handlers known to XLA, or why there is none."""
    with _loading:
        return _load_once()


@functools.cache
def _load_once() -> ctypes.CDLL | str:
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
    """The compiled source, from the cache where it is there already.

    Raises:
      OSError, CalledProcessError: without a compiler, or when it fails.
    """
    options = ["-std=c++17", "-O2", "-fPIC", "-fopenmp", "-shared", str(_SOURCE)]
    options += ["-I", str(headers), "-isystem", jax.ffi.include_dir(), "-L", str(libraries)]
    options += [f"-Wl,-rpath,{libraries}", "-ldnnl"]
    versions = [importlib.metadata.version(name) for name in ("jaxlib", *_PACKAGES)]
    made_of = repr((versions, platform.libc_ver(), options)).encode() + _SOURCE.read_bytes()
    cache = cache_folder("native")
    result = cache / f"onednn-{hashlib.sha256(made_of).hexdigest()[:16]}.so"
    if not result.exists():
        compiler = shlex.split(os.environ.get("CXX") or "g++")
        if shutil.which(compiler[0]) is None:
            raise FileNotFoundError(f"there is no C++ compiler {compiler[0]}")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            made = Path(folder) / result.name
            command = [*compiler, *options, "-o", str(made)]
            subprocess.run(command, check=True, capture_output=True, text=True)
            made.replace(result)
    return result
