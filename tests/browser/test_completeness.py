"""Completeness in a real browser: the table is there, a cell shows its holes."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import House, SignIn

pytestmark = [pytest.mark.part("chromium"), pytest.mark.timeout(120)]
UNIT_PX, DAY_PX, ROW_PX = 190, 58, 35  # of dashboard/screens/completeness.py
SLOW_MS = 20_000


@pytest.mark.serves("B4")
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_a_chosen_day_shows_its_holes_and_why(
    sign_in: SignIn, house: House, *, phone: bool
) -> None:
    page = sign_in("chenlei", language="en-GB", phone=phone)
    page.goto(f"{house.url}/quality?lang=en")
    panel = page.locator(".st-key-panel-completeness")
    grid = panel.locator("[data-testid=stDataFrame]").first
    grid.wait_for(timeout=SLOW_MS)
    expect(panel).to_contain_text("Choose a cell")
    box = grid.bounding_box()
    assert box is not None
    # the worst unit, yesterday: its meter was dead
    page.mouse.click(box["x"] + UNIT_PX + 1.5 * DAY_PX, box["y"] + 2.5 * ROW_PX)
    expect(panel.locator("h4")).to_contain_text("Tower B air conditioning", timeout=SLOW_MS)
    expect(panel).to_contain_text("Known to be unknown 87.50%")
    holes = panel.locator("[data-testid=stDataFrame]").nth(1)
    expect(holes).to_contain_text("the device does not answer")
