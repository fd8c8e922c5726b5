"""Bodies of requests that are JSON, of a known shape."""

import json
from typing import Any

from starlette.requests import Request

from reid_jax.app.safety import RefusedError

_DEEPEST = 200  # brackets; a parser that calls itself has an end


async def read_json(request: Request) -> dict[str, Any]:
    """The object in the body.

    Raises:
      RefusedError: it is something else, or says that it is.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RefusedError(415, "Send JSON, and say so.")
    body = await request.body()
    if body.count(b"[") + body.count(b"{") > _DEEPEST:
        raise RefusedError(400, "This is no JSON that is known here.")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError(400, "This is no JSON.") from None
    if not isinstance(found, dict):
        raise RefusedError(422, "Send an object.")
    return found


def text_of(body: dict[str, Any], name: str, longest: int = 200) -> str:
    """A text of an object, "" where there is none.

    Raises:
      RefusedError: it is no text, too long, or holds what no line holds.
    """
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > longest:
        raise RefusedError(422, f"{name} is a text of {longest} letters at most.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise RefusedError(422, f"{name} is no text.") from None
    if any(not letter.isprintable() for letter in value):
        raise RefusedError(422, f"{name} is a line of text.")
    return value.strip()
