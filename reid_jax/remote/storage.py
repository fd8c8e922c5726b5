"""Files by URL (`s3://`, `gs://`, `memory://`, whatever fsspec knows), and errors in a sentence.

Nothing is cached here. What breaks on the way is tried again; then it is an error of its own, so
that a connection that fails is never taken for a file that is damaged or not there.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from reid_jax.errors import UserError, missing

Result = TypeVar("Result")

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")  # longer than a drive of Windows
_EXTRA = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
_PAUSES = (1.0, 4.0)  # seconds before another try; the libraries themselves try five times
_FINAL = (FileNotFoundError, PermissionError, FileExistsError, NotADirectoryError, ImportError)
_VERSIONS = ("ETag", "etag", "generation", "md5Hash", "content_md5", "mtime", "created")


class Facts(NamedTuple):
    """What a listing says of a file: its size, and a text that another content changes."""

    size: int
    version: str


def is_url(path: str) -> bool:
    """Whether a path is a URL."""
    return _URL.match(path) is not None


def place(url: str) -> tuple[Any, str]:
    """The file system of fsspec that a URL is of, and the path in it.

    Raises:
      UserError: nothing knows such URLs.
    """
    from fsspec.core import url_to_fs

    kind = url.partition("://")[0]
    try:
        return url_to_fs(url)
    except ImportError as error:
        if kind in _EXTRA:
            raise missing(f"{kind}://", _EXTRA[kind], "remote") from error
        raise UserError(f"{url} cannot be reached: {error}.") from error
    except ValueError as error:
        raise UserError(f"{url} cannot be reached: {_first_line(error)}.") from error


def patiently_remote(url: str, verb: str, action: Callable[[], Result]) -> Result:
    """What an action returns; it is tried again after what may pass.

    Raises:
      FileNotFoundError, FileExistsError, PermissionError: as the action does.
      UserError: there are no credentials, or it did not work at the third time either.
    """
    for pause in (*_PAUSES, None):
        try:
            return action()
        except (UserError, *_FINAL):
            raise
        except Exception as error:
            if "Credentials" in type(error).__name__:
                raise _without_credentials(url) from error
            if pause is None:
                raise UserError(
                    f"{url} cannot be {verb} at present ({_first_line(error)}); the same "
                    "command tries again."
                ) from error
        time.sleep(pause)
    raise AssertionError


def refused(url: str, error: OSError, verb: str = "read") -> UserError:
    """What to say where a URL is not there, or not for this user."""
    if isinstance(error, FileNotFoundError):
        bucket = "bucket" in str(error).lower()
        return UserError(f"{url} does not exist{': there is no such bucket' if bucket else ''}.")
    return UserError(f"{url} may not be {verb} ({_first_line(error)}).")


def read_url(url: str, start: int | None = None, stop: int | None = None) -> bytes:
    """The bytes of a file, or those from `start` to `stop`.

    Raises:
      FileNotFoundError, PermissionError: there is none, or not for this user.
      UserError: it cannot be read now.
    """
    system, path = place(url)
    return patiently_remote(url, "read", lambda: system.cat_file(path, start=start, end=stop))


def list_url(url: str) -> dict[str, Facts]:
    """All files at any depth below a URL, by their paths from it; "" is a file of that very URL.

    Raises:
      UserError: it cannot be listed, or there is no such bucket.
    """
    system, root = place(url)
    root = root.rstrip("/")

    def find() -> dict[str, Any]:
        system.invalidate_cache()
        return system.find(root, detail=True)

    try:
        found = patiently_remote(url, "listed", find)
    except _FINAL as error:
        raise refused(url, error, "listed") from error  # type: ignore[arg-type]
    return {
        name.removeprefix(root).lstrip("/"): Facts(int(facts.get("size") or 0), _version(facts))
        for name, facts in found.items()
        if facts.get("type") == "file" and not name.endswith("/")  # a console makes "folders"
    }


def fetch(url: str, file: Path) -> None:
    """Copies a file from a URL to here.

    Raises:
      FileNotFoundError, PermissionError: there is none, or not for this user.
      UserError: it cannot be read now.
    """
    system, path = place(url)
    patiently_remote(url, "read", lambda: system.get_file(path, str(file)))


def put(file: Path, url: str) -> None:
    """Copies a file from here to a URL, where it is seen when it is whole.

    Raises:
      UserError: it cannot be, now or ever.
    """
    system, path = place(url)
    try:
        patiently_remote(url, "written", lambda: system.put_file(str(file), path))
    except _FINAL as error:
        raise refused(url, error, "written") from error  # type: ignore[arg-type]


def remove(url: str) -> None:
    """Removes a file, if it is there.

    Raises:
      UserError: it cannot be.
    """
    system, path = place(url)
    try:
        patiently_remote(url, "removed", lambda: system.rm_file(path))
    except FileNotFoundError:
        pass
    except _FINAL as error:
        raise refused(url, error, "removed") from error  # type: ignore[arg-type]


def write_new(url: str, text: str) -> bool:
    """Writes a file unless it is there; whether it did.

    Of two who do so at once one alone succeeds, where the storage has conditional writes, as S3 and
    Google's have. Elsewhere it is looked whether there is one, and written then.
    """
    system, path = place(url)

    def write() -> bool:
        try:
            system.pipe_file(path, text.encode(), mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            if "condition" in str(error).lower():  # how some storages say the same
                return False
            raise
        except (NotImplementedError, TypeError):
            if system.exists(path):
                return False
            system.pipe_file(path, text.encode())
        return True

    try:
        return patiently_remote(url, "written", write)
    except _FINAL as error:
        raise refused(url, error, "written") from error  # type: ignore[arg-type]


def write(url: str, text: str) -> None:
    """Writes a text, in the place of what is there."""
    system, path = place(url)
    patiently_remote(url, "written", lambda: system.pipe_file(path, text.encode()))


def written_at(url: str) -> float:
    """When a file was written, in seconds since 1970 by the clock of the storage.

    Raises:
      FileNotFoundError: there is none.
    """
    system, path = place(url)

    def modified() -> float:
        system.invalidate_cache()
        return float(system.modified(path).timestamp())

    return patiently_remote(url, "read", modified)


def _version(facts: dict[str, Any]) -> str:
    return next((str(facts[name]) for name in (*_VERSIONS, "size") if facts.get(name)), "0")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _without_credentials(url: str) -> UserError:
    return UserError(
        f"{url} needs credentials, and there are none: log in with the tool of that storage, or "
        "set its variables (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for s3://, "
        "GOOGLE_APPLICATION_CREDENTIALS for gs://)."
    )
