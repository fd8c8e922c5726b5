"""Boxes by mouse, touch and keys, and names to check by keys, in a browser on a real server."""

import io
import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from reid_jax.data.photos.synthetic import synthetic_dataset
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.store import write_gallery
from tests.app.browsing import (
    axe,
    browser,
    opened_page,
    page,
    photos,
    running,
    screenshot,
    violations,
)
from tests.app.running import picture, serving
from tests.drawn_gallery import drawn

__all__ = ["axe", "browser", "page", "photos", "running"]  # fixtures
pytestmark = pytest.mark.exhaustive

WIDE, HIGH = 900, 450
EACH = 6
SEEDS = itertools.count(1)


def herd(seed: int) -> bytes:
    """Two animals side by side on grass."""
    two = synthetic_dataset(2, 1, seed=seed)
    noise = np.random.default_rng(seed).integers(60, 120, (HIGH, WIDE, 3), dtype=np.uint8)
    scene = Image.fromarray(noise)
    for place, pixels in enumerate(two.pixels):
        scene.paste(Image.fromarray(pixels).resize((300, 300)), (75 + 450 * place, 75))
    stream = io.BytesIO()
    scene.save(stream, format="jpeg", quality=92)
    return stream.getvalue()


@pytest.fixture
def waiting(running):
    """The id of a photo of two animals that waits for a decision, alone; nobody has seen it."""
    for file in running.get("/v1/photos").json()["files"]:
        running.ask("DELETE", f"/v1/review/{file['id']}")
        running.ask("DELETE", f"/v1/review/{file['id']}/box")
    for file in running.get("/v1/photos").json()["files"][::-1]:
        running.ask("DELETE", f"/v1/photos/{file['id']}")
    for file in running.get("/v1/photos").json()["files"]:
        running.ask("DELETE", f"/v1/photos/{file['id']}")
    id = running.drop("herd.jpg", herd(next(SEEDS))).json()["id"]
    answered(running, id)
    return id


def file_of(running, id):
    """What is known of a photo; asking for it as a reviewer does would take it from the page."""
    return next(f for f in running.get("/v1/photos").json()["files"] if f["id"] == id)


def answered(running, id):
    """Waits until there is an answer about a photo."""
    running.until(lambda: file_of(running, id)["state"] == "answered", 240)


def seen(page, selector="#asked"):
    """Where the photo of two animals is seen in a pane: left, top, width, height."""
    pane = page.locator(selector).bounding_box()
    fit = min(pane["width"] / WIDE, pane["height"] / HIGH)
    width, height = WIDE * fit, HIGH * fit
    left = pane["x"] + (pane["width"] - width) / 2
    return left, pane["y"] + (pane["height"] - height) / 2, width, height


def drag(page, start, end, selector="#asked"):
    """One drag with the mouse, from and to parts of one of the photo."""
    left, top, width, height = seen(page, selector)
    page.mouse.move(left + start[0] * width, top + start[1] * height)
    page.mouse.down()
    page.mouse.move(left + 0.4 * width, top + 0.4 * height, steps=4)
    page.mouse.move(left + end[0] * width, top + end[1] * height, steps=4)
    page.mouse.up()


def near(box, wanted):
    return box is not None and np.allclose(box, wanted, atol=0.02)


def box_of(running, id):
    return file_of(running, id).get("box")


def test_a_box_is_drawn_by_one_drag_corrected_by_another_and_taken_back(page, running, waiting):
    page.goto(f"{running.address}/review")
    page.locator("#work:not([hidden])").wait_for()
    page.keyboard.press("b")
    page.locator("#asked.drawing").wait_for()
    screenshot(page, "box-empty")
    drag(page, (0.05, 0.1), (0.45, 0.9))
    page.get_by_text("A box was drawn on").wait_for()
    assert near(box_of(running, waiting), [0.05, 0.1, 0.4, 0.8])
    answered(running, waiting)
    page.locator("#work:not([hidden])").wait_for()
    natural = page.evaluate("[...document.images].find(i => i.id === 'asked-picture').naturalWidth")
    assert 340 < natural < 380  # the part alone
    screenshot(page, "box-drawn")
    page.get_by_role("button", name="Box", exact=True).click()
    page.locator(".pane .box").wait_for()
    screenshot(page, "box-correcting")
    drag(page, (0.45, 0.5), (0.5, 0.5))  # its right edge
    running.until(lambda: near(box_of(running, waiting), [0.05, 0.1, 0.45, 0.8]))
    answered(running, waiting)
    page.locator("#work:not([hidden])").wait_for()
    page.keyboard.press("z")
    running.until(lambda: near(box_of(running, waiting), [0.05, 0.1, 0.4, 0.8]))
    page.keyboard.press("z")
    running.until(lambda: box_of(running, waiting) is None)
    page.get_by_text("Taken back").wait_for()


def test_a_box_is_drawn_by_keys_and_left(page, running, waiting):
    page.goto(f"{running.address}/review")
    page.locator("#work:not([hidden])").wait_for()
    page.keyboard.press("b")
    page.keyboard.press("Escape")
    page.locator("#asked:not(.drawing)").wait_for()
    assert box_of(running, waiting) is None
    page.keyboard.press("b")
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Enter")
    running.until(lambda: near(box_of(running, waiting), [0.05, 0.25, 0.5, 0.55]))


