"""Market-1501 and what has its layout (DukeMTMC-reID): people seen by cameras."""

import os
import re
from collections.abc import Collection

import numpy as np

from reid_jax.data.photos.dataset import Dataset
from reid_jax.data.photos.folder import Found, checked_dataset, find_photos
from reid_jax.errors import UserError
from reid_jax.platforms import with_slashes

DISTRACTORS = "distractors"
_PARTS = {"bounding_box_train": "train", "query": "query", "bounding_box_test": "gallery"}
_NAME = re.compile(r"(-1|\d+)_c(\d+)")
_JUNK = "junk (-1)"


def market_dataset(path: str, *, keep: Collection[str] = ()) -> Dataset:
    """Reads a folder with `bounding_box_train`, `query` and `bounding_box_test`.

    Zheng et al. (ICCV 2015), "Scalable person re-identification: a benchmark". A photo is called
    `0002_c1s1_000451_03.jpg`: who it is, and the camera. Columns "camera" ("c1") and "split":
    "train", "query" and "gallery", the test. Of the test photos those of "-1" are junk, which the
    published protocol ignores: they are counted in `Dataset.passed_over`. Those of "0000" are
    distractors: they are searched among, as one individual that nobody searches for.

    Args:
      path: the folder.
      keep: see `folder.folder_dataset`.

    Raises:
      UserError: the folder or one of the three in it is missing, or a part has no usable photo.
    """
    root = with_slashes(os.path.expanduser(path)).rstrip("/")
    missing = [part for part in _PARTS if not os.path.isdir(f"{root}/{part}")]
    if missing:
        raise UserError(
            f"{path} has no folder {' and no '.join(missing)}: market: needs the folder of "
            "Market-1501, which holds bounding_box_train, query and bounding_box_test."
        )
    found = Found(keep=keep)
    columns: dict[str, list[str]] = {"camera": [], "split": []}
    for part, side in _PARTS.items():
        for file in find_photos(f"{root}/{part}", found):
            name = _NAME.match(os.path.basename(file))
            if name is None:
                found.skipped.append((file, "its name is not like 0002_c1s1_000451_03.jpg"))
            elif name[1] == "-1":
                found.passed_over[_JUNK] += 1
            elif found.add(file, name[1] if int(name[1]) else DISTRACTORS):
                columns["camera"].append(f"c{name[2]}")
                columns["split"].append(side)
    arrays = {name: np.array(values, np.str_) for name, values in columns.items()}
    return checked_dataset(found, arrays, root)
