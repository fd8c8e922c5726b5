"""Decisions by the page are those of the gallery: what the command line sees, and the other way."""

import re
from typing import ClassVar
from urllib.parse import quote

import pytest

from reid_jax.app.arrivals import Arrivals
from reid_jax.app.holdings import Individual
from reid_jax.app.review import DecidedError, Leases, Review
from reid_jax.app.tokens import Tokens
from reid_jax.errors import UserError
from reid_jax.individuals.gallery.decisions import Decisions
from tests.app.conftest import NAMES, write_shown
from tests.app.running import Running, serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("decided")


@pytest.fixture(scope="module")
def decided(folder):
    write_shown(folder / "gallery", folder / "photos")
    with serving(folder / "server", "--gallery", folder / "gallery") as running:
        yield running


def names(running: Running) -> dict[str, int]:
    found = running.get("/v1/individuals").json()["individuals"]
    return {each["name"]: each["photos"] for each in found}


def photos_of(running: Running, name: str) -> list[str]:
    page = running.get(f"/individual?name={quote(name)}").body.decode()
    return re.findall(r'type="checkbox" value="([0-9a-f]{32})"', page)


def test_what_the_page_decides_the_gallery_knows_and_takes_back(decided, folder):
    before = names(decided)
    assert set(before) == set(NAMES)
    gallery = Decisions(folder / "gallery")

    def act(act: str, **body) -> int:
        reply = decided.ask("POST", f"/v1/gallery/{act}", body, {"Cookie": "reid_jax_who=Ann%20B"})
        assert reply.status == 200, reply.body
        return reply.json()["number"]

    numbers = [act("rename", name="Alma", new_name="Alba <i>")]
    assert "Alba <i>" in gallery.individuals()
    numbers.append(act("merge", names=["Luna 2"], into="Luna 10"))
    assert names(decided)["Luna 10"] == 6
    some = photos_of(decided, "Luna 10")[:2]
    numbers.append(act("split", name="Luna 10", photos=some, new_name="Lu"))
    assert names(decided)["Lu"] == 2
    numbers.append(act("move", photos=photos_of(decided, "Lu")[:1], name="Alba <i>"))
    assert names(decided) == {
        **dict.fromkeys(NAMES[3:], 3),
        **{"Alba <i>": 4, "Luna 10": 4, "Lu": 1},
    }
    numbers.append(act("note", name="Lu", text="a <b>scar</b>"))
    assert gallery.note_of("Lu") == "a <b>scar</b>"
    assert "a &lt;b&gt;scar&lt;/b&gt;" in decided.get("/individual?name=Lu").body.decode()
    numbers.append(act("mark", photos=photos_of(decided, "Lu"), what="not an animal"))
    assert "Lu" not in names(decided)
    assert {entry.who for entry in gallery.read_since(numbers[0] - 1)} == {"Ann B"}
    history = decided.get("/v1/gallery/history").json()["decisions"]
    assert [each["number"] for each in history[: len(numbers)]] == numbers[::-1]
    assert history[len(numbers) - 1]["words"] == "Renamed: Alma → Alba <i>, 3 photos"
    for number in numbers[::-1]:
        act("undo", number=number)
    assert names(decided) == before


def test_what_was_decided_elsewhere_is_shown_and_not_decided_over(decided, folder):
    gallery = Decisions(folder / "gallery", who="bob")
    position = gallery.position
    gallery.rename("Luna 2", "Luz")
    assert "Luz" in names(decided)
    body = {"name": "Luna 2", "new_name": "Lola", "rests_on": position}
    reply = decided.ask("POST", "/v1/gallery/rename", body)
    assert reply.status == 409
    assert "bob" in reply.json()["error"]
    gallery.undo()
    assert "Luna 2" in names(decided)


@pytest.mark.parametrize(
    ("act", "body", "sentence"),
    [
        ("rename", {"name": "Nobody", "new_name": "x"}, "There is no individual"),
        ("rename", {"name": "Alma", "new_name": "Luna 2"}, "is an individual already"),
        ("rename", {"name": "Alma", "new_name": "unknown"}, "names nobody"),
        ("merge", {"names": ["Alma"], "into": "Alma"}, "There is nobody to merge"),
        ("merge", {"names": "Alma", "into": "Luna 2"}, "names is a list"),
        ("split", {"name": "Alma", "photos": [], "new_name": "x"}, "Name photos"),
        ("split", {"name": "Alma", "photos": ["0" * 32], "new_name": "x"}, "Name photos"),
        ("move", {"photos": ["../../x"], "name": "Alma"}, "Name photos"),
        ("undo", {"number": "1"}, "number is the number"),
        ("undo", {"number": 1}, "made the gallery"),
        ("undo", {"number": 10**30}, "number is the number"),
        ("undo", {"number": 10**6}, "There is no decision"),
        ("rename", {"name": "Alma", "new_name": "x", "rests_on": -1}, "rests_on"),
    ],
)
def test_what_cannot_be_decided_is_a_sentence(decided, act, body, sentence):
    reply = decided.ask("POST", f"/v1/gallery/{act}", body)
    assert reply.status == 422
    assert sentence in reply.json()["error"]


