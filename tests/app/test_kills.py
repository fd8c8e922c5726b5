"""Real kills of the real server while photos are dropped, decided on and individuals merged.

After each of them all that was acknowledged is there, nothing twice, and the gallery is whole.
"""

import http.client
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from reid_jax.app.arrivals import Arrivals
from reid_jax.app.review import DECIDED
from reid_jax.data.photos.synthetic import synthetic_dataset
from reid_jax.individuals.gallery import members
from reid_jax.individuals.gallery.decisions import Decisions
from tests.app.running import Reply, Running, picture, serving
from tests.doors import call
from tests.tiny_run import make_tiny_run

STAYS, GOES = ("Ada", "Bo", "Cy"), ("Di", "Ed", "Flo")
"""Individuals whose names stay, and those that are renamed and merged all the time."""

LOST = (OSError, http.client.HTTPException, json.JSONDecodeError)


@dataclass
class Said:
    """What a server acknowledged, and of which photos it may have done more than it could say.

    Attributes:
      photos: ids of those that it took.
      decided: by id, who decided what: kind, name and the person.
      acts: by number, the kind of a decision about the gallery and a word that only it holds.
      away: names that nobody has any more.
      loose: ids about which the last answer did not come.
    """

    photos: set[str] = field(default_factory=set)
    decided: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    acts: dict[int, tuple[str, str]] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    loose: set[str] = field(default_factory=set)


class Reviewers:
    """Some who drop, decide and merge at once, until the server answers no more."""

    def __init__(self, running: Running, said: Said, turn: int) -> None:
        self._running, self._said, self._turn = running, said, turn
        self._random = random.Random(turn)
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(step,))
            for step in (self._drop, self._decide, self._act)
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, step: Callable[[int], None]) -> None:
        try:
            number = 0
            while not self._ended.is_set():
                step(number)
                number += 1
                time.sleep(0.15)
        except LOST:
            pass

    def _ask(self, method: str, path: str, body: dict[str, object] | None = None) -> Reply:
        return self._running.ask(method, path, body, {"Cookie": f"reid_jax_who=r{self._turn}"})

    def _drop(self, number: int) -> None:
        reply = self._running.drop(
            f"{self._turn}-{number}.jpg", picture(1000 * self._turn + number)
        )
        assert reply.status in (200, 201), reply.body
        self._said.photos.add(reply.json()["id"])

    def _decide(self, number: int) -> None:
        files = self._ask("GET", "/v1/photos").json()["files"]
        able = [one["id"] for one in files if one["state"] in ("readable", "answered")]
        decided = sorted(set(self._said.decided) & {one["id"] for one in files})
        if decided and not number % 7:
            self._one("DELETE", self._random.choice(decided), None)
        if able:
            known = [name for name in GOES if name not in self._said.away]
            kind, name, new = self._random.choice(
                [
                    *(("is", name, False) for name in (*STAYS, *known)),
                    ("is", f"new {self._turn} {number}", True),
                    ("cannot tell", "", False),
                    ("not an animal", "", False),
                ]
            )
            body = {"kind": kind, "name": name, "new": new}
            self._one("POST", self._random.choice(able), body)

    def _one(self, method: str, id: str, body: dict[str, object] | None) -> None:
        self._said.loose.add(id)
        reply = self._ask(method, f"/v1/review/{id}", body)
        assert reply.status in (200, 409, 422), reply.body
        if reply.status == 200 and body is None:
            self._said.decided.pop(id, None)
        elif reply.status == 200:
            self._said.decided[id] = str(body["kind"]), str(body["name"]), f"r{self._turn}"
        self._said.loose.discard(id)

    def _act(self, number: int) -> None:
        word = f"word {self._turn} {number}"
        there = [name for name in self._names() if name not in STAYS and "new" not in name]
        one, act, body = "", "note", {"name": "Ada", "text": word}
        if number % 3 == 1 and there:
            one, act = there[0], "rename"
            body = {"name": one, "new_name": word}
        elif number % 3 == 2 and len(there) > 2:
            one, act = there[0], "merge"
            body = {"names": [one], "into": there[1]}
        reply = self._ask("POST", f"/v1/gallery/{act}", body)
        if reply.status == 200:
            self._said.acts[reply.json()["number"]] = act, one or word
            if one:
                self._said.away.add(one)

    def _names(self) -> list[str]:
        found = self._ask("GET", "/v1/individuals").json()["individuals"]
        return [each["name"] for each in found]


