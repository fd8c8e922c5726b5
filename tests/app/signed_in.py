"""Browsers in which somebody has signed in, as tests use them."""

import re
from collections.abc import Mapping

from tests.app.running import Reply, Running

PASSWORD = "a horse, a battery"


def sign_in(running: Running, name: str, password: str = PASSWORD) -> Reply:
    return running.ask("POST", "/v1/session", {"name": name, "password": password})


def headers_of(running: Running, name: str, password: str = PASSWORD) -> Mapping[str, str]:
    """What the pages of somebody who signs in send with each request."""
    reply = sign_in(running, name, password)
    assert reply.status == 200, reply.body
    cookie = reply.headers["set-cookie"].partition(";")[0]
    page = running.get("/individuals", Cookie=cookie).body.decode()
    [shown] = re.findall(r'<meta name="of-page" content="([^"]+)">', page)
    return {"Cookie": cookie, "X-Reid-Jax-Page": shown}
