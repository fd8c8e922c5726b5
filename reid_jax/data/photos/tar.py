"""Photos in tars, whose members are named as files below a folder are."""

import os
import re
from collections.abc import Collection, Iterator

from reid_jax.console import Bar
from reid_jax.data.elsewhere import index_shard
from reid_jax.data.listing import Look, looking_at
from reid_jax.data.photos.dataset import Dataset
from reid_jax.data.photos.folder import dataset_below
from reid_jax.errors import UserError
from reid_jax.platforms import with_slashes
from reid_jax.remote.storage import is_url, list_url

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


def tar_dataset(path: str, *, unnamed: bool = False, keep: Collection[str] = ()) -> Dataset:
    """The photos in tars, which are read from there: `individual/.../photo`, see `folder`.

    Args:
      path: a tar, a folder of tars, or several as `{000..099}.tar`; also by URL.
      unnamed, keep: see `folder.folder_dataset`.

    Raises:
      UserError: a tar is missing, damaged or compressed, or there is no usable photo.
    """
    looks: dict[str, Look] = {}
    shards = _shards(path if is_url(path) else with_slashes(os.path.expanduser(path)))
    bar = Bar("Looking into tars", len(shards))
    for number, shard in enumerate(shards):
        bar.update(number)
        members = index_shard(shard)
        looks[shard] = looking_at((name for name in members if name[:2] != ".."), shard)
    bar.close()
    return dataset_below(looks, path, unnamed=unnamed, keep=keep)


def _shards(path: str) -> list[str]:
    if _RANGE.search(path):
        return list(_numbered(path))
    if path.lower().endswith(".tar"):
        return [path]
    folder = path.rstrip("/") or "/"
    if is_url(path):
        names = [name for name in list_url(folder) if "/" not in name]
    else:
        names = os.listdir(folder) if os.path.isdir(folder) else []
    shards = [f"{folder}/{name}" for name in sorted(names) if name.lower().endswith(".tar")]
    if not shards:
        raise UserError(
            f"There is no .tar in {path}: tar: needs one, a folder of them, or {{000..099}}.tar."
        )
    return shards


def _numbered(path: str) -> Iterator[str]:
    """`a{08..10}b` as a08b, a09b, a10b; several ranges one in the other."""
    match = _RANGE.search(path)
    if match is None:
        yield path
        return
    first, last = match[1], match[2]
    for number in range(int(first), int(last) + 1):
        yield from _numbered(f"{path[: match.start()]}{number:0{len(first)}d}{path[match.end() :]}")
