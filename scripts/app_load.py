"""Twenty reviewers at once on a gallery of 20,000 photos, over HTTP: `python -m scripts.app_load`.

Prints a table for scripts/results/app.md. Photos are looked up before, so that no network runs.
"""

import argparse
import http.client
import io
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from reid_jax.app.arrivals import Arrivals
from reid_jax.app.places import Places
from reid_jax.app.worth import worth_of
from reid_jax.individuals.gallery.store import write_gallery
from reid_jax.individuals.gallery.value import DIGEST, Gallery
from reid_jax.reporting.table import Table

_PAUSE = 3.0  # seconds between two decisions of one reviewer


def picture(seed: int, side: int) -> bytes:
    """A JPEG of soft blobs."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    stream = io.BytesIO()
    small.resize((side, side * 3 // 4), Image.Resampling.BICUBIC).save(stream, format="jpeg")
    return stream.getvalue()


def make(folder: Path, photos: int, individuals: int, waiting: int) -> None:
    """A gallery, and photos that wait for a decision with their candidates."""
    rng = np.random.default_rng(0)
    thumbnails = [picture(seed, 192) for seed in range(40)]
    paths = np.array([f"/photos/{n // 10}/{n}.jpg" for n in range(photos)], object)
    names = np.array([f"animal {n % individuals}" for n in range(photos)], object)
    kept = [thumbnails[n % 40] for n in range(photos)]
    settings = {"fingerprint": "none", "run": "none", "run_relative": "", "metric": "cosine"}
    digests = np.array([f"{n:016x}{n:016x}" for n in range(photos)])
    gallery = Gallery(
        paths=paths,
        identities=names,
        columns={DIGEST: digests},
        embeddings=rng.normal(size=(photos, 64)).astype(np.float32),
        thumbnails=np.array(kept, object),
        settings={**settings, "sources": [], "built": ""},
    )
    write_gallery(folder / "gallery", gallery)
    places = Places(folder / "server")
    places.prepare()
    arrivals = Arrivals(places.arrivals)
    sizes = {"large": [picture(s, 1600) for s in range(10)], "small": thumbnails}
    for n in range(waiting):
        id = f"{2**64 + n:032x}"
        arrivals.add(id, "photo", f"new {n}.jpg", ".jpg", 1)
        for size, some in sizes.items():
            place = places.picture(id, size)
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(some[n % len(some)])
        chances = rng.dirichlet(np.ones(6))[:5]
        rows = rng.choice(photos, 5, replace=False)
        points = rng.random((40, 5)).round(4).tolist()
        candidates = [
            {"name": names[row], "path": paths[row], "probability": float(p), "score": float(p)}
            | {"points": 40, "agreement": points}
            for row, p in zip(rows, sorted(chances, reverse=True), strict=True)
        ]
        answer = {"text": "?", "verdict": "close", "candidates": candidates}
        arrivals.change(id, "answered", {"answer": answer}, worth=worth_of(answer))
    arrivals.close()


@dataclass
class Reviewer:
    """One person: a page, its photo with five candidates and pictures, a decision."""

    port: int
    number: int
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    decided: list[str] = field(default_factory=list)
    cookie: str = ""

    def ask(self, what: str, method: str, path: str, body: object = None) -> bytes:
        """One request, timed."""
        headers = {"Cookie": self.cookie} if self.cookie else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        started = time.perf_counter()
        self.link.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self.link.getresponse()
        content = answer.read()
        self.seconds[what].append(time.perf_counter() - started)
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:200]!r}")
        if found := re.match(r"(reid_jax_seat=[^;]+)", answer.headers.get("Set-Cookie", "")):
            self.cookie = found[1]
        return content

    def work(self, until: float) -> None:
        """Decides every three seconds."""
        self.link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        time.sleep(_PAUSE * self.number / 20)
        while time.perf_counter() < until:
            began = time.perf_counter()
            self.ask("the page", "GET", "/review")
            photo = json.loads(self.ask("a photo and its five", "GET", "/v1/review/next"))["photo"]
            self.ask("a picture", "GET", f"/pictures/large/{photo['id']}")
            for each in photo["candidates"]:
                self.ask("a picture", "GET", f"/pictures/small/{each['photo']}")
            name = photo["candidates"][0]["name"]
            said = {"kind": "is", "name": name}
            self.ask("a decision", "POST", f"/v1/review/{photo['id']}", said)
            self.decided.append(photo["id"])
            time.sleep(max(0.0, began + _PAUSE - time.perf_counter()))


def memory(process: int) -> float:
    """Megabytes that a process holds."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Makes all of it, starts the server, measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--individuals", type=int, default=2_000)
    parser.add_argument("--reviewers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        waiting = int(asked.reviewers * (asked.seconds / _PAUSE + 5))
        make(folder, asked.photos, asked.individuals, waiting)
        command = [sys.executable, "-m", "reid_jax", "serve", "--no-open", "--port", "0"]
        command += ["--gallery", str(folder / "gallery"), "--folder", str(folder / "server")]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        port = int(server.stdout.readline().strip().rstrip("/").rpartition(":")[2])
        first = Reviewer(port, 0)
        first.link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for path in ("/individuals", "/individuals?q=animal+19&order=photos&page=2"):
            for _ in range(10):
                first.ask("a list of individuals", "GET", path)
        for turn in range(10):
            said = {"name": f"animal {turn}", "new_name": f"renamed {turn}"}
            first.ask("a decision in the gallery", "POST", "/v1/gallery/rename", said)
            first.ask("the list just after it", "GET", "/individuals")
            first.ask("a search", "GET", f"/v1/individuals?q=animal+{turn}7")
        before = memory(server.pid)
        people = [Reviewer(port, number) for number in range(asked.reviewers)]
        until = time.perf_counter() + asked.seconds
        threads = [threading.Thread(target=each.work, args=(until,)) for each in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        after = memory(server.pid)
        server.send_signal(signal.SIGINT)
        server.wait()
        arrivals = Arrivals(Places(folder / "server").arrivals)
        decided = [id for each in people for id in each.decided]
        found = [arrivals.one(id) for id in decided]
        lost = sum(one is None or "decision" not in one.about for one in found)
        twice = len(decided) - len(set(decided))
        rows = []
        for what in first.seconds | people[0].seconds:
            took = np.array([s for each in (first, *people) for s in each.seconds[what]])
            cuts = [f"{1000 * np.quantile(took, q):,.0f}" for q in (0.5, 0.95, 1.0)]
            rows.append([what, f"{len(took):,}", *cuts])
        head = ["asked for", "times", "median, ms", "p95, ms", "slowest, ms"]
        print(Table(head, rows).as_markdown())
        print(f"{len(decided)} decisions, {twice} twice, {lost} lost.")
        print(f"Memory of the server: {before:.0f} MB before, {after:.0f} MB after.")


if __name__ == "__main__":
    main()
