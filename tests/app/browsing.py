"""A browser, and a real server with a small network that was trained, for tests of pages."""

import dataclasses
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from reid_jax.data.photos.synthetic import synthetic_dataset
from reid_jax.individuals.gallery import members
from tests.app.running import serving
from tests.paths import REPOSITORY
from tests.tiny_run import make_tiny_run

WIDTHS = ((360, 740), (1024, 768), (1920, 1080))
AXE = "4.14.1"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NAMES = ("Ada", "Bo", "Cy", "Di", "Ed", "Flo")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Photos in `known`, and in `new` two more of each and of a stranger."""
    folder = tmp_path_factory.mktemp("drawn")
    drawn = synthetic_dataset(len(NAMES) + 1, 6, seed=3)
    for place, pixels in enumerate(drawn.pixels):
        who, number = divmod(place, 6)
        known = who < len(NAMES) and number < 4
        if not known and number < 4:
            continue
        place = folder / "known" / NAMES[who] if known else folder / "new"
        place.mkdir(parents=True, exist_ok=True)
        large = Image.fromarray(pixels).resize((384, 384), Image.Resampling.LANCZOS)
        large.save(place / f"{'known' if known else 'new'}-{who}-{number}.jpg", quality=92)
    (folder / "new" / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    return folder


@pytest.fixture(scope="module")
def running(tmp_path_factory, photos):
    folder = tmp_path_factory.mktemp("story")
    run = make_tiny_run(folder / "run")
    members.build(run, f"folder:{photos / 'known'}", folder / "gallery", evidence="none")
    beside = (os.path.relpath(folder / name, REPOSITORY) for name in ("server", "gallery"))
    with serving(Path(next(beside)), "--gallery", next(beside)) as server:
        yield dataclasses.replace(server, folder=folder / "server")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def opened_page(
    browser,
    width=1024,
    height=768,
    *,
    own=("http://127.0.0.1:", "blob:"),
    expected=("status of 404", "status of 409"),
    **how,
):
    """A page of which nothing goes wrong but what is expected, and which asks no other host."""
    context = browser.new_context(viewport={"width": width, "height": height}, **how)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on(
        "request",
        lambda asked: None if asked.url.startswith(own) else wrong.append(f"asked {asked.url}"),
    )
    yield opened
    context.close()
    assert not [each for each in wrong if not any(word in each for word in expected)]


@pytest.fixture
def page(browser):
    """Such a page."""
    with opened_page(browser) as opened:
        yield opened


def screenshot(page, name: str, **how) -> None:
    """Keeps what is seen, where somebody wants to look at it."""
    if folder := os.environ.get("REID_JAX_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", **how)


@pytest.fixture(scope="module")
def axe():
    """The text of axe-core's script, which npm brings into `build/`, where nothing is kept."""
    folder = REPOSITORY / "build" / f"axe-{AXE}"
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        command = ["npm", "install", "--no-save", "--prefix", str(folder), f"axe-core@{AXE}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        except (OSError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"npm cannot bring axe-core ({error})")
        if done.returncode:
            pytest.skip(f"npm cannot bring axe-core ({done.stderr.strip()[-200:]})")
    return script.read_text()


def violations(page, axe: str) -> list[str]:
    """What keeps somebody out of a page: no violation of WCAG 2.2 AA, nor of what is usual."""
    page.evaluate(axe)
    asked = "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})"
    found = page.evaluate(asked, _TAGS)
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
