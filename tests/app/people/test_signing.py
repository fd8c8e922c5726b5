"""Signing in and out, and who else may, as people do it in a browser."""

import pytest

from reid_jax.app.people.users import Users
from tests.app.browsing import WIDTHS, axe, browser, opened_page, screenshot, violations
from tests.app.signed_in import PASSWORD, closed_server

__all__ = ["axe", "browser"]  # fixtures
pytestmark = pytest.mark.exhaustive


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    roles = {"Ann": "admin", "Somebody with quite a long name, really": "reader"}
    with closed_server(tmp_path_factory.mktemp("closed"), roles) as running:
        yield running


def sign_in(page, password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill("Ann")
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


def test_who_signs_in_is_where_they_wanted_and_decides_by_their_name(closed, browser):
    with opened_page(browser) as page:
        page.goto(f"{closed.address}/individual?name=Alma")
        assert "/sign-in?after=" in page.url
        sign_in(page)
        page.wait_for_url("**/individual?name=Alma")
        page.get_by_role("button", name="Add a note").click()
        page.keyboard.type("a scar")
        page.keyboard.press("Enter")
        page.get_by_text("a scar").first.wait_for()
        assert "Ann" in page.locator(".history").inner_text()
        page.goto(closed.address)
        page.set_input_files("#choose", [closed.folder.parent / "photos" / "0.jpg"])
        page.get_by_text("In the gallery already: Alma").wait_for(timeout=30_000)
        page.get_by_title("You are signed in").click()
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/sign-in")
        page.go_back()
        page.wait_for_url("**/sign-in**")


def test_a_wrong_password_is_said(closed, browser):
    page = browser.new_context().new_page()
    page.goto(closed.address)
    sign_in(page, "a wrong password")
    page.get_by_role("alert").get_by_text("is wrong").wait_for()
    sign_in(page)
    page.wait_for_url(f"{closed.address}/")
    page.context.close()


def test_an_admin_lets_somebody_in_and_changes_passwords(closed, browser):
    with opened_page(browser) as page:
        page.goto(f"{closed.address}/you")
        sign_in(page)
        page.wait_for_url(f"{closed.address}/you")
        page.get_by_label("Name", exact=True).fill("Cy <b>")
        page.get_by_label("First password,").fill("a first password")
        page.get_by_role("button", name="Let them in").click()
        page.get_by_role("button", name="New password for Cy <b>").click()
        page.keyboard.type("a second password")
        page.keyboard.press("Enter")
        page.get_by_text("Cy <b> has another password.").wait_for()
        assert closed.ask(
            "POST", "/v1/session", {"name": "Cy <b>", "password": "a second password"}
        ).json() == {"name": "Cy <b>", "role": "reviewer"}
        page.get_by_role("button", name="Remove Cy <b>").click()
        page.get_by_role("button", name="Remove", exact=True).last.click()
        page.get_by_role("button", name="Remove Cy <b>").wait_for(state="detached")
        page.get_by_label("Password until now").fill(PASSWORD)
        page.get_by_label("New password,").fill("quite another one")
        page.get_by_role("button", name="Change it").click()
        page.wait_for_url("**/sign-in")
        sign_in(page, "quite another one")
        page.wait_for_url(f"{closed.address}/")
    users = Users(closed.folder / "users.sqlite")
    users.set_password("Ann", PASSWORD)
    users.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), WIDTHS)
def test_these_pages_are_for_everybody(closed, browser, axe, width, height, scheme):
    with opened_page(browser, width, height, color_scheme=scheme) as page:
        page.goto(f"{closed.address}/you")
        for name in ("sign-in", "you"):
            page.get_by_role("heading").first.wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            screenshot(page, f"{name}-{width}-{scheme}")
            assert violations(page, axe) == []
            if name == "sign-in":
                sign_in(page)
                page.wait_for_url(f"{closed.address}/you")
