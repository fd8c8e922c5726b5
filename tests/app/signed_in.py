"""Browsers in which somebody has signed in, as tests use them."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from reid_jax.app.people.users import Users
from tests.app.conftest import write_shown
from tests.app.running import Reply, Running, serving

PASSWORD = "a horse, a battery"


@contextmanager
def closed_server(folder: Path, roles: Mapping[str, str]) -> Iterator[Running]:
    """A running server of a small gallery, in which these people have these roles."""
    write_shown(folder / "gallery", folder / "photos")
    (folder / "server").mkdir()
    users = Users(folder / "server" / "users.sqlite")
    for name, role in roles.items():
        users.add(name, role, PASSWORD)
    users.close()
    with serving(folder / "server", "--gallery", folder / "gallery") as running:
        yield running


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
