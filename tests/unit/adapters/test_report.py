"""The printed month: its PDF and Excel file in both languages."""

import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import pypdf
import pytest
import typst
from openpyxl import load_workbook

from adapters.report import excel, fonts, page, pdf, words
from server.energy import handlers
from server.energy.api import builtins
from tests.fakes_energy import CATALOG, Tracks, october, without
from watchkeeper import texts
from watchkeeper.errors import NotPossible
from watchkeeper.texts import Texts

NOW = datetime(2026, 11, 5, tzinfo=UTC)
NO_FONTS = typst.Fonts(include_system_fonts=False)


@pytest.fixture(scope="module")
def all_texts() -> Texts:
    return Texts(texts.load_file(CATALOG / "i18n/energy.yaml"))


@pytest.fixture(scope="module")
def report() -> Mapping[str, Any]:
    """A month with a gap, an unconfirmed reset and a meter whose name looks like markup."""
    sources = october()
    assert isinstance(sources.history, Tracks)
    tracks = dict(sources.history.tracks)
    main = tracks["main-1/import_energy"]
    tracks["main-1/import_energy"] = without(main, "2026-10-14 03:00", "2026-10-14 11:00")
    made = handlers.month(replace(sources, history=Tracks(tracks)), "2026-10", NOW)
    plain = builtins(made)
    plain["meters"][3]["name"] = {"zh": "=1+1 #panic() [x]", "en": "=1+1 #panic() [x]"}  # type: ignore[index]
    at = 1_792_000_000_000
    name = {"zh": "电梯", "en": "Lifts"}
    plain["marks"] = [{"unit": "lifts", "name": name, "at": at, "before": 5.0, "after": 0.0}]
    return plain


def said(report: Mapping[str, Any], all_texts: Texts, language: str) -> words.Words:
    return words.Words(all_texts, language, ZoneInfo(report["site"]["time_zone"]))


def text_of(body: bytes) -> str:
    return "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(body)).pages)


@pytest.mark.serves("F5")
@pytest.mark.parametrize(
    ("language", "title", "expected"),
    [
        ("zh", "能耗月报 2026 年 10 月", ["滨江广场", "分时电费", "各表用电", "平衡", "合计"]),
        ("en", "Monthly energy report, October 2026", ["Riverside Plaza", "Time of use", "Total"]),
    ],
)  # fmt: skip
@pytest.mark.part("chinese-font")
def test_the_pdf_says_it_in_the_readers_language(
    report: Mapping[str, Any], all_texts: Texts, language: str, title: str, expected: list[str]
) -> None:
    body = pdf.printer(all_texts, "")(report, language)
    reader = pypdf.PdfReader(io.BytesIO(body))
    text = text_of(body).replace("\n", "")
    assert reader.metadata is not None
    assert reader.metadata.title == title
    assert 2 <= len(reader.pages) <= 3
    for part in [*expected, words.number(report["total_kwh"], 2), page.check(report)]:
        assert part in text
    assert "#panic() [x]" in text


@pytest.mark.part("chinese-font")
def test_the_same_report_gives_the_same_bytes(report: Mapping[str, Any], all_texts: Texts) -> None:
    for language in ("zh", "en"):
        prints = [pdf.printer(all_texts, "")(report, language) for _ in range(2)]
        books = [excel.printer(all_texts)(report, language) for _ in range(2)]
        assert prints[0] == prints[1]
        assert books[0] == books[1]


@pytest.mark.part("chinese-font")
def test_the_font_is_named_with_its_hash(report: Mapping[str, Any], all_texts: Texts) -> None:
    found = fonts.find("")
    assert f"{found.family} {found.sha256[:8]}" in text_of(
        pdf.printer(all_texts, "")(report, "zh")
    ).replace("\n", " ")


@pytest.mark.parametrize("wanted", ["", "Libertinus Serif", "No Such Font"])
def test_chinese_without_a_chinese_font_is_refused_with_a_hint(
    all_texts: Texts, wanted: str
) -> None:
    with pytest.raises(NotPossible) as refused:
        fonts.find(wanted, NO_FONTS)
    assert refused.value.code == "energy.no-font"
    assert "Noto Sans CJK SC" in all_texts("energy.no-font", "zh", **refused.value.facts)


