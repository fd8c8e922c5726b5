"""Boxes on photos that wait for a decision: what is looked up, shown and filed of them."""

import io

import numpy as np
import pytest
from PIL import Image

from reid_jax.app.arrivals import Arrivals
from reid_jax.app.boxes import Boxes, box_now, checked_share, path_of
from reid_jax.app.places import Places
from reid_jax.app.workers.children import Child
from reid_jax.errors import UserError
from tests.app.running import picture

ID = "a" * 32


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    child = Child("reid_jax.app.workers.decoder", tmp_path_factory.mktemp("log") / "log.txt")
    yield child
    child.close()


@pytest.fixture
def places(tmp_path):
    found = Places(tmp_path / "server")
    found.prepare()
    return found


@pytest.fixture
def arrivals(places, decoder):
    """A photo of 200 x 100 pixels that was looked up; its left quarter is black."""
    pixels = np.asarray(Image.open(io.BytesIO(picture(1, (200, 100))))).copy()
    pixels[:, :50] = 0
    place = places.dropped("photo", ID, ".png")
    Image.fromarray(pixels).save(place)
    found = Arrivals(places.arrivals)
    found.add(ID, "photo", "herd.png", ".png", place.stat().st_size)
    sizes = {size: str(places.picture(ID, size)) for size in ("large", "small")}
    about = decoder.ask({"path": str(place), **sizes}, 30)
    found.change(ID, "answered", {**about, "answer": {"candidates": []}})
    yield found
    found.close()


@pytest.fixture
def boxes(places, arrivals, decoder):
    return Boxes(places, arrivals, decoder)


def size_of(places, id, size="large"):
    return Image.open(places.picture(id, size)).size


def test_a_box_is_drawn_corrected_and_taken_back(boxes, places, arrivals):
    place = str(places.dropped("photo", ID, ".png"))
    drawn = boxes.draw(ID, [0.5, 0.1, 0.4, 0.5], "ann", 0.25)
    assert (drawn.state, drawn.about.get("answer")) == ("readable", None)
    assert path_of(places, drawn) == f"{place}#xywh=100,10,80,50&margin=0.25"
    assert box_now(drawn)["who"] == "ann"
    assert size_of(places, ID) == (120, 72)  # a quarter more on each side, cut off at the top
    assert size_of(places, ID, "whole") == (200, 100)
    boxes.draw(ID, [0.5, 0.0, 0.5, 1.0], "bob", 0.0)
    assert size_of(places, ID) == (100, 100)
    assert path_of(places, boxes.take_back(ID)) == f"{place}#xywh=100,10,80,50&margin=0.25"
    assert path_of(places, boxes.take_back(ID)) == place
    assert size_of(places, ID) == (200, 100)
    with pytest.raises(UserError, match="no box on this photo to take back"):
        boxes.take_back(ID)


def test_another_animal_is_a_photo_of_its_own(boxes, places, arrivals):
    part = boxes.add(ID, [0.5, 0.0, 0.5, 1.0], "ann", 0.0)
    assert (part.state, part.name, part.about["of"]) == ("readable", "herd.png", ID)
    place = places.dropped("photo", ID, ".png")
    assert path_of(places, part) == f"{place}#xywh=100,0,100,100"
    assert path_of(places, arrivals.one(ID)) == str(place)
    assert size_of(places, part.id) == (100, 100)
    assert [each.id for each in arrivals.parts_of(ID)] == [part.id]
    with pytest.raises(UserError, match="there already"):
        boxes.add(ID, [0.5, 0.0, 0.5, 1.0], "bob", 0.0)
    with pytest.raises(UserError, match="no box on this photo to take back"):
        boxes.take_back(part.id)
    third = boxes.add(part.id, [0.3, 0.0, 0.2, 1.0], "ann", 0.0)  # of the whole photo, too
    assert third.about["of"] == ID


def test_what_shows_nothing_or_was_decided_gets_no_box(boxes, places, arrivals):
    before = places.picture(ID, "large").read_bytes()
    with pytest.raises(UserError, match="Nothing can be seen in this box: "):
        boxes.draw(ID, [0.0, 0.0, 0.2, 1.0], "ann", 0.0)
    with pytest.raises(UserError, match="at least 8 pixels"):
        boxes.draw(ID, [0.5, 0.5, 0.01, 0.5], "ann", 0.0)
    assert places.picture(ID, "large").read_bytes() == before
    assert arrivals.one(ID).state == "answered"
    arrivals.change(ID, "decided", {"decision": {"name": "Bo"}})
    with pytest.raises(UserError, match="take the decision on it back first"):
        boxes.draw(ID, [0.5, 0.0, 0.5, 1.0], "ann", 0.0)
    with pytest.raises(UserError, match="There is no such photo"):
        boxes.draw("b" * 32, [0.5, 0.0, 0.5, 1.0], "ann", 0.0)


def test_an_answer_that_comes_late_is_not_that_of_the_box(boxes, arrivals):
    """It was asked about before the box was drawn: nothing is written."""
    asked = arrivals.one(ID)
    boxes.draw(ID, [0.5, 0.0, 0.5, 1.0], "ann", 0.0)
    assert not arrivals.change(ID, "answered", {"answer": {}}, only_at=asked.changed)
    assert arrivals.one(ID).state == "readable"


@pytest.mark.parametrize(
    "numbers",
    [
        *(None, "abcd", [], [0.1, 0.1, 0.2], [0.1, 0.1, 0.2, "0.2"], [0.1, 0.1, 0.2, None]),
        *([0, 0, float("nan"), 1], [0, 0, float("inf"), 1], [2.0, 0, 0.5, 0.5], [0, 0, 0, 0.5]),
        *([-1.0, 0, 0.5, 0.5], {"0": 1}),
    ],
)
def test_a_box_that_is_none_is_refused(numbers):
    with pytest.raises(UserError, match=r"box"):
        checked_share(numbers)


def test_a_box_is_cut_off_at_the_edges():
    assert checked_share([-0.1, 0.5, 0.6, 0.9]) == [0.0, 0.5, 0.5, 0.5]


def test_the_page_refuses_boxes_until_the_network_is_there(shown):
    id = shown.drop("one.jpg", picture(55)).json()["id"]
    body = {"box": [0.1, 0.1, 0.5, 0.5]}
    for path in (f"/v1/review/{id}/box", "/v1/gallery/box"):
        reply = shown.ask("POST", path, body)
        assert reply.status in (404, 422)
    assert "still being loaded" in shown.ask("POST", f"/v1/review/{id}/box", body).json()["error"]
    reply = shown.ask("POST", f"/v1/review/{id}/box", {"box": [1, 2, "x", 4]})
    assert (reply.status, "four numbers" in reply.json()["error"]) == (422, True)
    assert shown.ask("DELETE", f"/v1/review/{'0' * 32}/box").status == 422
    shown.ask("DELETE", f"/v1/photos/{id}")
