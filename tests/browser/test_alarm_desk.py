"""The alarm list as an operator works with it: several at once, put aside, the banner."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import House, SignIn

pytestmark = [pytest.mark.part("chromium"), pytest.mark.timeout(120)]
SLOW_MS = 20_000
FIRE = {"rule": "detector-fire", "point": "fire-panel/detector-05", "value": 1}


def alarms(page: Page) -> Page:
    page.locator("[data-go=alarms]").first.click()
    page.locator("[data-view=alarms]").wait_for()
    return page


@pytest.mark.serves("C2")
def test_several_are_acknowledged_at_once_and_life_safety_is_left_out(
    sign_in: SignIn, house: House
) -> None:
    fire = house.make("alarm", **FIRE)
    page = alarms(sign_in("chenlei", language="en-GB"))
    boxes = page.locator(".gr[data-id] .ck")
    boxes.nth(2).wait_for()
    for number in range(3):
        boxes.nth(number).click()
    page.locator(".bulk").get_by_role("button", name="Acknowledge").click()
    window = page.get_by_role("dialog")
    expect(window.locator(".left-out")).to_contain_text("Detector in fire")
    window.locator("button.pr").click()
    expect(page.locator(f".gr[data-id='{fire}'] .pri")).not_to_have_class("pri p1 ack")
    assert ["chenlei", "/api/v1/alarms/acknowledge"] in house.asked()


@pytest.mark.serves("C2")
def test_a_fire_is_not_shelved_and_another_alarm_is_with_a_reason(
    sign_in: SignIn, house: House
) -> None:
    fire = house.make("alarm", **FIRE)
    page = alarms(sign_in("chenlei", language="en-GB"))
    expect(page.locator(".gr.sel")).to_have_attribute("data-id", fire)
    page.keyboard.press("s")
    window = page.get_by_role("dialog")
    expect(window).to_contain_text("cannot be shelved")
    window.get_by_role("button", name="Understood").click()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".detail h2")).to_contain_text("Feeder over its rating")
    page.keyboard.press("s")
    window = page.get_by_role("dialog")
    window.locator("input[name=reason]").fill("known, a fitter comes tomorrow")
    window.locator("button.pr").click()
    expect(page.locator("[data-flag=shelved]")).to_contain_text(
        "a fitter comes tomorrow", timeout=SLOW_MS
    )


@pytest.mark.serves("G1")
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_what_waits_is_on_a_page_of_streamlit_too_and_acknowledged_there(
    sign_in: SignIn, house: House, *, phone: bool
) -> None:
    fire = house.make("alarm", **FIRE)
    page = sign_in("chenlei", language="en-GB", phone=phone)
    page.goto(f"{house.url}/energy?lang=en")
    row = page.locator(f".ba[data-id='{fire}']")
    expect(row).to_contain_text("Detector in fire", timeout=SLOW_MS)
    assert page.locator(".ba:visible").count() == (1 if phone else 3)
    row.get_by_role("button", name="Acknowledge").click()
    expect(row).to_have_count(0)
    assert ["chenlei", f"/api/v1/alarms/{fire}/acknowledge"] in house.asked()


@pytest.mark.serves("C2")
def test_who_is_second_is_told_who_was_first(sign_in: SignIn, house: House) -> None:
    fire = house.make("alarm", **FIRE)
    first = alarms(sign_in("chenlei", language="en-GB"))
    second = alarms(sign_in("admin", language="en-GB"))
    expect(second.locator(".gr.sel")).to_have_attribute("data-id", fire)
    first.keyboard.press("a")
    expect(first.locator(f".gr[data-id='{fire}'] .pri")).to_have_class("pri p1 ack")
    expect(second.locator(f".gr[data-id='{fire}'] .pri")).to_have_class("pri p1 ack")
