"""Whether files can be used as photos: each is decoded once, before anything long starts."""

import contextlib
import functools
import os
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL

from reid_jax.data import cache, crops
from reid_jax.data.crops import whole_and_box
from reid_jax.data.digests import DTYPE, file_digest, part_digest
from reid_jax.data.elsewhere import is_elsewhere
from reid_jax.data.parallel import parallel_map
from reid_jax.data.photos import cropping, images
from reid_jax.data.photos.images import (
    MINIMUM_SIDE,
    BadImageError,
    opened,
    read_image,
    reason_of,
)
from reid_jax.files import digest_of

_YOUNG = 2_000_000_000  # nanoseconds

Checked = tuple[list[str | None], np.ndarray]
Check = Callable[[Sequence[str]], Checked]
dividing: ContextVar[Callable[[Check, Sequence[str]], Checked] | None] = ContextVar(
    "dividing", default=None
)
"""How several processes divide the files that are checked; None where this one does all."""


looking: ContextVar[dict[str, np.ndarray] | None] = ContextVar("looking", default=None)
"""Where checks leave what they have seen, by path, ``(24, 24, 1)`` uint8, for who looks at each
photo anyway; None where nobody does. Decoding takes longer than all the rest."""

LOOK = 24  # pixels


def check_images(paths: Sequence[str]) -> Checked:
    """Decodes and digests files. In parallel, with a progress bar.

    Every file is decoded once (JPEGs at 1/8 scale, which still reads all of the file): a broken
    photo found at hour three of a training run would be worse than the time this takes, which is
    less than one epoch of the stream. Its digest is taken while the system still has it in memory.

    Returns:
      For each file the reason why it cannot be used, or None; and its digest, (N,) S32, see
      `digests.file_digest`, empty where it cannot be used.
    """
    divide = dividing.get()
    return _checked(paths) if divide is None else divide(_checked, paths)


def _checked(paths: Sequence[str]) -> Checked:
    keys = [_seen_as(path) for path in paths]
    seen = cache.found([key for key in keys if key])
    looks = looking.get()

    def decode(file: str | IO[bytes], path: str) -> None:
        if looks is None:
            read_image(file, MINIMUM_SIDE)
        else:
            looks[path] = read_image(file, LOOK, 1)

    def check(place: int) -> tuple[str | None, bytes]:
        path = paths[place]
        if (known := seen.get(keys[place])) is not None:
            return None, known
        try:
            whole, box = whole_and_box(path)
            if not is_elsewhere(whole):
                decode(path, path)
                return None, file_digest(path)
            fetched: Any = opened(whole)  # once
            fetched.name = path
            decode(fetched, path)
            return None, part_digest(digest_of(fetched), box)
        except BadImageError as error:
            return error.reason, b""
        except OSError as error:
            return reason_of(error), b""

    results = parallel_map(check, range(len(paths)), "Checking photos")
    cache.keep(
        {
            key: digest
            for key, path, (reason, digest) in zip(keys, paths, results, strict=True)
            if key and reason is None and key not in seen and key == _seen_as(path)
        }
    )
    return [reason for reason, _ in results], np.array([digest for _, digest in results], DTYPE)


def _seen_as(path: str) -> bytes:
    """Names a file that can be decoded by its place, size and times; empty where they say little.

    A file may change again within the resolution of its times: of a young one they are not enough.
    """
    whole, _ = whole_and_box(path)
    with contextlib.suppress(OSError):
        if not is_elsewhere(whole):
            facts = os.stat(whole)
            if time.time_ns() - max(facts.st_mtime_ns, facts.st_ctime_ns) > _YOUNG:
                times = facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino
                named = repr((PIL.__version__, _code(), os.path.abspath(path), times))
                return blake2b(named.encode(), digest_size=16).digest()
    return b""


@functools.cache
def _code() -> bytes:
    """What decides whether a file can be used."""
    files = (__file__, *(str(each.__file__) for each in (crops, cropping, images)))
    code = b"".join(Path(file).read_bytes() for file in files)
    return blake2b(code, digest_size=16).digest()
