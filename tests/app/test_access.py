"""Each page for everybody: axe-core finds no violation of WCAG 2.2 AA, in light and dark.

axe-core comes from npm into `build/`, which is not kept; without npm the tests are skipped.
"""

import pytest

from tests.app.browsing import (
    WIDTHS,
    axe,
    browser,
    opened_page,
    photos,
    running,
    screenshot,
    violations,
)

__all__ = ["axe", "browser", "photos", "running"]  # fixtures
pytestmark = pytest.mark.exhaustive

PAGES = {
    "inbox": "/",
    "review": "/review",
    "check": "/check",
    "individuals": "/individuals",
    "nobody": "/individuals?q=nobody-is-called-so",
    "individual": "/individual?name=Ada",
    "docs": "/docs",
    "missing": "/nothing-here",
}


@pytest.fixture(scope="module")
def shown(running, photos):
    """The server, when photos were dropped and looked up."""
    new = sorted((photos / "new").iterdir())
    for path in new:
        running.drop(path.name, path.read_bytes())
    running.until(lambda: states(running) == {"answered", "refused"}, 300)
    decided = running.get("/v1/review/next").json()["photo"]
    running.ask("POST", f"/v1/review/{decided['id']}", {"kind": "cannot tell"})
    return running


def states(running) -> set[str]:
    return {file["state"] for file in running.get("/v1/photos").json()["files"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), WIDTHS)
def test_no_page_keeps_anybody_out(browser, shown, axe, width, height, scheme):
    wrong: dict[str, list[str]] = {}
    with opened_page(browser, width, height, color_scheme=scheme) as page:
        for name, path in PAGES.items():
            page.goto(f"{shown.address}{path}")
            page.wait_for_timeout(900)
            screenshot(page, f"{name}-{width}-{scheme}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            if found := violations(page, axe):
                wrong[name] = found
        page.goto(f"{shown.address}/review")
        page.locator(".candidate").first.wait_for()
        for name, key in (("keys", "?"), ("new", "n"), ("box", "b")):
            page.keyboard.press(key)
            page.wait_for_timeout(400)
            screenshot(page, f"review-{name}-{width}-{scheme}")
            if found := violations(page, axe):
                wrong[name] = found
            page.keyboard.press("Escape")
            page.wait_for_timeout(200)
    assert not wrong


def test_everything_is_reached_by_keys_alone(browser, shown):
    """Whatever can be pressed gets the focus by the tabulator, and is seen to have it."""
    with opened_page(browser) as page:
        for path in PAGES.values():
            page.goto(f"{shown.address}{path}")
            page.wait_for_timeout(900)
            wanted = page.evaluate(
                "[...document.querySelectorAll('a[href], button, input, select, [tabindex]')]"
                ".filter(e => e.checkVisibility({visibilityProperty: true}) && !e.disabled"
                " && e.tabIndex >= 0).length"
            )
            reached = set()
            for _ in range(wanted + 3):
                page.keyboard.press("Tab")
                reached.add(
                    page.evaluate(
                        "(() => { const e = document.activeElement; e.dataset.n ??="
                        " String(Math.random()); return e === document.body ? '' : e.dataset.n })()"
                    )
                )
            assert len(reached - {""}) >= wanted, path
