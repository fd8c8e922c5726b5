"""Individuals and reports as people use them, in a browser: filters, sexes, a threshold decided.

At three widths nothing is cut off, in light and dark; nothing is asked of another host.
"""

from urllib.parse import quote

import pytest

from reid_jax.individuals.gallery.decisions import Decisions
from tests.app.browsing import WIDTHS, browser, opened_page, screenshot
from tests.app.running import serving
from tests.seen_gallery import name_of, write_photos, write_seen

__all__ = ["browser"]  # a fixture
pytestmark = pytest.mark.exhaustive

PAGES = {
    "individuals": "/individuals?where=orientation%3Dleft",
    "individual": f"/individual?name={quote(name_of(0))}",
    "reports": "/reports?by=season&group=sex",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    write_seen(folder / "gallery", write_photos(folder / "photos"))
    with serving(folder / "server", "--gallery", folder / "gallery") as server:
        server.until(lambda: server.get("/v1/reports/sureness").json()["sureness"], 120)
        yield server


@pytest.fixture(params=["light", "dark"])
def page(request, browser, running):
    strict = {"own": (running.address,), "expected": ()}
    with opened_page(browser, 1280, 720, **strict, color_scheme=request.param) as opened:
        opened.scheme = request.param
        yield opened


def test_a_threshold_is_moved_and_kept(page, running):
    page.goto(f"{running.address}/reports")
    slider = page.locator("#level")
    slider.focus()
    before = page.locator("#known-words").inner_text()
    page.keyboard.press("End")
    assert page.locator("#shown").inner_text() == "From 99% on"
    after = page.locator("#known-words").inner_text()
    assert after != before
    page.get_by_role("button", name="Give names from here on").click()
    page.get_by_text("Somebody decided this.").wait_for()
    assert page.locator("#known-words").inner_text() == after
    history = running.get("/v1/gallery/history").json()["decisions"]
    assert history[0]["words"] == "Names are given from: 99%"
    page.get_by_role("button", name="As calibrated").click()
    page.get_by_text("This follows from the calibration.").wait_for()
    assert page.locator("#known-words").inner_text() == before


def test_individuals_are_filtered_and_described(page, running):
    page.goto(f"{running.address}/individuals")
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Sex").select_option("not known")
    page.get_by_label("Since").fill("2020")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("individuals found").wait_for()
    page.get_by_role("link", name=name_of(5)).click()
    page.get_by_role("button", name="Sex", exact=True).click()
    page.keyboard.type("female")
    page.keyboard.press("Enter")
    page.locator(".head .soft", has_text="sex female").wait_for()
    page.locator(".photos input").first.check()
    page.locator("#column").select_option("place")
    page.get_by_role("button", name="Say it").click()
    page.keyboard.type("Harbour")
    page.keyboard.press("Enter")
    page.locator(".places", has_text="Harbour").wait_for()
    folder = running.folder.parent / "gallery"
    for _ in range(2):
        Decisions(folder).undo()


@pytest.mark.parametrize(("width", "height"), WIDTHS)
def test_nothing_is_cut_off(page, running, width, height):
    page.set_viewport_size({"width": width, "height": height})
    for name, path in PAGES.items():
        page.goto(f"{running.address}{path}")
        page.wait_for_timeout(500)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        screenshot(page, f"{name}-{width}-{page.scheme}", full_page=True)