def test_a_box_is_drawn_by_touch(browser, running, waiting):
    with opened_page(browser, 360, 740, has_touch=True) as page:
        page.goto(f"{running.address}/review")
        page.locator("#work:not([hidden])").wait_for()
        page.get_by_role("button", name="Box", exact=True).tap()
        page.locator("#asked.drawing").wait_for()
        left, top, width, height = seen(page)
        screenshot(page, "box-touch")
        link = page.context.new_cdp_session(page)
        for kind, points in (
            ("touchStart", [(0.1, 0.1)]),
            ("touchMove", [(0.3, 0.5)]),
            ("touchMove", [(0.5, 0.9)]),
            ("touchEnd", []),
        ):
            at = [{"x": left + x * width, "y": top + y * height} for x, y in points]
            link.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})
        running.until(lambda: near(box_of(running, waiting), [0.1, 0.1, 0.4, 0.8]))


def test_two_animals_on_a_photo_are_two_to_decide_and_come_into_the_gallery(page, running, waiting):
    page.goto(f"{running.address}/review")
    page.locator("#work:not([hidden])").wait_for()
    page.keyboard.press("a")
    page.locator("#asked.drawing").wait_for()
    drag(page, (0.55, 0.1), (0.95, 0.9))
    page.get_by_text("another animal on").wait_for()
    page.keyboard.press("b")
    page.locator("#asked.drawing").wait_for()
    drag(page, (0.05, 0.1), (0.45, 0.9))

    def both():
        return running.get("/v1/photos").json()["numbers"].get("answered") == 2

    running.until(both, 120)
    page.reload()
    for number in range(2):
        page.locator("#work:not([hidden])").wait_for()
        page.keyboard.press("n")
        page.locator("#ask-input").wait_for()
        page.keyboard.type(f"Herd {number}")
        page.keyboard.press("Enter")
        page.get_by_text(f"Herd {number}").wait_for()
        page.wait_for_timeout(500)
    running.until(lambda: running.get("/v1/photos").json()["numbers"].get("filed") == 2, 180)
    paths = [
        photo.path
        for photo in Decisions(running.folder.parent / "gallery").photos().values()
        if photo.name.startswith("Herd")
    ]
    assert len(paths) == 2
    assert all("#xywh=" in path for path in paths)


def test_a_photo_of_the_gallery_gets_a_box_that_its_history_undoes(page, running):
    decisions = Decisions(running.folder.parent / "gallery")
    page.goto(f"{running.address}/individual?name=Cy")
    page.locator(".photos input").first.check()
    page.get_by_role("button", name="Draw a box").click()
    page.locator(".pane.alone.drawing").wait_for()
    page.wait_for_timeout(500)
    for key in ("ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    screenshot(page, "box-gallery")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Undo Box drawn: Cy").wait_for(timeout=60_000)

    def parts():
        return [p.path for p in decisions.photos().values() if "#" in p.path and p.name == "Cy"]

    assert len(parts()) == 1
    assert "#xywh=92,92,192,192" in parts()[0]  # of 384 pixels
    page.get_by_role("button", name="Undo Box drawn: Cy").click()
    running.until(lambda: not parts())
    page.get_by_text("taken back: Cy").wait_for()


@pytest.fixture
def doubted(tmp_path):
    """A server of twelve animals: one has two names, a photo of another has a third one's."""
    rng = np.random.default_rng(5)
    whose = np.repeat(np.arange(12), EACH)
    z = rng.normal(size=(12, 16))[whose] + 0.25 * rng.normal(size=(len(whose), 16))
    names = [f"animal {n}" for n in whose]
    names[3:6] = ["also 0"] * 3
    names[2 * EACH] = "animal 3"
    gallery = drawn(names)
    settings = {**gallery.settings, "fingerprint": "none", "run": "none", "run_relative": ""}
    settings = {key: value for key, value in settings.items() if key != "calibration"}
    pictures = np.array([picture(int(n), (192, 144)) for n in whose], object)
    gallery = replace(gallery, embeddings=z.astype(np.float32), thumbnails=pictures)
    write_gallery(tmp_path / "gallery", replace(gallery, settings=settings | {"built": ""}))
    with serving(tmp_path / "server", "--gallery", tmp_path / "gallery") as running:
        yield running


def test_names_are_checked_by_keys(page, doubted, axe):
    decisions = Decisions(doubted.folder.parent / "gallery")
    page.goto(f"{doubted.address}/individuals")
    page.get_by_role("link", name="Names to check").click()
    page.get_by_role("heading", name=re.compile("Are .* one?")).wait_for(timeout=120_000)
    page.wait_for_timeout(500)
    screenshot(page, "check")
    assert not violations(page, axe)
    page.keyboard.press("d")
    page.get_by_text("are two").wait_for()
    assert list(decisions.links().values()) == ["different"]
    page.keyboard.press("z")
    page.get_by_text("Taken back").wait_for()
    assert not decisions.links()
    page.get_by_role("heading", name=re.compile("Are .* one?")).wait_for()
    page.keyboard.press("y")
    page.get_by_text("is animal 0 now").or_(page.get_by_text("is also 0 now")).wait_for()
    assert len({"animal 0", "also 0"} & set(decisions.individuals())) == 1
    page.get_by_role("heading", name="Is this animal 2 and not animal 3?").wait_for()
    page.keyboard.press("ArrowDown")
    page.get_by_text("The others were put off").or_(page.get_by_text("likely")).first.wait_for()
    page.reload()
    page.get_by_role("heading", name="Is this animal 2 and not animal 3?").wait_for()
    page.keyboard.press("y")
    page.get_by_text("Moved to animal 2").wait_for()
    assert len(decisions.individuals()["animal 2"]) == EACH
    page.get_by_text("Nothing to check").wait_for(timeout=120_000)
    screenshot(page, "check-done")
