"""Files that are no files of this system, opened as others are: by URL, or members of a tar.

A member is named as though its tar were a folder: `shard.tar/ann/1.jpg`. It is read from where it
lies in the tar, which is never unpacked; so a process reads of a shard what it needs.
"""

import io
import os
import posixpath
import re
import tarfile
from typing import IO, NamedTuple

from reid_jax.errors import UserError
from reid_jax.remote.storage import is_url, patiently_remote, place, read_url, refused

_MEMBER = re.compile(r"(.*?\.tar)/(.*)", re.IGNORECASE | re.DOTALL)
_AHEAD = 2**20  # bytes that are fetched at a time where headers are looked for


class Extent(NamedTuple):
    """Where the bytes of a member are in its tar."""

    start: int
    size: int


_shards: dict[str, dict[str, Extent] | None] = {}


def is_elsewhere(path: str) -> bool:
    """Whether a path is a URL, or of a member of a tar."""
    return is_url(path) or _extent(path) is not None


def open_binary(path: str) -> IO[bytes]:
    """A file, opened to be read; one that is elsewhere is fetched whole.

    Raises:
      OSError: it is not there or may not be read.
      UserError: the connection fails.
    """
    return _Named(_read(path), path) if is_elsewhere(path) else open(path, "rb")


def open_head(path: str, size: int) -> IO[bytes]:
    """The same for its first bytes alone, where it is elsewhere."""
    return _Named(_read(path, size), path) if is_elsewhere(path) else open(path, "rb")


class _Named(io.BytesIO):
    def __init__(self, data: bytes, name: str):
        super().__init__(data)
        self.name = name


def _read(path: str, size: int | None = None) -> bytes:
    found = _extent(path)
    if found is None:
        return read_url(path, 0 if size else None, size)
    shard, (start, length) = found
    stop = start + (length if size is None else min(size, length))
    if stop == start:
        return b""
    if is_url(shard):
        return read_url(shard, start, stop)
    with open(shard, "rb") as file:
        file.seek(start)
        return file.read(stop - start)


def _extent(path: str) -> tuple[str, Extent] | None:
    match = _MEMBER.match(path)
    if match is None:
        return None
    shard = match[1]
    if shard not in _shards:
        there = _is_file_at(shard) if is_url(shard) else os.path.isfile(shard)
        if not there:
            _shards[shard] = None
        else:
            index_shard(shard)
    members = _shards[shard]
    extent = None if members is None else members.get(match[2])
    return None if extent is None else (shard, extent)


def _is_file_at(url: str) -> bool:
    system, path = place(url)
    return bool(patiently_remote(url, "read", lambda: system.isfile(path)))


def index_shard(shard: str) -> dict[str, Extent]:
    """Where the files in a tar are, by their names; of two of one name the later one counts.

    Raises:
      UserError: it is not there, no tar, cut off, or compressed.
    """

    def index() -> dict[str, Extent]:
        try:
            with _opened(shard) as file, tarfile.open(fileobj=file, mode="r:") as tar:
                return {
                    posixpath.normpath(each.name).lstrip("/"): Extent(each.offset_data, each.size)
                    for each in tar
                    if each.isreg() and not each.issparse()
                }
        except (tarfile.TarError, EOFError) as error:
            raise UserError(
                f"{shard} is no tar, or compressed, or cut off ({error}); photos are read out of "
                "plain .tar files."
            ) from error

    try:
        members = patiently_remote(shard, "read", index) if is_url(shard) else index()
    except OSError as error:
        raise refused(shard, error) from error
    _shards[shard] = members
    return members


def _opened(shard: str) -> IO[bytes]:
    if not is_url(shard):
        return open(shard, "rb")
    system, path = place(shard)
    file: IO[bytes] = system.open(path, "rb", block_size=_AHEAD, cache_type="readahead")
    return file
