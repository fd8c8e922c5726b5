"""Image classification sets of TensorFlow Datasets: a class is an individual."""

import contextlib
import difflib
import functools
import gzip
import importlib.util
import io
import os
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.console import others_quiet
from reid_jax.data.optional_tensorflow import import_tensorflow
from reid_jax.data.photos.dataset import Dataset
from reid_jax.data.photos.images import resize
from reid_jax.errors import UserError, missing
from reid_jax.platforms import memory_bytes

FASHION_MNIST_FOLDER = "/usr/share/datasets/fashion-mnist/"  # Debian's dataset-fashion-mnist
_FASHION_MNIST_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_DEFAULT_HOST = "https://storage.googleapis.com"
_PATIENCE = 4.0  # seconds until the network counts as absent
_SIDE = 224  # of sets whose photos differ in size


def tfds_dataset(name: str) -> Dataset:
    """All splits of the set `name`, in memory, with a column "split".

    `fashion_mnist` is read from Debian's package dataset-fashion-mnist where that is installed,
    without TensorFlow if need be (then in the order of its files). Photos that differ in size are
    squashed to 224 x 224.

    Raises:
      UserError: there is no such set, it has no images with labels, it does not fit into memory,
        or it is not here and cannot be downloaded.
    """
    packaged = name == "fashion_mnist" and os.path.isdir(FASHION_MNIST_FOLDER)
    if not packaged and _is_nowhere(name):
        raise _unknown(name, ())
    with others_quiet(), contextlib.redirect_stdout(io.StringIO()):
        if import_tensorflow() is None:
            if packaged:
                return _read_fashion_mnist()
            raise missing(f"tfds:{name}", "TensorFlow", "data")
        builder = _builder(name)
        if not os.path.exists(builder.data_path):
            _prepare(builder, packaged)
        return _read(builder)


def _is_nowhere(name: str) -> bool:
    """Whether no set has this name nor a similar one: seen without TensorFlow's seconds."""
    prepared = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    plain = name.partition("/")[0]
    if ":" in name or os.path.isdir(os.path.expanduser(f"{prepared}/{plain}")):
        return False
    known = _names_in_package()
    return bool(known) and not difflib.get_close_matches(_joined(plain), known, 1)


@functools.cache
def _names_in_package() -> list[str]:
    """Of its sets, and of other classes; a set is a folder or a class. Empty where it is not."""
    try:
        package = importlib.util.find_spec("tensorflow_datasets")
    except ImportError:  # of a finder that knows that it is not to be had
        package = None
    if package is None:
        return []
    root = Path((package.submodule_search_locations or [""])[0])
    known = [path.name for path in root.glob("datasets/*")]
    for file in root.rglob("*.py"):
        if file.relative_to(root).parts[0] not in ("core", "datasets", "scripts", "testing"):
            known += re.findall(r"^class (\w+)", file.read_text(errors="replace"), re.MULTILINE)
    return [_joined(each) for each in known]


def _joined(name: str) -> str:
    return name.lower().replace("_", "")


def _unknown(name: str, known: Sequence[str]) -> UserError:
    close = difflib.get_close_matches(name, known, 3)
    hint = f"did you mean {' or '.join(close)}" if close else "see tensorflow.org/datasets"
    return UserError(f'TFDS has no data set "{name}": {hint}.')


def _builder(name: str) -> Any:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise missing(f"tfds:{name}", f"tensorflow-datasets ({error})", "data") from error
    tfds.disable_progress_bar()
    try:
        builder = tfds.builder(name)
    except tfds.core.DatasetNotFoundError as error:
        # Those of the community are listed by a server, which complains where it is not reached.
        raise _unknown(name, tfds.list_builders(with_community_datasets=False)) from error
    except Exception as error:
        raise UserError(f"TFDS cannot build {name}: {_first_line(error)}.") from error
    features = builder.info.features
    if not features or "image" not in features or "label" not in features:
        held = ", ".join(features) if features else "unknown"
        raise UserError(
            f'The TFDS set {name} needs the features "image" and "label", it has: {held}.'
        )
    return builder


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".:") or type(error).__name__


