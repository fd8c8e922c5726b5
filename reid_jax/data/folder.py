"""A folder for each individual."""

import os
from collections.abc import Iterator

import numpy as np

from reid_jax.data.content import COLUMN
from reid_jax.data.dataset import Dataset
from reid_jax.data.images import check_images, is_photo_name
from reid_jax.errors import UserError


def folder_dataset(path: str) -> Dataset:
    """The photos below `path`: each folder directly in it is an individual.

    Folders may be nested and linked to any depth. Hidden files and folders, `__MACOSX` and files
    that do not have the extension of an image are passed over. Where no folder holds a photo but
    `path` itself does, they all belong to one individual called "unknown": enough to embed them.

    Raises:
      UserError: `path` is not a folder, or there is no usable photo in it.
    """
    root = os.path.expanduser(path)
    if not os.path.isdir(root):
        what = "is not a folder" if os.path.exists(root) else "does not exist"
        raise UserError(f"{path} {what}: folder: needs a folder with one folder per individual.")
    skipped: list[tuple[str, str]] = []
    loose: list[str] = []
    files: list[str] = []
    names: list[str] = []
    for file in find_photos(root, skipped):
        individual, separator, _ = os.path.relpath(file, root).partition(os.sep)
        if separator:
            files.append(file)
            names.append(individual)
        else:
            loose.append(file)
    if files:
        skipped.extend((file, "not in the folder of an individual") for file in loose)
    else:
        files, names = loose, ["unknown"] * len(loose)
    return checked_dataset(files, names, {}, skipped, path)


def find_photos(
    folder: str, skipped: list[tuple[str, str]], ancestors: tuple[str, ...] = ()
) -> Iterator[str]:
    """Files with the extension of an image below `folder`, in order of their names.

    Folders that cannot be read are added to `skipped`, with the reason.
    """
    ancestors = ancestors or (os.path.realpath(folder),)
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        skipped.append((folder, f"the folder cannot be read ({error.strerror})"))
        return
    for name in names:
        path = os.path.join(folder, name)
        if name.startswith(".") or name == "__MACOSX":
            continue
        if os.path.isdir(path):
            real = os.path.realpath(path)
            if real not in ancestors:  # a link back up would never end
                yield from find_photos(path, skipped, (*ancestors, real))
        elif is_photo_name(name):
            yield path


def checked_dataset(
    files: list[str],
    names: list[str],
    columns: dict[str, np.ndarray],
    skipped: list[tuple[str, str]],
    source: str,
) -> Dataset:
    """A dataset of those files that can be decoded, with the others added to `skipped`.

    Raises:
      UserError: none is left.
    """
    reasons, digests = check_images(files)
    columns = {**columns, COLUMN: digests}
    skipped = skipped + [(f, reason) for f, reason in zip(files, reasons, strict=True) if reason]
    usable = np.array([reason is None for reason in reasons], bool)
    if not usable.any():
        example = f" ({len(skipped)} were skipped, {': '.join(skipped[0])})" if skipped else ""
        raise UserError(
            f"There is no usable photo in {source}{example}: it needs images such as .jpg or .png, "
            "in a folder or under a name for each individual."
        )
    identities, labels = np.unique(np.array(names)[usable], return_inverse=True)
    return Dataset(
        paths=np.array(files)[usable],
        labels=labels.astype(np.int32),
        identities=tuple(identities.tolist()),
        columns={name: column[usable] for name, column in columns.items()},
        skipped=tuple(skipped),
    )