def test_a_token_may_do_what_it_says(decided):
    tokens = Tokens(decided.folder / "tokens.json")
    made = {scope: tokens.make(f"camera {scope}", scope) for scope in ("read", "decide")}
    assert made["read"] not in (decided.folder / "tokens.json").read_text()

    def asked(token: str, method: str, path: str, body=None) -> int:
        return decided.ask(method, path, body, {"Authorization": f"Bearer {token}"}).status

    body = {"name": "Alma", "text": "by a program"}
    assert asked(made["read"], "GET", "/v1/individuals") == 200
    assert asked(made["read"], "POST", "/v1/gallery/note", body) == 403
    assert asked(made["decide"], "POST", "/v1/gallery/note", body) == 200
    assert decided.get("/v1/gallery/history").json()["decisions"][0]["who"] == "camera decide"
    for wrong in ("", "rj_x", made["read"][:-1], made["read"] + "x", "\xe4"):
        assert asked(wrong, "GET", "/v1/individuals") == 401
    tokens.take_back("camera read")
    assert asked(made["read"], "GET", "/v1/individuals") == 401
    with pytest.raises(UserError, match="There is a token camera decide already"):
        tokens.make("camera decide", "read")
    decided.ask("POST", "/v1/gallery/undo", {})


def test_openapi_names_what_is_there(decided):
    found = decided.get("/openapi.json").json()
    assert found["openapi"] == "3.1.0"
    for path, methods in found["paths"].items():
        for method in methods:
            there = path.replace("{id}", "0" * 32).replace("{size}", "large")
            reply = decided.ask(method.upper(), there, b"")
            assert b"There is no such page." not in reply.body
            assert reply.status not in (405, 500)
    page = decided.get("/docs").body.decode()
    assert "POST /v1/identify" in page


class Shown:
    """A gallery of one individual, as the review knows it."""

    def holdings(self):
        return self

    recent = holdings
    position = 1
    individuals: ClassVar = {"Alma": Individual("Alma", (None, None))}


@pytest.fixture
def review(tmp_path):
    arrivals = Arrivals(tmp_path / "arrivals.sqlite")
    for n, chance in enumerate([0.9, 0.5, 0.7]):
        id = f"{n:032x}"
        arrivals.add(id, "photo", f"{n}.jpg", ".jpg", 1)
        answer = {"candidates": [{"probability": chance, "score": 1}]}
        arrivals.change(id, "answered", {"answer": answer}, worth=1 - chance)
    yield Review(arrivals, Shown())
    arrivals.close()


def test_the_closest_comes_first_and_nobody_gets_what_another_one_has(review):
    assert review.next("ann").name == "1.jpg"
    assert review.next("bob").name == "2.jpg"
    assert review.next("ann").name == "1.jpg"
    assert review.next("cy").name == "0.jpg"
    assert review.next("dan") is None
    assert review.next("ann", {f"{1:032x}"}) is None


def test_a_lease_ends_by_itself():
    leases = Leases(seconds=0.0)
    assert leases.take("photo", "ann")
    assert leases.take("photo", "bob")


def test_the_second_one_hears_what_the_first_one_said(review):
    id = f"{1:032x}"
    assert review.decide(id, "is", "Alma", "ann", new=False).state == "decided"
    with pytest.raises(DecidedError, match="ann has decided already: Alma") as caught:
        review.decide(id, "cannot tell", "", "bob", new=False)
    assert caught.value.decision["who"] == "ann"
    assert review.names() == {"Alma": 3}
    assert review.take_back(id) == "decided"
    assert review.decide(id, "cannot tell", "", "bob", new=False).state == "aside"


@pytest.mark.parametrize(
    ("kind", "name", "new", "sentence"),
    [
        ("is", "Nobody", False, "There is no individual"),
        ("is", "Alma", True, "Alma is an individual already"),
        ("is", " ", True, "says that nobody knows"),
        ("is", "unknown", True, "says that nobody knows"),
        ("maybe", "", False, "A decision is one of"),
    ],
)
def test_names_that_cannot_be_are_refused(review, kind, name, new, sentence):
    with pytest.raises(UserError, match=sentence):
        review.decide(f"{1:032x}", kind, name, "ann", new=new)
    assert review.next("ann").name == "1.jpg"


def test_a_new_name_is_known_at_once_and_follows_a_new_one(review):
    assert review.suggested() == "new 1"
    review.decide(f"{1:032x}", "is", "new 1", "ann", new=True)
    assert review.suggested() == "new 2"
    review.decide(f"{2:032x}", "is", "new 1", "bob", new=False)
    review.renamed(["new 1"], "Bo")
    assert review.names() == {"Alma": 2, "Bo": 2}