def _prepare(builder: Any, packaged: bool) -> None:
    if packaged:
        type(builder).URL = f"file://{FASHION_MNIST_FOLDER}"
    else:
        url = urllib.parse.urlsplit(str(getattr(builder, "URL", _DEFAULT_HOST)))
        host = f"{url.scheme}://{url.netloc}" if url.scheme.startswith("http") else _DEFAULT_HOST
        if not _reachable(host):
            folder = str(builder.data_path)[: -len(builder.info.full_name) - 1]
            package = (
                "install Debian's package (apt install dataset-fashion-mnist), or "
                if builder.name == "fashion_mnist"
                else ""
            )
            raise UserError(
                f"The TFDS set {builder.name} is not in {folder} and {host} cannot be reached: "
                f"{package}prepare it on a machine with a network (tfds build {builder.name}) and "
                f"copy that machine's folder to {folder}, or name another with TFDS_DATA_DIR."
            )
    from rich.console import Console

    waiting = f"Preparing {builder.name} in {builder.data_path}, this once"
    try:
        with Console(stderr=True).status(waiting):
            builder.download_and_prepare()
    except Exception as error:
        raise UserError(
            f"TFDS could not prepare {builder.name} in {builder.data_path}: {_first_line(error)}."
        ) from error


def _reachable(url: str) -> bool:
    """Whether anything answers there. In a thread, for looking up a name ignores time limits."""
    answered = threading.Event()

    def ask() -> None:
        with contextlib.suppress(OSError):
            with contextlib.suppress(urllib.error.HTTPError):  # "not found" is an answer
                urllib.request.urlopen(url, timeout=_PATIENCE).close()
            answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    return answered.is_set()


def _read(builder: Any) -> Dataset:
    feature, name = builder.info.features["image"], builder.name
    if np.dtype(feature.np_dtype) != np.uint8:
        raise UserError(f"The images of the TFDS set {name} are {feature.np_dtype}, not uint8.")
    height, width, channels = feature.shape
    same = height is not None and width is not None and channels in (1, 3)
    shape = (height, width, channels) if same else (_SIDE, _SIDE, 1 if channels == 1 else 3)
    count = sum(split.num_examples for split in builder.info.splits.values())
    memory = memory_bytes()
    if memory and count * int(np.prod(shape)) > 0.8 * memory:
        raise UserError(
            f"The TFDS set {name} would take {count * int(np.prod(shape)) / 2**30:.0f} GiB of "
            f"memory, of {memory / 2**30:.0f}: export its photos to a folder and use folder:PATH."
        )
    pixels, labels = np.empty((count, *shape), np.uint8), np.empty(count, np.int64)
    paths: list[str] = []
    splits: list[str] = []
    row = 0
    for split in sorted(builder.info.splits):
        start = row
        data = builder.as_dataset(split=split, shuffle_files=False)
        data = data.map(lambda example: (example["image"], example["label"]))
        for images, numbers in data.batch(256 if same else 1).prefetch(2).as_numpy_iterator():
            stop = row + len(numbers)
            pixels[row:stop] = images if same else resize(images[0], _SIDE, shape[-1])
            labels[row:stop] = numbers
            row = stop
        paths.extend(f"{name}/{split}/{number:06d}" for number in range(row - start))
        splits.extend([split] * (row - start))
    labelled = np.flatnonzero(labels[:row] >= 0)  # some test sets keep their labels secret
    secret = [path for path, label in zip(paths, labels, strict=False) if label < 0]
    return Dataset(
        paths=np.array(paths)[labelled],
        labels=labels[labelled].astype(np.int32),
        identities=tuple(builder.info.features["label"].names),
        columns={"split": np.array(splits)[labelled]},
        pixels=pixels[:row] if len(labelled) == row else pixels[labelled],
        skipped=tuple((path, "no label") for path in secret),
    )


def _read_fashion_mnist() -> Dataset:
    pixels, labels = [], []
    paths: list[str] = []
    for split, prefix in (("test", "t10k"), ("train", "train")):
        try:
            images = _read_idx(f"{prefix}-images-idx3-ubyte.gz")
            numbers = _read_idx(f"{prefix}-labels-idx1-ubyte.gz")
        except (OSError, EOFError, ValueError, IndexError) as error:
            raise UserError(
                f"{FASHION_MNIST_FOLDER} cannot be read ({_first_line(error)}): reinstall it with "
                "apt install --reinstall dataset-fashion-mnist."
            ) from error
        pixels.append(images[..., None])
        labels.append(numbers.astype(np.int32))
        paths.extend(f"fashion_mnist/{split}/{number:06d}" for number in range(len(numbers)))
    return Dataset(
        paths=np.array(paths),
        labels=np.concatenate(labels),
        identities=_FASHION_MNIST_CLASSES,
        columns={"split": np.repeat(["test", "train"], [len(part) for part in labels])},
        pixels=np.concatenate(pixels),
    )


def _read_idx(file: str) -> np.ndarray:
    """The IDX format: two zero bytes, type, rank, big-endian sizes, data (LeCun's MNIST page)."""
    with gzip.open(os.path.join(FASHION_MNIST_FOLDER, file)) as stream:
        data = stream.read()
    rank = data[3]
    sizes = np.frombuffer(data, ">u4", rank, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(sizes)
