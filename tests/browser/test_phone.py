"""My orders on a phone: one hand, one main button, from accepting to done."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn

pytestmark = [pytest.mark.part("chromium"), pytest.mark.timeout(120)]
WIDE = "() => document.documentElement.scrollWidth > innerWidth"
TAP = 48  # CSS px
SMALLEST = 360


def main_button(page: Page) -> str:
    """Return what the main button at the bottom does."""
    return page.locator(".bot .pr").get_attribute("data-deed") or ""


@pytest.mark.serves("G2")
def test_an_order_goes_from_accepted_to_done_by_its_main_button(sign_in: SignIn) -> None:
    page = sign_in("wangqiang", phone=True)
    sheet = page.locator(".sheet")
    expect(sheet).to_contain_text("馈线过载")
    sheet.locator("[data-deed=accept]").click()
    for deed, after in (("depart", "arrive"), ("arrive", "start"), ("start", "done")):
        page.locator(f".bot [data-deed={deed}].pr").click()
        page.locator(f".bot [data-deed={after}].pr").wait_for()
    assert main_button(page) == "done"
    page.locator(".bot .pr").click()
    cause, remedy = page.locator(".dialog input").all()
    cause.fill("新增负荷")
    remedy.fill("已调整")
    page.locator(".dialog [type=submit]").click()
    expect(page.locator(".phone .hd .m").last).to_contain_text("待验收")


@pytest.mark.serves("G2")
def test_who_cannot_go_says_why(sign_in: SignIn) -> None:
    page = sign_in("wangqiang", phone=True, language="en-GB")
    page.locator(".sheet [data-deed=decline]").click()
    send = page.locator(".dialog [type=submit]")
    expect(send).to_be_disabled()
    page.locator(".pick [data-key=far]").click()
    send.click()
    page.locator(".sheet").wait_for(state="hidden")


@pytest.mark.parametrize("width", [390, SMALLEST])
def test_nothing_is_wider_than_the_phone_and_buttons_fit_a_thumb(
    sign_in: SignIn, width: int
) -> None:
    page = sign_in("wangqiang", phone=True)
    page.set_viewport_size({"width": width, "height": 780})
    box = page.locator(".sheet [data-deed=accept]").bounding_box()
    assert box is not None
    assert box["height"] >= TAP
    for view in ("alarms", "emergency", "me", "mine"):
        page.click(f".tabs [data-go={view}]")
        page.locator(f".wk[data-view={view}]").wait_for()
        assert not page.evaluate(WIDE), view


def test_leaving_ends_the_session(sign_in: SignIn) -> None:
    page = sign_in("wangqiang", phone=True)
    page.click(".tabs [data-go=me]")
    page.locator("[data-do=sign-out]").click()
    page.locator("input[name=password]").wait_for()
