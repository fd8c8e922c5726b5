"""Files of repositories on the Hugging Face hub: whole, checked once, kept in its own cache."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from reid_jax.console import others_quiet
from reid_jax.errors import UserError, missing

_PATIENCE = 10  # seconds until an answer has to begin


def fetched(repository: str, files: tuple[str, ...]) -> Path:
    """Where the first of some files is that a repository has.

    What came before is taken where the hub does not answer. A file that has come is compared with
    the SHA-256 that the hub gives, by which it names large ones.

    Raises:
      UserError: it cannot be had: whether the hub does not answer, does not know the repository,
        wants a login, has none of the files, broke off, or sent another file than it named.
    """
    try:
        import huggingface_hub
        from huggingface_hub.errors import (
            EntryNotFoundError,
            GatedRepoError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
        )
    except ImportError:
        raise missing(f"{repository}", "huggingface_hub", "weights") from None
    endpoint = _endpoint()
    kept = [_kept(repository, file) for file in files]
    if (silence := _silence(endpoint)) is not None:
        if (there := next(filter(None, kept), None)) is not None:
            return there
        raise _refusal(repository, files, f"{endpoint} does not answer, {silence}")
    for file, before in zip(files, kept, strict=True):
        try:
            with others_quiet():
                found = huggingface_hub.hf_hub_download(
                    repository, file, endpoint=endpoint, etag_timeout=_PATIENCE
                )
        except GatedRepoError:
            raise _refusal(repository, files, "its owner asks for a login, see HF_TOKEN") from None
        except RepositoryNotFoundError:
            raise _refusal(repository, files, "there is none of that name") from None
        except LocalEntryNotFoundError as error:
            raise _refusal(repository, files, _first_line(error)) from None
        except EntryNotFoundError:
            continue
        except Exception as error:
            raise _refusal(repository, files, f"it broke off, {_first_line(error)}") from None
        path = Path(found)
        if before is None or path.resolve() != before.resolve():
            _check(path, repository)
        return path
    raise _refusal(repository, files, f"it has no {' and no '.join(files)}")


def _endpoint() -> str:
    from huggingface_hub import constants

    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def _kept(repository: str, file: str) -> Path | None:
    from huggingface_hub import constants, try_to_load_from_cache

    found = try_to_load_from_cache(repository, file, cache_dir=constants.HF_HUB_CACHE)
    return Path(found) if isinstance(found, str) else None


def _silence(endpoint: str) -> str | None:
    """Why a server cannot be asked; None where it answers, be it with a refusal.

    The library itself goes on asking for minutes.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        session: Any = get_session()
        session.head(endpoint, timeout=_PATIENCE)
    except Exception as error:
        return _first_line(error)
    return None


def _check(path: Path, repository: str) -> None:
    """Removes a file whose content is not what its name in the cache says."""
    blob = path.resolve()
    if not re.fullmatch(r"[0-9a-f]{64}", blob.name):  # small files have another kind of name
        return
    with blob.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != blob.name:
        blob.unlink()
        path.unlink(missing_ok=True)
        raise UserError(
            f"{path.name} of {repository} has another checksum than the hub names "
            f"({digest[:12]}..., not {blob.name[:12]}...), so it was removed: fetch it again."
        )


def _refusal(repository: str, files: tuple[str, ...], reason: str) -> UserError:
    return UserError(
        f"{repository} could not be fetched from the Hugging Face hub ({reason}): with no network, "
        f"pass the path of its {files[0]}."
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".:")
