"""The rule book in a real browser: a mistake with its line, two persons, a rule on history."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import House, SignIn

pytestmark = [pytest.mark.part("chromium"), pytest.mark.timeout(120)]
SLOW_MS = 20_000
RULE = "/quality?lang=en&part=rules&rule=feeder-overload"


def opened(page: Page, house: House) -> Page:
    page.goto(f"{house.url}{RULE}")
    expect(page.locator(".st-key-panel-rules-editor")).to_contain_text(
        "it watches 3 points", timeout=SLOW_MS
    )
    return page


def write(page: Page, old: str, new: str) -> None:
    area = page.locator(".st-key-rule-text textarea")
    expect(area).to_have_value(re.compile(old), timeout=SLOW_MS)
    area.fill(area.input_value().replace(old, new))
    area.press("Control+Enter")


@pytest.mark.serves("C1")
def test_a_mistake_is_shown_with_its_line_and_a_draft_goes_to_somebody_else(
    sign_in: SignIn, house: House
) -> None:
    page = opened(sign_in("chenlei", language="en-GB"), house)
    editor = page.locator(".st-key-panel-rules-editor")
    write(page, "high", "hgih")
    expect(editor).to_contain_text("Line 5: hgih: unknown", timeout=SLOW_MS)
    write(page, "hgih", "high")
    expect(editor).to_contain_text("it watches 3 points", timeout=SLOW_MS)
    editor.get_by_label("Why").fill("it rang too late")
    editor.get_by_label("Why").press("Tab")
    editor.get_by_role("button", name="Save as draft").click()
    waiting = page.locator(".st-key-panel-rules-waiting")
    expect(waiting).to_contain_text("feeder-overload r2 · draft", timeout=SLOW_MS)
    waiting.get_by_role("button", name="Submit").click(timeout=SLOW_MS)
    expect(waiting).to_contain_text("waits for approval", timeout=SLOW_MS)
    expect(waiting.get_by_role("button", name="Approve")).to_have_count(0)
    boss = opened(sign_in("zhaoyan", language="en-GB"), house)
    waiting = boss.locator(".st-key-panel-rules-waiting")
    expect(waiting).to_contain_text("feeder-overload r2 · waits", timeout=SLOW_MS)
    waiting.get_by_role("button", name="Approve").click(timeout=SLOW_MS)
    expect(boss.locator(".st-key-panel-rules-versions").last).to_contain_text(
        "in effect", timeout=SLOW_MS
    )


@pytest.mark.serves("C4")
def test_a_rule_is_tried_on_history_beside_its_draft(sign_in: SignIn, house: House) -> None:
    page = opened(sign_in("zhaoyan", language="en-GB"), house)
    history = page.locator(".st-key-panel-rules-history")
    history.get_by_role("button", name="Run it").click()
    counts = history.locator("[data-testid=stMetricValue]")
    expect(counts.nth(0)).to_have_text("7", timeout=SLOW_MS)
    expect(counts.nth(2)).to_have_text("5")
    expect(history.locator("[data-testid=stVegaLiteChart]")).to_be_visible(timeout=SLOW_MS)


@pytest.mark.serves("C1")
def test_an_author_who_could_approve_others_does_not_approve_what_is_their_own(
    sign_in: SignIn, house: House
) -> None:
    page = opened(sign_in("zhaoyan", language="en-GB"), house)
    editor = page.locator(".st-key-panel-rules-editor")
    editor.get_by_label("Why").fill("mine")
    editor.get_by_label("Why").press("Tab")
    editor.get_by_role("button", name="Save as draft").click()
    waiting = page.locator(".st-key-panel-rules-waiting")
    waiting.get_by_role("button", name="Submit").click(timeout=SLOW_MS)
    expect(waiting).to_contain_text("Somebody else", timeout=SLOW_MS)
    expect(waiting.locator("button", has_text="Approve")).to_have_count(0)


@pytest.mark.serves("C1")
def test_a_file_comes_into_the_editor_and_can_be_changed_there(
    sign_in: SignIn, house: House
) -> None:
    page = opened(sign_in("chenlei", language="en-GB"), house)
    file = {"name": "r.yaml", "mimeType": "text/yaml", "buffer": b"schema: wk.rules/1\nhgih: 1\n"}
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(file)
    editor = page.locator(".st-key-panel-rules-editor")
    expect(editor).to_contain_text("hgih: unknown", timeout=SLOW_MS)
    write(page, "hgih", "high")
    expect(editor).to_contain_text("it watches 3 points", timeout=SLOW_MS)
