"""Figures about alarms, the journal and why a point did not ring, in a real browser."""

import csv
import re

import pytest
from playwright.sync_api import Page, expect

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
    top = page.locator(".st-key-panel-kpi-top")
    expect(top).to_contain_text("70% of all alarms")
    lists = page.locator(".st-key-panel-kpi-lists")
    expect(lists).to_contain_text("Suppressed")
    if not phone:  # a small table holds only the columns that fit
        expect(top).to_contain_text("Active power")  # the point by name, not by id
        expect(top).to_contain_text("/quality?part=rules&rule=feeder-overload")
        expect(top).to_contain_text("/quality?part=why&point=hvac-1/active_power")
        expect(lists).to_contain_text("陈磊: fan under repair")
        expect(lists).to_contain_text("17 alarms in 20 min")
    assert "compliant" not in page.content().lower()
    assert not _wider_than_the_device(page)


@pytest.mark.serves("C5")
def test_the_figures_are_told_in_chinese_on_a_phone(sign_in: SignIn, house: House) -> None:
    page = sign_in("chenlei", phone=True)
    page.goto(f"{house.url}/quality?lang=zh&part=alarms")
    expect(page.locator(".st-key-panel-kpi-guide")).to_contain_text("超出", timeout=SLOW_MS)
    lists = page.locator(".st-key-panel-kpi-lists")
    expect(lists).to_contain_text("按设计抑制")
    assert not _wider_than_the_device(page)


def _wider_than_the_device(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


@pytest.mark.serves("C2")
def test_the_journal_is_filtered_and_leaves_as_a_file(sign_in: SignIn, house: House) -> None:
    page = sign_in("chenlei", language="en-GB")
    page.goto(f"{house.url}/quality?lang=en&part=journal")
    panel = page.locator(".st-key-panel-journal")
    expect(panel).to_contain_text("Acknowledged", timeout=SLOW_MS)
    expect(panel).to_contain_text("Chen Lei")
    expect(panel).to_contain_text("edge plant-b1")  # from where
    box = panel.get_by_label("Text in title or note")
    box.fill("nothing of this name")
    box.press("Enter")
    expect(panel).to_contain_text("No entries", timeout=SLOW_MS)
    link = panel.get_by_role("link", name="Export CSV")
    assert "text=nothing" in str(link.get_attribute("href"))


@pytest.mark.serves("C2")
@pytest.mark.parametrize(
    ("language", "export", "first"),
    [("en-GB", "Export CSV", ["recorded", "what"]), ("zh-CN", "导出 CSV", ["记录时间", "事件"])],
)
def test_a_phone_takes_the_journal_home_as_a_file_for_a_spreadsheet(
    sign_in: SignIn, house: House, language: str, export: str, first: list[str]
) -> None:
    page = sign_in("chenlei", language=language, phone=True)
    page.goto(f"{house.url}/quality?lang={language[:2]}&part=journal")
    panel = page.locator(".st-key-panel-journal")
    said = {"en": "Acknowledged", "zh": "确认"}[language[:2]]
    expect(panel).to_contain_text(said, timeout=SLOW_MS)
    assert not _wider_than_the_device(page)
    with page.expect_download(timeout=SLOW_MS) as loading:
        panel.get_by_role("link", name=export).click()
    body = loading.value.path().read_bytes()
    assert body.startswith(b"\xef\xbb\xbf")
    head, *rest = csv.reader(body.decode("utf-8-sig").splitlines())
    assert head == first
    assert rest
    assert loading.value.suggested_filename == "riverside-journal.csv"


@pytest.mark.serves("C6")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_point_says_why_it_does_not_ring(sign_in: SignIn, house: House, language: str) -> None:
    page = sign_in("chenlei", language={"en": "en-GB", "zh": "zh-CN"}[language])
    page.goto(f"{house.url}/quality?lang={language}&part=why&point=hvac-1/active_power")
    answer = page.locator(".st-key-panel-why-answer")
    first = {"en": "No rule is true: 140.0 kW is not above", "zh": "没有规则成立"}[language]
    expect(answer).to_contain_text(first, timeout=SLOW_MS)
    expect(answer).to_contain_text("200,000")
    rules = page.locator(".st-key-panel-why-rules")
    expect(rules).to_contain_text("/quality?part=rules&rule=feeder-overload")
    supervised = {"en": "Supervised: it answers", "zh": "监视：正常"}[language]
    expect(answer).to_contain_text(supervised)
    told = page.locator(".st-key-panel-why-told")
    expect(told).to_contain_text(
        {"en": "inbox: read, mail: sent", "zh": "站内: 已读, 邮件: 已发出"}[language]
    )


def test_a_new_link_wins_over_what_was_chosen_before_it(sign_in: SignIn, house: House) -> None:
    page = sign_in("chenlei", language="en-GB")
    page.goto(f"{house.url}/quality?lang=en&part=why&point=hvac-1/active_power")
    answer = page.locator(".st-key-panel-why-answer")
    expect(answer).to_contain_text("140.0 kW", timeout=SLOW_MS)
    page.get_by_text("Journal", exact=True).click()
    expect(page.locator(".st-key-panel-journal")).to_be_visible(timeout=SLOW_MS)
    expect(page).to_have_url(re.compile("part=journal"))
    expect(page.locator(".st-key-panel-journal a", has_text="CSV")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("[data-testid=stApp]")).to_have_attribute(
        "data-test-script-state", "notRunning", timeout=SLOW_MS
    )
    page.go_back()
    expect(answer).to_contain_text("140.0 kW", timeout=SLOW_MS)
    point = page.get_by_role("combobox", name="Point")
    expect(point).to_have_value(re.compile("hvac-1/active_power"), timeout=SLOW_MS)