def numbers_of(running: Running) -> dict[str, int]:
    """How many photos are in each state."""
    found: dict[str, int] = running.get("/v1/photos").json()["numbers"]
    return found


def children(process: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{process}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def kill(running: Running, *, all_of_it: bool) -> None:
    """Kills the server, and its children or waits until they have noticed."""
    theirs = children(running.process.pid)
    running.process.kill()
    for child in theirs if all_of_it else ():
        os.kill(child, signal.SIGKILL)
    running.process.wait()
    end = time.monotonic() + 120
    while any(Path(f"/proc/{child}/cmdline").exists() for child in theirs):
        assert time.monotonic() < end
        time.sleep(0.1)


def check(folder: Path, said: Said, *, filed: bool = False) -> None:
    arrivals = Arrivals(folder / "gallery.app" / "arrivals.sqlite")
    there = {one.id: one for one in arrivals.latest("photo", 10**6)}
    arrivals.close()
    assert said.photos <= there.keys()
    decisions = Decisions(folder / "gallery")
    photos = {Path(each.path).stem: each for each in decisions.photos().values()}
    assert len(photos) == len(decisions.photos())
    for id, (kind, name, who) in said.decided.items():
        if id in said.loose:
            continue
        one = there[id]
        assert one.state in DECIDED, (one, kind)
        assert not filed or one.state == ("filed" if kind == "is" else "aside")
        assert (one.about["decision"]["kind"], one.about["decision"]["who"]) == (kind, who)
        if kind == "is" and one.state == "filed":
            assert id in photos
        if id in photos and name in STAYS:
            assert photos[id].name == name
        if id in photos and name.startswith("new"):
            assert photos[id].name == name
        assert kind == "is" or id not in photos
    entries = decisions.read_since()
    assert [each.number for each in entries] == list(range(1, len(entries) + 1))
    for number, (kind, word) in said.acts.items():
        entry = entries[number - 1]
        assert entry.kind == kind
        values = {value for change in entry.changes for value in (change.before, change.after)}
        assert word in values
    words = [
        change.after
        for each in entries
        for change in each.changes
        if each.kind == "note" and (change.after or "").startswith("word")
    ]
    assert len(words) == len(set(words))
    assert not said.away & decisions.individuals().keys()
    call("serve", "--check", "--gallery", folder / "gallery")


@pytest.mark.parametrize(
    "kills",
    [pytest.param(3, marks=pytest.mark.exhaustive), pytest.param(50, marks=pytest.mark.acceptance)],
)
def test_what_was_acknowledged_survives_kills(tmp_path, kills):
    drawn = synthetic_dataset(6, 4, seed=3)
    for place, pixels in enumerate(drawn.pixels):
        photo = tmp_path / "known" / (*STAYS, *GOES)[place // 4] / f"{place}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(photo)
    run = make_tiny_run(tmp_path / "run")
    members.build(run, f"folder:{tmp_path / 'known'}", tmp_path / "gallery", evidence="none")
    words = tmp_path / "gallery.app", "--gallery", tmp_path / "gallery"
    said = Said()
    for turn in range(kills):
        with serving(*words) as running:
            reviewers = Reviewers(running, said, turn)
            if turn % 3 == 1:  # while decisions are written to the gallery
                running.until(lambda: numbers_of(running).get("filing"), 240)
                time.sleep(random.uniform(0, 8))
            else:
                time.sleep(random.uniform(0.2, 15))
            kill(running, all_of_it=bool(turn % 2))
            reviewers.end()
        check(tmp_path, said)
    assert len(said.decided) > 3 * kills
    assert len(said.acts) > 3 * kills
    with serving(*words) as running:

        def all_filed() -> bool:
            numbers = numbers_of(running)
            return not (numbers.get("decided", 0) + numbers.get("filing", 0))

        running.until(all_filed, 3600)
    check(tmp_path, said, filed=True)
