"""The monthly report as Excel, with native charts. Numbers are numbers, texts never formulas."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import xlsxwriter

from adapters.report.page import verdict
from adapters.report.words import Words
from watchkeeper.texts import Texts

Print: TypeAlias = Callable[[Mapping[str, Any], str], bytes]
Report: TypeAlias = Mapping[str, Any]
OPTIONS = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
ENERGY, MONEY, SHARE, PRICE = "#,##0.00", "#,##0.00", "0.0%", "0.0000##"
BAR, SPREAD, LINE = "#7FADC0", "#C9D6DC", "#1F566C"


def printer(texts: Texts) -> Print:
    """Return what makes the Excel file of a report; the same report gives the same bytes."""

    def printed(report: Report, language: str) -> bytes:
        return excel(report, Words(texts, language, ZoneInfo(report["site"]["time_zone"])))

    return printed


class _Book:
    """A workbook whose sheets are a head and rows; it knows the cell styles."""

    def __init__(self, file: io.BytesIO, font: str) -> None:
        self.book = xlsxwriter.Workbook(file, OPTIONS)
        self._font = font
        self._styles: dict[tuple[str, bool], Any] = {}

    def style(self, form: str = "", *, bold: bool = False) -> Any:
        """Return a cell style; made once each."""
        if (form, bold) not in self._styles:
            look: dict[str, Any] = {"font_name": self._font, "font_size": 10, "bold": bold}
            if form:
                look["num_format"] = form
            self._styles[form, bold] = self.book.add_format(look)
        return self._styles[form, bold]

    def sheet(
        self,
        name: str,
        head: Sequence[str],
        forms: Sequence[str],
        rows: Iterable[Sequence[Any]],
        total: Sequence[Any] = (),
    ) -> Any:
        """Add a sheet: a head, rows, a total; `forms` are number formats a column."""
        sheet = self.book.add_worksheet(name)
        sheet.set_column(0, 0, 26)
        sheet.set_column(1, max(1, len(head) - 1), 16)
        sheet.freeze_panes(1, 0)
        for column, word in enumerate(head):
            sheet.write_string(0, column, word, self.style(bold=True))
        lines = [(row, False) for row in rows] + ([(total, True)] if total else [])
        for number, (row, bold) in enumerate(lines, 1):
            for column, value in enumerate(row):
                self._cell(sheet, (number, column), value, self.style(forms[column], bold=bold))
        return sheet

    def _cell(self, sheet: Any, at: tuple[int, int], value: Any, style: Any) -> None:
        if value is None:
            sheet.write_blank(*at, None, style)
        elif isinstance(value, str):
            sheet.write_string(*at, value, style)
        else:
            sheet.write_number(*at, float(value), style)


def excel(report: Report, say: Words) -> bytes:
    """Return the workbook: summary, bands, days, hours, meters, balance and what is to confirm."""
    file = io.BytesIO()
    made = _Book(file, "Microsoft YaHei" if say.language == "zh" else "Calibri")
    made.book.set_properties(
        {
            "title": say.title(report["month"]),
            "author": say("brand"),
            "comments": report["source_checksum"],
            "created": datetime.fromtimestamp(report["until"] / 1000, say.zone).replace(
                tzinfo=None
            ),
        }
    )
    _summary(made, report, say)
    _bands(made, report, say)
    _days(made, report, say)
    _hours(made, report, say)
    _meters(made, report, say)
    _balance(made, report, say)
    _marks(made, report, say)
    made.book.close()
    return file.getvalue()


def _summary(made: _Book, report: Report, say: Words) -> None:
    tariff, peak = report["tariff"], report["peak"]
    currency = say.currency(report["currency"])
    rows: list[tuple[str, Any, str]] = [
        (f"{say('use')} kWh", report["total_kwh"], ENERGY),
        (say("spread"), report["interpolated_kwh"], ENERGY),
        (f"{say('cost')} {currency}", report["cost"], MONEY),
        (f"{say('peak')} kW", peak and peak["kw"], ENERGY),
        (say("time"), peak and say.moment(peak["at"]), ""),
        (say("coverage"), report["coverage"], SHARE),
        (say("bounded"), report["energy_coverage"], SHARE),
    ]
    if tariff:
        facts = {"version": tariff["version"], "valid_from": tariff["valid_from"]}
        text = say("foot-tariff", name=say.name(tariff["name"]), **facts)
        rows += [
            (say("sources"), text, ""),
            ("", say("bands-note"), ""),
            ("", say("source", source=say.name(tariff["source"])), ""),
        ]
    rows.append((say("checksum"), report["source_checksum"], ""))
    sheet = made.sheet(say("summary"), [say.title(report["month"]), ""], ["", ""], [])
    sheet.write_string(1, 0, say.name(report["site"]["name"]), made.style())
    wrapped = made.book.add_format({"text_wrap": True, "valign": "top", "font_size": 10})
    sheet.merge_range(2, 0, 2, 5, "", wrapped)
    sheet.write_string(2, 0, verdict(report, say), wrapped)
    sheet.set_row(2, 60)
    for number, (word, value, form) in enumerate(rows, 4):
        sheet.write_string(number, 0, word, made.style())
        made._cell(sheet, (number, 1), value, made.style(form))  # noqa: SLF001 - same module


def _bands(made: _Book, report: Report, say: Words) -> None:
    currency = say.currency(report["currency"])
    head = [say("band"), "kWh", say("share"), say("price", currency=currency), currency]
    total = report["total_kwh"]
    rows = [
        [
            say.name(line["name"]),
            line["kwh"],
            Decimal(line["kwh"]) / total if total else None,
            line["price"],
            line["cost"],
        ]
        for line in report["bands"]
    ]
    sums = [say("total"), total, 1 if total else None, None, report["cost"]]
    sheet = made.sheet(say("bands"), head, ["", ENERGY, SHARE, PRICE, MONEY], rows, sums)
    if rows:
        _chart(made, sheet, "pie", say("bands"), [("kWh", 1, BAR)], len(rows))


def _days(made: _Book, report: Report, say: Words) -> None:
    head = [say("day"), "kWh", say("spread"), say("coverage")]
    rows = [
        [line["day"], line["kwh"], line["interpolated_kwh"], line["coverage"]]
        for line in report["days"]
    ]
    sums = [say("total"), report["total_kwh"], report["interpolated_kwh"], report["coverage"]]
    sheet = made.sheet(say("days"), head, ["", ENERGY, ENERGY, SHARE], rows, sums)
    columns = [("kWh", 1, BAR), (say("spread"), 2, SPREAD)]
    _chart(made, sheet, "column", f"{say('days')} kWh", columns, len(rows))


def _hours(made: _Book, report: Report, say: Words) -> None:
    rows = [[f"{hour:02}:00", kw] for hour, kw in enumerate(report["hours"])]
    sheet = made.sheet(say("hours"), [say("hour"), say("mean-kw")], ["", ENERGY], rows)
    _chart(made, sheet, "line", f"{say('hours')} kW", [(say("mean-kw"), 1, LINE)], len(rows))


def _meters(made: _Book, report: Report, say: Words) -> None:
    names = {line["unit"]: say.name(line["name"]) for line in report["meters"]}
    keys = ("meter", "", "spread", "coverage", "bounded")
    head = [*(say(key) if key else "kWh" for key in keys), "id", "\N{UPWARDS ARROW}"]
    rows = [
        [
            say.name(line["name"]),
            line["kwh"],
            line["interpolated_kwh"],
            line["coverage"],
            line["energy_coverage"],
            line["unit"],
            names.get(line["parent"]),
        ]
        for line in report["meters"]
    ]
    sums = [
        say("total"), report["total_kwh"], report["interpolated_kwh"],
        report["coverage"], report["energy_coverage"],
    ]  # fmt: skip
    forms = ["", ENERGY, ENERGY, SHARE, SHARE, "", ""]
    made.sheet(say("meters"), head, forms, rows, sums)


def _balance(made: _Book, report: Report, say: Words) -> None:
    head = [say(key) for key in ("meter", "own", "children", "loss", "coverage")]
    rows = [
        [say.name(line["name"]), line["own"], line["children"], line["loss"], line["coverage"]]
        for line in report["balance"]
    ]
    made.sheet(say("balance"), head, ["", ENERGY, ENERGY, ENERGY, SHARE], rows)


def _marks(made: _Book, report: Report, say: Words) -> None:
    if not report["marks"]:
        return
    head = [say(key) for key in ("meter", "time", "before", "after")]
    rows = [
        [say.name(mark["name"]), say.moment(mark["at"]), mark["before"], mark["after"]]
        for mark in report["marks"]
    ]
    made.sheet(say("marks"), head, ["", "", ENERGY, ENERGY], rows)


def _chart(
    made: _Book,
    sheet: Any,
    kind: str,
    title: str,
    columns: Sequence[tuple[str, int, str]],
    rows: int,
) -> None:
    """Put a native chart beside the table: column 0 against the given columns."""
    chart = made.book.add_chart({"type": kind})
    for name, column, colour in columns:
        series: dict[str, Any] = {
            "name": name,
            "categories": [sheet.get_name(), 1, 0, rows, 0],
            "values": [sheet.get_name(), 1, column, rows, column],
        }
        if kind == "column":
            series |= {"fill": {"color": colour}, "overlap": 100, "gap": 40}
        if kind == "line":
            series |= {"line": {"color": colour, "width": 2}}
        chart.add_series(series)
    chart.set_title({"name": title, "name_font": {"size": 11, "bold": True}})
    if len(columns) == 1 and kind != "pie":
        chart.set_legend({"none": True})
    chart.set_size({"width": 640, "height": 320})
    sheet.insert_chart(1, 7, chart)
