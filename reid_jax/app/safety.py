"""What stands before every route: whose request it is, how large it may be, what a browser may do.

A page of another site cannot reach the server: its requests name another host (DNS rebinding) or
come from another origin, and both are refused.
"""

import asyncio
import re
import time
import traceback
from collections.abc import Callable, Container
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reid_jax.app.arrivals import UnwrittenError
from reid_jax.app.logs import Log, Numbers
from reid_jax.app.people.entrance import Entrance
from reid_jax.app.refusals import RefusedError
from reid_jax.errors import UserError

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_READING = ("GET", "HEAD")
_METHODS = (*_READING, "POST", "DELETE")
_PATIENCE = 30.0  # seconds for the next bytes of a request
_LENGTH = re.compile(r"[0-9]{1,15}")
_LONGEST_PATH, _LONGEST_QUERY = 1_000, 8_000


_SENTENCES = {404: "There is no such page.", 405: "There is no such method."}


@dataclass(frozen=True)
class Guard:
    """ASGI middleware.

    Attributes:
      app: what answers.
      hosts: holds `host:port` under which the server is known.
      largest: bytes that the body of a request may have, by its path.
      entrance: who lets requests in.
      page: a page that says an error to a person, by status and sentence.
      log, numbers: what is said of it.
    """

    app: ASGIApp
    hosts: Container[str]
    largest: Callable[[str], int]
    entrance: Entrance
    page: Callable[[int, str], str]
    log: Log
    numbers: Numbers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or hands it on; whatever happens, there is an answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def guarded_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._answer(scope, receive, guarded_send)
        except RefusedError as error:
            self.numbers.event(f"refused_{error.status}")
            if not status:
                await self._say(scope, receive, guarded_send, error.status, str(error))
        except HTTPException as error:
            if not status:
                sentence = _SENTENCES.get(error.status_code, str(error.detail))
                await self._say(scope, receive, guarded_send, error.status_code, sentence)
        except ClientDisconnect:
            self.numbers.event("disconnected")
        except UserError as error:
            if not status:
                refusal = 507 if isinstance(error, UnwrittenError) else 422
                await self._say(scope, receive, guarded_send, refusal, str(error))
        except Exception as error:
            where = traceback.format_exc(limit=-6)
            self.log.write("failed", error=type(error).__name__, where=where)
            if not status:
                sentence = "Something went wrong; the log of the server says what."
                await self._say(scope, receive, guarded_send, 500, sentence)
        finally:
            route = getattr(scope.get("endpoint"), "__name__", "none")
            seconds = time.perf_counter() - started
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self.numbers.request(route, method, status, seconds)
            self.log.write(
                "request", route=route, method=method, status=status, ms=round(1000 * seconds, 1)
            )

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        _check_shape(scope)
        self._check_origin(scope, headers)
        self.entrance.check(scope, headers)
        most = self.largest(scope["path"])
        _check_length(headers, most)
        got, ended = 0, False

        async def bounded() -> Message:
            nonlocal got, ended
            if ended:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), _PATIENCE)
            except TimeoutError:
                raise RefusedError(408, "The request came too slowly.") from None
            got += len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if got > most:
                raise RefusedError(413, f"The request is larger than {most:,} bytes.")
            return message

        await self.app(scope, bounded, send)

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            raise RefusedError(421, "This server has another name.")
        if scope["method"] in _READING:
            return
        origins = headers.getlist("origin")
        if any(not self._is_ours(origin) for origin in origins) or len(origins) > 1:
            raise RefusedError(403, "Another site may not ask for this.")
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise RefusedError(403, "Another site may not ask for this.")

    async def _say(
        self, scope: Scope, receive: Receive, send: Send, status: int, sentence: str
    ) -> None:
        found: Response
        person = "text/html" in Headers(scope=scope).get("accept", "")
        if person and scope["method"] in _READING and status == 401:
            query = scope["query_string"].decode("latin-1")
            after = quote(f"{scope['path']}?{query}" if query else scope["path"], safe="/")
            found = RedirectResponse(f"/sign-in?after={after}", 303)
        elif person and scope["method"] in _READING:
            found = HTMLResponse(self.page(status, sentence), status)
        else:
            found = JSONResponse({"error": sentence}, status)
        if scope["method"] not in _READING or status in (400, 414):  # the rest of it is not read
            found.headers["Connection"] = "close"
        await found(scope, receive, send)

    def _is_ours(self, origin: str) -> bool:
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and parts.netloc.lower() in self.hosts


def _check_shape(scope: Scope) -> None:
    path: str = scope["path"]
    raw: bytes = scope.get("raw_path") or b""
    if scope["method"] not in _METHODS:
        raise RefusedError(405, "There is no such method.")
    if len(raw) > _LONGEST_PATH or len(scope["query_string"]) > _LONGEST_QUERY:
        raise RefusedError(414, "The address is too long.")
    odd = any(not letter.isprintable() for letter in path) or "\\" in path or "//" in path
    if odd or not path.startswith("/") or {".", ".."} & set(path.split("/")):
        raise RefusedError(400, "There is no such address.")


def _check_length(headers: Headers, most: int) -> None:
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise RefusedError(415, "Send it as it is, not compressed.")
    lengths = headers.getlist("content-length")
    if lengths and (len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0])):
        raise RefusedError(400, "The length of the request is not a number.")
    if lengths and int(lengths[0]) > most:
        raise RefusedError(413, f"The request is larger than {most:,} bytes.")