def test_english_needs_no_font_of_the_system(report: Mapping[str, Any], all_texts: Texts) -> None:
    font = fonts.for_latin("", NO_FONTS)
    body = pdf.pdf(report, said(report, all_texts, "en"), font)
    assert (font.family, font.mark) == (fonts.EMBEDDED, "typst")
    assert "Monthly energy report" in text_of(body)


@pytest.mark.part("chinese-font")
def test_a_font_may_be_named_as_a_file_or_a_family() -> None:
    found = fonts.find("")
    file = next(
        face.path for face in found.fonts.fonts() if face.family == found.family and face.path
    )
    assert fonts.find(found.family.lower()).sha256 == found.sha256
    assert fonts.find(file).family.split()[0] == found.family.split()[0]
    assert Path(file).is_file()


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.serves("F5")
def test_the_workbook_holds_numbers_and_never_formulas(
    report: Mapping[str, Any], all_texts: Texts, language: str
) -> None:
    body = excel.printer(all_texts)(report, language)
    book = load_workbook(io.BytesIO(body))
    say = said(report, all_texts, language)
    meters, days = book[say("meters")], book[say("days")]
    cell = meters.cell(5, 1)
    assert (cell.value, cell.data_type) == ("=1+1 #panic() [x]", "s")
    assert days.cell(2, 1).value == "2026-10-01"
    assert days.cell(33, 1).value == say("total")
    assert days.cell(33, 2).value == pytest.approx(float(report["total_kwh"]))
    assert sum(float(str(days.cell(row, 2).value)) for row in range(2, 33)) == pytest.approx(
        float(report["total_kwh"])
    )
    charts = [name for name in ZipFile(io.BytesIO(body)).namelist() if "charts/chart" in name]
    assert len(charts) == 3
    assert book[say("summary")].cell(1, 1).value == say.title("2026-10")


@pytest.mark.parametrize(
    ("change", "zh", "en"),
    [
        ({}, "比上月多 2.5%", "2.5% more than the month before"),
        ({"previous_kwh": Decimal(200_000)}, "比上月少 30.7%", "30.7% less"),
        ({"previous_coverage": 0.5}, "低于 95%", "not compared"),
        ({"month_open": True}, "不与上月比较", "not compared with the last"),
        ({"previous_kwh": None}, "本月用电 138,667 kWh。", "used 138,667 kWh."),
        ({"cost": None, "tariff": None, "bands": []}, "未计电费", "no cost is given"),
        ({"coverage": 0.8}, "数据不足", "Data are missing"),
        ({"energy_coverage": 0.75}, "25.0% 的时间电量不可知", "For 25.0% of the time"),
        ({"marks": []}, "均摊", "spread evenly"),
    ],
)
def test_the_verdict(
    report: Mapping[str, Any], all_texts: Texts, change: dict[str, Any], zh: str, en: str
) -> None:
    for language, expected in (("zh", zh), ("en", en)):
        assert expected in page.verdict({**report, **change}, said(report, all_texts, language))


@pytest.mark.parametrize(
    "change",
    [
        {"cost": None, "tariff": None, "bands": [], "currency": "EUR"},
        {"peak": None, "hours": [None] * 24, "balance": [], "month_open": True},
        {"total_kwh": Decimal(0), "previous_kwh": None},
        {"site": {"id": "x", "name": {"zh": "甲", "en": "A"}, "time_zone": "UTC", "area_m2": 0}},
    ],
    ids=["no-tariff", "no-peak", "nothing-used", "no-area"],
)
@pytest.mark.part("chinese-font")
def test_what_is_not_known_is_a_dash_and_still_prints(
    report: Mapping[str, Any], all_texts: Texts, change: dict[str, Any]
) -> None:
    other = {**report, **change}
    other["days"] = [{**report["days"][0], "kwh": None}, *report["days"][1:]]
    assert pdf.printer(all_texts, "")(other, "en").startswith(b"%PDF")
    assert excel.printer(all_texts)(other, "en").startswith(b"PK")


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (Decimal("2.345"), 2, "2.35"),
        (-1234.5, 0, "\N{MINUS SIGN}1,235"),
        (None, 2, "–"),
    ],
)
def test_numbers_are_rounded_half_up_and_grouped(
    value: Decimal | float | None, places: int, text: str
) -> None:
    assert words.number(value, places) == text


def test_coverage_is_never_rounded_up() -> None:
    assert [words.coverage(share) for share in (1.0, 0.9999, 0.987)] == ["100.0%", "99.9%", "98.7%"]
