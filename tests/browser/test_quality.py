"""What was put aside, as an operator sees it, and what one may do about it."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import House, SignIn

pytestmark = [pytest.mark.part("chromium"), pytest.mark.timeout(120)]
WIDE = "() => document.documentElement.scrollWidth > innerWidth"
ROW_PX, TICK_PX = 35, 18
TABLE = ".st-key-panel-quarantine [data-testid=stDataFrame]"


def opened(page: Page, house: House) -> None:
    page.goto(f"{house.url}/quality")
    page.locator(TABLE).nth(1).wait_for(timeout=20_000)


def tick(page: Page, row: int) -> None:
    """Tick a row of the list; its table is drawn on a canvas."""
    where = {"x": TICK_PX, "y": ROW_PX * (row + 1) + ROW_PX // 2}
    page.locator(TABLE).nth(1).click(position=where)  # type: ignore[arg-type] # a plain dict will do


@pytest.mark.serves("B4")
def test_an_operator_re_runs_all_drops_the_ticked_and_no_text_becomes_markup(
    sign_in: SignIn, house: House
) -> None:
    page = sign_in("chenlei", language="en-GB")
    opened(page, house)
    expect(page.get_by_text("last 24 h: 5,647 readings in 7 items")).to_be_visible()
    page.get_by_role("button", name="Re-run all").click()
    expect(page.get_by_text("The gateway tries again")).to_be_visible(timeout=10_000)
    assert ["rerun", "all"] in house.asked()

    tick(page, 4)  # a message nobody can read
    drop = page.get_by_role("button", name="Drop ticked (1)")
    expect(drop).to_be_enabled(timeout=10_000)
    expect(page.locator("[data-testid=stCode]")).to_contain_text("<script>")
    drop.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("cannot be had back")
    assert all(deed != "drop" for deed, _ in house.asked()), "not before it is confirmed"
    dialog.get_by_role("button", name="Drop").click()
    expect(page.get_by_text("The gateway takes them out")).to_be_visible(timeout=10_000)
    expect(page.get_by_text("in 6 items")).to_be_visible()
    assert ["drop", "896"] in house.asked()
    assert page.title() != "taken"


@pytest.mark.serves("B4")
def test_on_a_phone_nothing_is_wider_than_it(sign_in: SignIn, house: House) -> None:
    page = sign_in("chenlei", phone=True, dark=True)
    opened(page, house)
    expect(page.get_by_text("近 24 小时 5,647 条读数，7 项")).to_be_visible()
    assert not page.evaluate(WIDE)
    expect(page.get_by_role("button", name="全部重试")).to_be_visible()
    expect(page.get_by_role("button", name="丢弃")).to_be_disabled()
