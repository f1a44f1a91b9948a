"""The operator's screens in a real browser: an alarm appears, is acknowledged, and what then."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import House, SignIn

pytestmark = [pytest.mark.part("chromium"), pytest.mark.timeout(120)]
SOON_MS = 2_000  # event to screen, with a browser and two servers on the same two cores
FIRE = {"rule": "detector-fire", "point": "fire-panel/detector-05", "value": 1}
ROW = "[data-id='{}']"
SCROLLS = "() => document.documentElement.scrollHeight > innerHeight + 1"


def go(page: Page, view: str) -> None:
    page.click(f".nav [data-go={view}]")


def test_a_wrong_password_is_refused_in_words(sign_in: SignIn, house: House) -> None:
    page = sign_in("chenlei")
    page.context.clear_cookies()
    page.goto(house.url)
    page.fill("input[name=user]", "chenlei")
    page.fill("input[name=password]", "guess")
    page.press("input[name=password]", "Enter")
    expect(page.locator(".wrong")).to_have_text("账号或密码不对")
    assert "wk_session" not in page.evaluate("document.cookie")


@pytest.mark.serves("G1")
def test_a_new_alarm_appears_and_goes_outline_when_acknowledged(
    sign_in: SignIn, house: House
) -> None:
    page = sign_in("chenlei")
    page.locator(".wall .al").first.wait_for()
    expect(page.locator(".top .demo")).to_have_text("演示")
    alarm = house.make("alarm", **FIRE)
    row = page.locator(".wall .al" + ROW.format(alarm))
    row.wait_for(timeout=SOON_MS)
    expect(page.locator(".wall .al").first).to_have_attribute("data-id", alarm)  # critical first
    row.get_by_role("button").click()
    expect(row.locator(".pri")).to_have_class("pri p1 ack")
    assert ["chenlei", f"/api/v1/alarms/{alarm}/acknowledge"] in house.asked()


@pytest.mark.serves("C6")
def test_the_wall_shows_what_nobody_knows_as_unknown(sign_in: SignIn, house: House) -> None:
    house.make("value", point="main-1/active_power", value=None)
    page = sign_in("chenlei", language="en-GB")
    tile = page.locator(".tile").first
    expect(tile.locator(".v")).to_contain_text("?")
    expect(tile.locator(".m")).to_have_text("no data 13 min")


def test_what_the_server_calls_fresh_is_known_however_long_ago_it_came(
    sign_in: SignIn, house: House
) -> None:
    for number in range(1, 21):
        house.make("value", point=f"fire-panel/detector-{number:02d}", value=0, quiet_s=300)
    page = sign_in("chenlei", language="en-GB")
    zone = page.locator(".fz > div").first
    expect(zone.locator("span")).to_have_text("normal, 20")
    expect(zone).to_have_class("")


def test_the_alarm_screen_works_by_keyboard_and_says_what_to_do(
    sign_in: SignIn, house: House
) -> None:
    alarm = house.make("alarm", **FIRE)
    page = sign_in("chenlei", language="en-GB")
    go(page, "alarms")
    selected = page.locator(".gr.sel")
    expect(selected).to_have_attribute("data-id", alarm)
    expect(page.locator(".detail")).to_contain_text("Send somebody to look")
    expect(page.locator(".detail .kv")).to_contain_text("detector-fire v3")
    expect(page.locator(".detail .told")).to_contain_text("Li · inbox · read")
    page.keyboard.press("a")
    expect(selected.locator(".pri")).to_have_class("pri p1 ack")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".detail h2")).to_contain_text("Feeder over its rating")
    page.keyboard.press("Enter")  # its order
    expect(page.locator(".ocard.sel")).to_contain_text("Feeder over its rating")


def test_an_order_is_assigned_from_the_board(sign_in: SignIn) -> None:
    page = sign_in("chenlei", language="en-GB")
    go(page, "orders")
    card = page.locator(".ocard", has_text="7F tap dry")
    card.get_by_role("button", name="Assign").click()
    page.locator(".pick [data-key=wangqiang]").click()
    page.locator(".dialog [type=submit]").click()
    expect(card).to_contain_text("王强")


@pytest.mark.serves("E4")
def test_a_running_emergency_leads_to_its_console_and_its_next_step(
    sign_in: SignIn, house: House
) -> None:
    page = sign_in("chenlei", language="en-GB")
    run = house.make("run")
    page.locator(".emg").click(timeout=SOON_MS * 5)
    expect(page.locator(".ehd h1")).to_contain_text("Tower B lift 3")
    step = page.locator(".st.ready")
    key = step.get_attribute("data-step")
    step.locator("[data-deed=done]").click()
    dialog = page.locator(".dialog")
    if dialog.count():  # some steps ask for a note first
        for field in dialog.locator("input").all():
            field.fill("1")
        dialog.locator("[type=submit]").click()
    expect(page.locator(f"[data-step={key}]")).to_have_class("st done ")
    assert ["chenlei", f"/api/v1/runs/{run}/steps/{key}/done"] in house.asked()


def test_a_plan_is_started_by_hand(sign_in: SignIn, house: House) -> None:
    page = sign_in("chenlei", language="en-GB")
    go(page, "emergency")
    page.locator("[data-plan=fire] button").click()
    page.locator(".dialog [type=submit]").click()
    page.locator(".ehd").wait_for()
    assert ["chenlei", "/api/v1/plans/fire/start"] in house.asked()


@pytest.mark.serves("G2")
def test_the_other_language_comes_at_once_and_keeps_the_place(sign_in: SignIn) -> None:
    page = sign_in("chenlei")
    go(page, "alarms")
    page.wait_for_url("**/alarms*")  # the script has heard of it too
    row = page.locator(".gr").nth(2)
    row.click()
    chosen = row.get_attribute("data-id")
    page.locator(".top .lang").click()
    expect(page.locator(".nav .on")).to_contain_text("Alarms")
    expect(page.locator(".gr.sel")).to_have_attribute("data-id", chosen or "")
    expect(page.locator(".nav [data-go=overview]")).to_have_text("Overview")  # no empty count
    page.reload()
    expect(page.locator(".nav .on")).to_contain_text("Alarms")


def test_a_pick_that_the_script_did_not_hear_is_told_again(sign_in: SignIn) -> None:
    page = sign_in("chenlei", language="en-GB")
    for view in ("alarms", "orders", "emergency", "alarms"):  # faster than the script can run
        go(page, view)
    page.wait_for_url("**/alarms*", timeout=20_000)
    expect(page.locator(".nav .on")).to_contain_text("Alarms")


def test_an_address_that_is_not_of_ones_role_opens_ones_first_screen(
    sign_in: SignIn, house: House
) -> None:
    page = sign_in("wangqiang", language="en-GB")
    page.goto(f"{house.url}/energy")
    expect(page.locator(".nav .on")).to_have_text("My orders1", timeout=20_000)
    expect(page.get_by_text("Page not found")).to_have_count(0)


@pytest.mark.serves("G1")
def test_a_critical_alarm_that_has_returned_does_not_look_active(
    sign_in: SignIn, house: House
) -> None:
    page = sign_in("chenlei", language="en-GB")
    alarm = house.make("alarm", **FIRE)
    row = page.locator(".wall .al" + ROW.format(alarm))
    row.wait_for()
    expect(page.locator(".nav [data-go=alarms] .cnt")).to_have_class("cnt u1")
    house.make("return", alarm=alarm)
    expect(row.locator(".pri")).to_have_class("pri p1 rtn")
    expect(row).to_have_css("background-color", "rgba(0, 0, 0, 0)")  # no tint
    expect(page.locator(".nav [data-go=alarms] .cnt")).to_have_class("cnt")
    expect(row.locator(".sub")).not_to_contain_text("Fire ·")  # the title says it


@pytest.mark.serves("G2")
def test_the_look_follows_the_browser_without_a_reload(sign_in: SignIn) -> None:
    page = sign_in("chenlei")
    frame = "[...document.querySelectorAll('*')].find(n => n.shadowRoot?.querySelector('.wk'))"
    theme = f"{frame}.dataset.theme"
    assert page.evaluate(theme) == "light"
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"() => {theme} === 'dark'")


def test_nothing_scrolls_but_the_lists(sign_in: SignIn) -> None:
    page = sign_in("chenlei")
    for view in ("overview", "alarms", "emergency"):
        go(page, view)
        page.locator(f".wk[data-view={view}]").wait_for()
        assert not page.evaluate(SCROLLS), view


@pytest.mark.serves("G1")
def test_silence_of_the_server_shows_and_ends(sign_in: SignIn, house: House) -> None:
    page = sign_in("chenlei", language="en-GB")
    page.locator(".wall .al").first.wait_for()
    house.freeze()
    page.locator(".lost:not([hidden])").wait_for(timeout=16_000)
    expect(page.locator(".lost")).to_contain_text("No connection for 10 s")
    house.thaw()
    page.locator(".lost").wait_for(state="hidden", timeout=15_000)
    alarm = house.make("alarm", **FIRE)
    page.locator(".wall .al" + ROW.format(alarm)).wait_for(timeout=SOON_MS * 3)


def test_a_manager_sees_the_month_and_its_files(sign_in: SignIn) -> None:
    page = sign_in("zhaoyan", language="en-GB")
    page.get_by_text("Riverside Plaza, energy").wait_for(timeout=20_000)
    link = page.get_by_role("link", name="Report PDF").get_attribute("href")
    assert (link or "").startswith("/api/v1/reports/month/20")
    go(page, "equipment")
    page.get_by_text("Tower A B1F · Profile eastron-sdm630").wait_for(timeout=20_000)
