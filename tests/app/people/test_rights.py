"""Who may ask for what: each route for nobody, each role and each kind of token."""

import re
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from reid_jax.app.arrivals import Arrivals
from reid_jax.app.logs import Log, Numbers
from reid_jax.app.people.rights import OF_ROLES, OF_SCOPES, ROLES, ROUTES
from reid_jax.app.people.users import Users
from reid_jax.app.places import Places
from reid_jax.app.routes.doubts import DoubtRoutes
from reid_jax.app.routes.photos import PhotoRoutes
from reid_jax.app.server import Served, routes_of, serve
from reid_jax.app.site import Site
from reid_jax.app.tokens import Tokens
from reid_jax.errors import UserError
from tests.app.conftest import write_shown
from tests.app.running import picture, serving
from tests.app.signed_in import PASSWORD, closed_server, headers_of, sign_in

RIGHTS = {
    "nobody": frozenset(("anyone",)),
    **OF_ROLES,
    **{f"a token to {scope}": rights for scope, rights in OF_SCOPES.items()},
}


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A running server with a user of each role, and a token of each scope."""
    folder = tmp_path_factory.mktemp("closed")
    with closed_server(folder, {f"A {role}": role for role in ROLES}) as running:
        tokens = Tokens(folder / "server" / "tokens.json")
        shown = {
            f"a token to {scope}": {"Authorization": f"Bearer {tokens.make(scope, scope)}"}
            for scope in OF_SCOPES
        }
        shown |= {role: headers_of(running, f"A {role}") for role in ROLES}
        yield SimpleNamespace(running=running, shown={"nobody": {}, **shown})


def test_each_route_stands_in_the_table(tmp_path):
    places = Places(tmp_path)
    places.prepare()
    site = Site("x", places, Arrivals(places.arrivals), Log(places.log), Numbers())
    routes = routes_of(
        site, PhotoRoutes(site), DoubtRoutes(site), Users(places.users), encrypted=False
    )
    there = {(method, route.path) for route in routes for method in route.methods - {"HEAD"}}
    assert there == set(ROUTES)


def test_nobody_changes_anything_and_readers_only_look():
    for (method, path), right in ROUTES.items():
        if right == "anyone":
            assert method == "GET" or path == "/v1/session"
        if method != "GET" and right == "look":
            assert path in ("/v1/me", "/v1/me/password", "/v1/session")


@pytest.mark.parametrize("who", RIGHTS)
def test_each_route_lets_in_who_may(closed, who):
    for (method, path), right in ROUTES.items():
        if (method, path) == ("DELETE", "/v1/session") and who in ROLES:
            continue  # does sign out, see below
        there = re.sub(r"\{number:int\}", "1", path)
        there = re.sub(r"\{(id|version|name|file)\}", "0" * 32, there)
        there = there.replace("{size}", "large").replace("{act}", "note")
        reply = closed.running.ask(
            method, there, b"" if method == "POST" else None, closed.shown[who]
        )
        refused = reply.status in (401, 403)
        assert refused != (right in RIGHTS[who]), (method, path, reply.status, reply.body)
        assert not refused or reply.status == (401 if who == "nobody" else 403)
        assert reply.status < 500 or path == "/readyz"


def test_who_decided_is_who_signed_in(closed):
    body = {"name": "Alma", "text": "seen by the pond"}
    shown = dict(closed.shown["reviewer"])
    shown["Cookie"] += "; reid_jax_who=Somebody%20else"
    assert closed.running.ask("POST", "/v1/gallery/note", body, shown).status == 200
    history = closed.running.ask("GET", "/v1/gallery/history", None, shown).json()["decisions"]
    assert (history[0]["who"], history[0]["words"]) == ("A reviewer", "Noted: seen by the pond")
    reply = closed.running.ask("POST", "/v1/me", {"name": "Somebody else"}, shown)
    assert reply.status == 409


def test_no_other_site_decides_in_the_name_of_who_is_signed_in(closed):
    """A browser sends the cookie whoever makes it ask; the word of a page it does not."""
    cookie = {"Cookie": closed.shown["reviewer"]["Cookie"]}
    body = {"name": "Alma", "text": "x"}
    for page in (
        {},
        {"X-Reid-Jax-Page": ""},
        {"X-Reid-Jax-Page": "x"},
        {"X-Reid-Jax-Page": "\xe4"},
    ):
        reply = closed.running.ask("POST", "/v1/gallery/note", body, {**cookie, **page})
        assert (reply.status, "earlier sign-in" in reply.json()["error"]) == (403, True)
    others = {**cookie, "X-Reid-Jax-Page": closed.shown["admin"]["X-Reid-Jax-Page"]}
    assert closed.running.ask("POST", "/v1/gallery/note", body, others).status == 403
    drop = closed.running.ask("POST", "/v1/photos?name=a.jpg", picture(1), cookie)
    assert drop.status == 403


def test_who_signs_out_is_nobody(closed):
    shown = headers_of(closed.running, "A reader")
    assert closed.running.ask("GET", "/v1/photos", None, shown).status == 200
    assert closed.running.ask("DELETE", "/v1/session", None, shown).status == 200
    assert closed.running.ask("GET", "/v1/photos", None, shown).status == 401  # replayed
    assert closed.running.ask("DELETE", "/v1/session", None, shown).status == 401


def test_strangers_are_asked_to_sign_in_and_learn_nothing(closed):
    running = closed.running
    for path in ("/", "/review", "/individual?name=Alma&x=1", "/nothing", "/pictures/large/x"):
        reply = running.get(path, Accept="text/html")
        assert (reply.status, reply.headers["location"]) == (
            303,
            f"/sign-in?after={quote(path, safe='/')}",
        )
    page = running.get("/sign-in?after=/individual%3Fname%3DAlma").body.decode()
    assert 'data-after="/individual?name=Alma"' in page
    assert "of-page" not in page
    assert "/individuals" not in page
    assert {running.get(f"/v1/{word}").body for word in ("photos", "nothing")} == {
        b'{"error":"Sign in to see this."}'
    }


@pytest.mark.parametrize(
    "after",
    [
        *("//example.org", "https://example.org/", "/\\example.org", "javascript:alert(1)"),
        *("", "x", "/%0d%0aX-A: b", "//[", '/"><script>', "///x"),
    ],
)
def test_who_signs_in_is_led_to_no_other_site(closed, after):
    page = closed.running.get(f"/sign-in?after={quote(after)}").body.decode()
    [found] = re.findall(r'data-after="([^"]*)"', page)
    assert found == "/" or (found.startswith("/") and found[1:2] not in ("/", "\\"))
    assert "<script>" not in page


def test_cookies_are_for_this_server_alone(closed):
    cookie = sign_in(closed.running, "A reader").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie
    assert "domain" not in cookie
    wrong = sign_in(closed.running, "A reader", "a wrong password")
    assert wrong.status == 403
    assert "set-cookie" not in wrong.headers


def test_a_server_without_users_is_closed_by_the_first_one(tmp_path):
    write_shown(tmp_path / "gallery", tmp_path / "photos")
    with serving(tmp_path / "server", "--gallery", tmp_path / "gallery") as running:
        assert running.get("/v1/photos").status == 200
        users = Users(running.folder / "users.sqlite")
        users.add("Ann", "reader", PASSWORD)
        assert running.get("/v1/photos").status == 401
        assert running.ask("GET", "/v1/photos", None, headers_of(running, "Ann")).status == 200
        users.close()


def test_others_are_let_in_where_there_are_users(tmp_path):
    write_shown(tmp_path / "gallery", tmp_path / "photos")
    words = ("--gallery", tmp_path / "gallery", "--address", "https://Photos.example.org")
    with pytest.raises(UserError, match="and there are no users yet"):
        serve(
            Served(tmp_path / "server", tmp_path / "gallery", address="https://a.b"),
            "127.0.0.1",
            0,
            show=False,
        )
    users = Users(tmp_path / "server" / "users.sqlite")
    users.add("Ann", "reader", PASSWORD)
    with serving(tmp_path / "server", *words, "--host", "0.0.0.0") as running:
        port = running.port
        for host, status in (
            (f"127.0.0.1:{port}", 401),
            (f"10.1.2.3:{port}", 401),
            (f"[fe80::1]:{port}", 401),
            ("photos.example.org", 401),
            ("10.1.2.3", 421),
            ("10.1.2.3:1", 421),
            (f"photos.example.org.x:{port}", 421),
            (f"example.org:{port}", 421),
            (f"10.1.2.3.nip.io:{port}", 421),
        ):
            assert running.get("/v1/photos", Host=host).status == status, host
        body = {"name": "Ann", "password": PASSWORD}
        origin = {"Host": "photos.example.org", "Origin": "https://photos.example.org"}
        reply = running.ask("POST", "/v1/session", body, origin)
        assert reply.status == 200
        assert "secure" in reply.headers["set-cookie"].lower()
        users.remove("Ann")  # the last one: it stays closed
        assert running.get("/v1/photos").status == 401
    users.close()


@pytest.mark.parametrize("address", ["photos.example.org", "ftp://a", "https://a/b", "https://["])
def test_an_address_that_is_none_is_refused(tmp_path, address):
    with pytest.raises(UserError, match="write https://"):
        serve(Served(tmp_path, address=address), "127.0.0.1", 0, show=False)


def test_a_second_server_of_a_gallery_is_refused(closed, tmp_path):
    gallery = closed.running.folder.parent / "gallery"
    with pytest.raises(UserError, match="Another server serves the gallery"):
        serve(Served(tmp_path / "other", gallery), "127.0.0.1", 0, show=False)


def test_an_admin_lets_people_in_and_they_choose_their_password(closed):
    running, admin = closed.running, closed.shown["admin"]

    def asked(method: str, path: str, body, shown) -> int:
        return running.ask(method, path, body, shown).status

    new = {"name": "Dee <b>", "role": "reviewer", "password": PASSWORD}
    assert asked("POST", "/v1/users", new, closed.shown["reviewer"]) == 403
    assert asked("POST", "/v1/users", {**new, "role": "king"}, admin) == 422
    assert asked("POST", "/v1/users", new, admin) == 201
    assert asked("POST", "/v1/users", {**new, "name": "dee <B>"}, admin) == 422
    dee = headers_of(running, "Dee <b>")
    page = running.ask("GET", "/you", None, dee).body.decode()
    assert "Dee &lt;b&gt;" in page
    assert "A reader" not in page
    assert "A reader" in running.ask("GET", "/you", None, admin).body.decode()
    wrong = {"old": "a wrong password", "new": "quite another one"}
    assert asked("POST", "/v1/me/password", wrong, dee) == 403
    assert asked("POST", "/v1/me/password", {**wrong, "old": PASSWORD}, dee) == 200
    assert asked("GET", "/you", None, dee) == 401
    dee = headers_of(running, "Dee <b>", "quite another one")
    given = {"name": "Dee <b>", "password": PASSWORD}
    assert asked("POST", "/v1/users/password", given, admin) == 200
    assert asked("GET", "/you", None, dee) == 401
    assert asked("DELETE", "/v1/users?name=a%20ADMIN", None, admin) == 409
    assert asked("DELETE", "/v1/users?name=Nobody", None, admin) == 422
    assert asked("DELETE", "/v1/users?name=Dee%20%3Cb%3E", None, admin) == 200
    assert sign_in(running, "Dee <b>").status == 403
