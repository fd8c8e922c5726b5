"""Which photos a run trained on and which it held out, kept with the run.

A split is drawn from what is there, so that a photo more would make another one, and photos that
were trained on would come back as held-out ones. A run therefore keeps its own.
"""

from pathlib import Path

import numpy as np

from reid_jax.data import Dataset, QueryGallery, Splits, load_dataset
from reid_jax.data.names import composed
from reid_jax.errors import UserError
from reid_jax.files import atomic_write
from reid_jax.training.config import DataConfig
from reid_jax.training.config_file import has_begun
from reid_jax.training.experiment import load_data

_NAME = "split.npz"
_NAMES = "train_identities"


def load_run_data(
    workdir: Path, config: DataConfig, seed: int, *, training: bool
) -> tuple[Dataset, Splits]:
    """The photos of a run's source, divided as the run divided them; newly so for a new run.

    Photos that were added since belong to neither side. A run that died before it saved anything is
    a new one: it may go on as another experiment, whose division that one is not.

    Args:
      training: whether to train on them; then none may be missing.

    Raises:
      UserError: the source cannot be read or divided, or photos to train on, or all to test on,
        are gone.
    """
    file = workdir / _NAME
    if not file.is_file() or (training and not has_begun(workdir)):
        return load_data(config, seed)
    with np.load(file) as kept:
        stored = {name: kept[name] for name in kept.files}
    used = {path for name, paths in stored.items() if name != _NAMES for path in paths.tolist()}
    # What is read of a folder has changed with this program: what the run used stays its own.
    dataset = load_dataset(config.source, seed=seed, keep=used)
    return dataset, _read(stored, dataset, training=training)


def keep_split(workdir: Path, dataset: Dataset, splits: Splits) -> None:
    """Writes the division beside the run's configuration; a run that has begun keeps its own."""
    if (workdir / _NAME).is_file() and has_begun(workdir):
        return
    parts = {"train": splits.train, **_parts(splits)}
    names = np.asarray(dataset.identities)[dataset.labels]
    with atomic_write(workdir / _NAME) as file:
        np.savez_compressed(
            file,
            **{_NAMES: names[splits.train]},
            **{part: dataset.paths[rows].astype(str) for part, rows in parts.items()},
        )


def _parts(splits: Splits) -> dict[str, np.ndarray]:
    parts = {"test_query": splits.test.query, "test_gallery": splits.test.gallery}
    if splits.validation is not None:
        parts["validation_query"] = splits.validation.query
        parts["validation_gallery"] = splits.validation.gallery
    return parts


def _read(stored: dict[str, np.ndarray], dataset: Dataset, *, training: bool) -> Splits:
    place = {path: row for row, path in enumerate(dataset.paths.tolist())}
    names = np.asarray(dataset.identities)[dataset.labels]
    identities = np.array([composed(name) for name in stored.pop(_NAMES).tolist()], np.str_)
    rows: dict[str, np.ndarray] = {}
    gone: set[str] = set()
    for part, paths in stored.items():
        found = [place[path] for path in paths.tolist() if path in place]
        gone |= set(paths.tolist()) - place.keys()
        rows[part] = np.asarray(found, np.int64)
    complete = len(rows["train"]) == len(identities)
    if training and not (complete and np.array_equal(names[rows["train"]], identities)):
        example = f", such as {min(gone)}" if gone else ""
        raise UserError(
            f"Photos that this run trained on are gone or show somebody else now{example}; bring "
            "them back, or train into another --workdir."
        )
    if not len(rows["test_query"]) or not len(rows["test_gallery"]):
        raise UserError(
            f"The photos that this run held out are gone, such as {min(gone)}; bring them back."
        )
    if gone:
        print(f"{len(gone)} photos of the run are no longer in its source, such as {min(gone)}")
    validation = None
    if "validation_query" in rows:
        validation = QueryGallery(rows["validation_query"], rows["validation_gallery"])
    return Splits(rows["train"], validation, QueryGallery(rows["test_query"], rows["test_gallery"]))
