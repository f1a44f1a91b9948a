"""Figures about alarms, the journal and why a point did not ring, in a real browser."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import House, SignIn

pytestmark = [pytest.mark.part("chromium"), pytest.mark.timeout(120)]
SLOW_MS = 20_000


@pytest.mark.serves("C5")
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_the_figures_stand_beside_a_guide_and_name_the_noisiest(
    sign_in: SignIn, house: House, *, phone: bool
) -> None:
    page = sign_in("chenlei", language="en-GB", phone=phone)
    page.goto(f"{house.url}/quality?lang=en&part=alarms")
    rate = page.locator(".st-key-panel-kpi-rate")
    expect(rate).to_contain_text("42", timeout=SLOW_MS)
    expect(rate).to_contain_text("34 s")
    guide = page.locator(".st-key-panel-kpi-guide")
    expect(guide).to_contain_text("beyond", timeout=SLOW_MS)
    expect(page.locator(".st-key-panel-kpi-top")).to_contain_text("70% of all alarms")
    assert "compliant" not in page.content().lower()


@pytest.mark.serves("C2")
def test_the_journal_is_filtered_and_leaves_as_a_file(sign_in: SignIn, house: House) -> None:
    page = sign_in("chenlei", language="en-GB")
    page.goto(f"{house.url}/quality?lang=en&part=journal")
    panel = page.locator(".st-key-panel-journal")
    expect(panel).to_contain_text("Acknowledged", timeout=SLOW_MS)
    expect(panel).to_contain_text("Chen Lei")
    box = panel.get_by_label("Text in title or note")
    box.fill("nothing of this name")
    box.press("Enter")
    expect(panel).to_contain_text("No entries", timeout=SLOW_MS)
    link = panel.get_by_role("link", name="Export CSV")
    assert "text=nothing" in str(link.get_attribute("href"))


@pytest.mark.serves("C6")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_point_says_why_it_does_not_ring(sign_in: SignIn, house: House, language: str) -> None:
    page = sign_in("chenlei", language={"en": "en-GB", "zh": "zh-CN"}[language])
    page.goto(f"{house.url}/quality?lang={language}&part=why&point=hvac-1/active_power")
    answer = page.locator(".st-key-panel-why-answer")
    first = {"en": "No rule is true: 140.0 kW is not above", "zh": "没有规则成立"}[language]
    expect(answer).to_contain_text(first, timeout=SLOW_MS)
    expect(answer).to_contain_text("200,000")
    expect(page.locator(".st-key-panel-why-rules")).to_contain_text("feeder-overload v1")
