"""Omniglot: characters as individuals, drawn by twenty people (Lake et al., Science 2015)."""

import io
import os
import zipfile

import numpy as np

from reid_jax.data.photos.dataset import Dataset
from reid_jax.data.photos.images import BadImageError, read_image
from reid_jax.errors import UserError
from reid_jax.platforms import with_slashes

SIDE = 105


def omniglot_dataset(paths: list[str]) -> Dataset:
    """Reads official zips (`images_background.zip`, ...) or the folders they unpack to.

    An individual is a character, "Alphabet/characterNN"; columns "alphabet" and "drawer" ("01" to
    "20", from the file's name). Pixels are uint8 105 x 105 x 1 in memory, black ink on white as in
    the files, so that the same drawings read as `folder:` look the same. A drawing that is in
    several of the zips, as Greek and Latin are in both small ones, is taken once. Of several
    paths the first is "train" in the column "split" and the others are "test": what they add.

    Raises:
      UserError: a path does not exist, is not a zip, or holds no alphabet.
    """
    names: list[str] = []
    split: list[str] = []
    pixels: list[np.ndarray] = []
    seen: set[str] = set()
    skipped: list[tuple[str, str]] = []
    for path in (os.path.expanduser(path.strip()) for path in paths):
        part_of = "test" if names else "train"
        drawings = _drawings(path)
        if not drawings:
            raise UserError(
                f"{path} holds no Omniglot drawing: expected Alphabet/characterNN/NNNN_NN.png, as "
                "in images_background.zip."
            )
        for name, data in drawings:
            if name in seen:
                continue
            seen.add(name)
            try:
                pixels.append(read_image(io.BytesIO(data), SIDE, 1))
                names.append(name)
                split.append(part_of)
            except BadImageError as error:
                skipped.append((f"{path}/{name}", error.reason))
    if not names:
        raise UserError(f"{paths[0]} holds no usable drawing: {skipped[0][0]}: {skipped[0][1]}.")
    parts = [name.split("/") for name in names]
    identities, labels = np.unique([f"{p[0]}/{p[1]}" for p in parts], return_inverse=True)
    return Dataset(
        paths=np.array(names),
        labels=labels.astype(np.int32),
        identities=tuple(identities.tolist()),
        columns={
            "alphabet": np.array([part[0] for part in parts]),
            "split": np.array(split),
            "drawer": np.array([part[2].rpartition(".")[0].rpartition("_")[2] for part in parts]),
        },
        pixels=np.stack(pixels),
        skipped=tuple(skipped),
    )


def _drawings(path: str) -> list[tuple[str, bytes]]:
    """("Alphabet/characterNN/file.png", contents) of each drawing, sorted."""
    if os.path.isdir(path):
        found = {}
        for folder, _, files in os.walk(path):
            for file in files:
                # An alphabet's own folder, given as the path, still names the alphabet.
                full = with_slashes(os.path.join(os.path.abspath(folder), file))
                if name := _drawing_name(full):
                    with open(full, "rb") as stream:
                        found[name] = stream.read()
        return sorted(found.items())
    if not os.path.exists(path):
        raise UserError(
            f"{path} does not exist: omniglot: needs images_background.zip or the like, or the "
            "folder it unpacks to."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            entries = ((_drawing_name(entry), entry) for entry in archive.namelist())
            return sorted((name, archive.read(entry)) for name, entry in entries if name)
    except (zipfile.BadZipFile, OSError, RuntimeError) as error:
        raise UserError(f"{path} is not a readable zip file: {error}.") from error


def _drawing_name(path: str) -> str | None:
    parts = path.split("/")
    drawn = len(parts) >= 3 and parts[-2].startswith("character") and parts[-1].endswith(".png")
    return "/".join(parts[-3:]) if drawn and not parts[-1].startswith(".") else None
