"""The page trains on what people said: it is begun, watched, stopped, taken over or refused."""

import csv
import json
import threading
import time

import pytest

from reid_jax.app.logs import Log
from reid_jax.app.places import Places
from reid_jax.app.reading.shelf import Shelf
from reid_jax.app.workers import training as module
from reid_jax.app.workers.children import ChildError
from reid_jax.app.workers.training import Trainer
from reid_jax.errors import UserError

FOUND = {"about": "8 photos", "rows": [["as it is", "0.2", "0.1"]], "sentences": [], "gone": []}


class Played:
    """A child that answers when it is told to."""

    def __init__(self, *_):
        self.asked, self.answer = [], None
        self.go, self.ended = threading.Event(), False

    def ask(self, request, seconds, told):
        self.asked.append(request)
        told({"words": "a network learns", "done": 3.0, "total": 60.0, "numbers": [[1, 2.0]]})
        assert self.go.wait(10)
        self.go.clear()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def end_gently(self, seconds):
        if seconds:
            self.answer = ChildError("it ended")
            self.go.set()

    def close(self):
        self.ended = True


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "Child", Played)
    places = Places(tmp_path / "server")
    places.prepare()
    log = Log(places.log)
    yield lambda: Trainer(places, Shelf(tmp_path / "gallery", places.thumbnails), log)
    log.close()


def until(trainer, phase):
    for _ in range(500):
        if trainer.now.phase == phase:
            return trainer.now
        time.sleep(0.01)
    raise AssertionError(trainer.now)


def answered(trainer, answer):
    trainer._child.answer = answer
    trainer._child.go.set()


def test_it_is_begun_compared_and_taken_over(made):
    trainer = made()
    with pytest.raises(UserError, match="between 2 and 1,440 minutes"):
        trainer.begin(1, "ann")
    trainer.begin(30, "ann")
    for _ in range(500):
        if trainer.now.numbers:
            break
        time.sleep(0.01)
    assert (trainer.now.words, trainer.now.total) == ("a network learns", 60.0)
    with pytest.raises(UserError, match="at work already"):
        trainer.begin(30, "ben")
    with pytest.raises(UserError, match="nothing to decide on"):
        trainer.take("ann")
    answered(trainer, FOUND)
    assert until(trainer, "compared").found == FOUND
    trainer.take("cal")
    answered(trainer, {})
    assert until(trainer, "taken").found == FOUND
    assert [each["do"] for each in trainer._child.asked] == ["train", "take"]
    assert trainer._child.asked[1]["who"] == "cal"
    assert made().now.phase == "taken"


def test_it_is_refused_or_fails_and_another_begins_in_a_run_of_its_own(made):
    trainer = made()
    trainer.begin(5, "ann")
    answered(trainer, FOUND)
    until(trainer, "compared")
    trainer.refuse()
    assert trainer.now.phase == "refused"
    trainer.begin(5, "ann")
    answered(trainer, UserError("Too few photos."))
    assert until(trainer, "failed").words == "Too few photos."


def test_a_server_that_ends_stops_it_and_the_next_goes_on(made, tmp_path):
    trainer = made()
    with pytest.raises(UserError, match="No training was stopped"):
        trainer.go_on()
    trainer.begin(5, "ann")
    trainer.close()
    assert trainer.now.phase == "stopped"
    assert trainer._child.ended
    kept = tmp_path / "server" / "training" / "training.json"
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "phase": "trains"}))  # a kill
    again = made()
    assert again.now.phase == "stopped"
    again.go_on()
    answered(again, FOUND)
    assert until(again, "compared").run == trainer.now.run


@pytest.mark.acceptance
def test_the_real_one_trains_is_stopped_with_the_server_and_taken_over(tmp_path):
    from PIL import Image

    from reid_jax.data.photos.synthetic import synthetic_dataset
    from reid_jax.individuals.gallery import members
    from reid_jax.individuals.gallery.stored.reading import read_gallery
    from tests.app.running import serving
    from tests.tiny_run import make_tiny_run

    drawn = synthetic_dataset(30, 6, seed=3)
    rows = []
    for place in range(len(drawn)):
        file = tmp_path / "photos" / f"{place}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(drawn.pixels[place]).save(file)
        rows.append([file, drawn.identities[drawn.labels[place]], drawn.columns["date"][place]])
    with open(tmp_path / "photos.csv", "w", newline="") as table:
        csv.writer(table).writerows([["path", "identity", "date"], *rows])
    gallery, run = tmp_path / "gallery", make_tiny_run(tmp_path / "run")
    members.build(run, f"csv:{tmp_path / 'photos.csv'}", gallery)
    before = read_gallery(gallery).settings["fingerprint"]
    words = ("--gallery", gallery)
    with serving(tmp_path / "server", *words) as server:
        begun = server.ask("POST", "/v1/training", {"do": "begin", "minutes": 3})
        assert begun.status == 200
        server.until(lambda: server.get("/v1/training").json()["numbers"], 600)
        assert server.get("/training").status == 200
    with serving(tmp_path / "server", *words) as server:
        assert server.get("/v1/training").json()["phase"] == "stopped"
        assert server.ask("POST", "/v1/training", {"do": "go on"}).status == 200

        def compared():
            now = server.get("/v1/training").json()
            assert now["phase"] in ("trains", "compared"), (now, server.log)
            return now["phase"] == "compared" and now

        found = server.until(compared, 600)["found"]
        assert len(found["rows"]) == 2
        assert read_gallery(gallery).settings["fingerprint"] == before
        assert server.ask("POST", "/v1/training", {"do": "take"}).status == 200
        server.until(lambda: server.get("/v1/training").json()["phase"] == "taken", 300)
        assert read_gallery(gallery).settings["fingerprint"] != before
        assert server.ask("POST", "/v1/training", {"do": "take"}).status == 409
        assert server.ask("POST", "/v1/training", {"do": "back"}).status == 200
        assert read_gallery(gallery).settings["fingerprint"] == before
