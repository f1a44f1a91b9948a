"""What a report says: every sentence, figure and table row as the reader will see it."""

import math
from calendar import monthrange
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from adapters.report.words import NOTHING, Words, coverage, number, percent, ratio

Report: TypeAlias = Mapping[str, Any]  # a MonthReport in builtins
COMPARABLE = 0.95  # a month of less coverage is not compared
WHOLE = 0.98  # above this the verdict does not speak of missing data
TICKS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
STEPS = 5  # at most, on the axis of a chart


def page(report: Report, say: Words) -> dict[str, Any]:
    """Return the report in words, ready for a template that only sets it."""
    return {
        "language": say.language,
        "brand": say("brand"),
        "site": say.name(report["site"]["name"]),
        "title": say.title(report["month"]),
        "about": _about(report, say),
        "verdict": verdict(report, say),
        "figures": [_use(report, say), _cost(report, say), _third(report, say), _peak(report, say)],
        "days": _days(report, say),
        "hours": _hours(report, say),
        "tables": [_bands(report, say), _meters(report, say), _balance(report, say)],
        "marks": _marks(report, say),
        "source": say("source", source=say.name(report["tariff"]["source"]))
        if report["tariff"]
        else "",
        "foot": _foot(report, say),
        "page": say("page", page="\0", pages="\0").split("\0"),
        "check": f"{say('check')} {check(report)}",
    }


def check(report: Report) -> str:
    """Return the beginning of the checksum as it is printed."""
    return f"{report['source_checksum'][:4]}-{report['source_checksum'][4:8]}"


def change(report: Report) -> Decimal | None:
    """Return the change against the month before; None when the two cannot be compared."""
    before, trust = report["previous_kwh"], report["previous_coverage"]
    if report["month_open"] or not before or min(trust, report["coverage"]) < COMPARABLE:
        return None
    return Decimal(report["total_kwh"]) / Decimal(before) - 1


def _about(report: Report, say: Words) -> str:
    area = report["site"]["area_m2"]
    facts = {"site": say.name(report["site"]["name"]), "zone": report["site"]["time_zone"]}
    text = say("about-area", area=number(area), **facts) if area else say("about", **facts)
    if report["month_open"]:
        text += " · " + say("open", until=say.moment(report["until"]))
    return text


def verdict(report: Report, say: Words) -> str:
    """Return the paragraph a manager reads when there is time for nothing else."""
    said = [_said_of_use(report, say)]
    if report["cost"] is None:
        said.append(say("verdict-free"))
    else:
        facts = _money(report, say)
        said.append(say("verdict-cost", cost=number(report["cost"], 2), **facts))
    if report["peak"]:
        at = say.moment(report["peak"]["at"])
        said.append(say("verdict-peak", kw=number(report["peak"]["kw"]), at=at))
    worst = report["worst"]
    if report["coverage"] >= WHOLE:
        said.append(say("verdict-whole", percent=coverage(report["coverage"])))
    else:
        low, meter = coverage(worst["coverage"]), say.name(worst["name"])
        said.append(
            say("verdict-low", percent=coverage(report["coverage"]), meter=meter, worst=low)
        )
    if report["energy_coverage"] < WHOLE:
        unknown = percent(1 - report["energy_coverage"])
        said.append(say("verdict-unknown", percent=unknown))
    if report["interpolated_kwh"]:
        said.append(say("verdict-spread", kwh=number(report["interpolated_kwh"])))
    if report["marks"]:
        said.append(say("verdict-marks", count=len(report["marks"])))
    return ("" if say.language == "zh" else " ").join(said)


def _said_of_use(report: Report, say: Words) -> str:
    kwh = number(report["total_kwh"])
    if report["month_open"]:
        return say("verdict-open", kwh=kwh, until=say.moment(report["until"]))
    moved = change(report)
    if moved is not None:
        key = "verdict-less" if moved < 0 else "verdict-more"
        return say(key, kwh=kwh, percent=percent(abs(moved)))
    return say("verdict-use" if report["previous_kwh"] is None else "verdict-unlike", kwh=kwh)


def _money(report: Report, say: Words) -> dict[str, str]:
    average = ratio(report["cost"], report["total_kwh"])
    return {"average": number(average, 3), "currency": say.currency(report["currency"])}


def _figure(label: str, value: str, unit: str, note: str) -> dict[str, str]:
    return {"label": label, "value": value, "unit": unit, "note": note}


def _use(report: Report, say: Words) -> dict[str, str]:
    moved = change(report)
    note = say("against-nothing")
    if moved is not None:
        note = say("against", percent=percent(moved, sign=True))
    elif report["month_open"]:
        note = say("open-note")
    return _figure(say("use"), number(report["total_kwh"]), "kWh", note)


def _cost(report: Report, say: Words) -> dict[str, str]:
    if report["cost"] is None:
        return _figure(say("cost"), NOTHING, "", say("no-tariff"))
    facts = _money(report, say)
    value = number(report["cost"], 2)
    return _figure(say("cost"), value, facts["currency"], say("average", **facts))


def _third(report: Report, say: Words) -> dict[str, str]:
    """Return energy per area where the area is known, else the load factor."""
    area = report["site"]["area_m2"]
    if area:
        per = ratio(report["total_kwh"], Decimal(str(area)))
        return _figure(say("area"), number(per, 2), "kWh/m²", say("area-of", area=number(area)))
    known = [kw for kw in report["hours"] if kw is not None]
    factor = sum(known) / len(known) / report["peak"]["kw"] if known and report["peak"] else None
    return _figure(say("factor"), percent(factor), "", say("factor-note"))


def _peak(report: Report, say: Words) -> dict[str, str]:
    peak = report["peak"]
    if not peak:
        return _figure(say("peak"), NOTHING, "", say("no-peak"))
    return _figure(say("peak"), number(peak["kw"]), "kW", say.moment(peak["at"]))


def _scale(highest: float) -> dict[str, Any]:
    """Return three to five round ticks that reach over the highest value."""
    rough = Decimal(str(max(highest, 1.0))) / STEPS
    power = Decimal(1).scaleb(rough.adjusted())
    step = next(tick * power for tick in TICKS if tick * power >= rough)
    ticks = [step * count for count in range(math.ceil(rough * STEPS / step) + 1)]
    places = max(0, -int(step.normalize().as_tuple().exponent))
    return {
        "top": float(ticks[-1]),
        "ticks": [{"at": float(tick), "label": number(tick, places)} for tick in ticks],
    }


def _days(report: Report, say: Words) -> dict[str, Any]:
    days = report["days"]
    highest = max((float(day["kwh"]) for day in days if day["kwh"] is not None), default=0.0)
    return {
        "title": say("days"),
        "unit": "kWh",
        "note": say("days-note"),
        **_scale(highest),
        "count": monthrange(int(report["month"][:4]), int(report["month"][5:]))[1],
        "bars": [
            {
                "label": str(int(day["day"][-2:])),
                "value": None if day["kwh"] is None else float(day["kwh"]),
                "spread": float(day["interpolated_kwh"]),
            }
            for day in days
        ],
    }


def _hours(report: Report, say: Words) -> dict[str, Any]:
    known = [kw for kw in report["hours"] if kw is not None]
    return {
        "title": say("hours"),
        "unit": "kW",
        **_scale(max(known, default=0.0)),
        "values": report["hours"],
    }


def _table(
    title: str, note: str, head: list[str], rows: list[list[str]], total: list[str]
) -> dict[str, Any]:
    return {
        "title": title,
        "note": note,
        "head": head,
        "rows": [{"level": 0, "cells": row} for row in rows],
        "total": total,
    }


def _bands(report: Report, say: Words) -> dict[str, Any]:
    currency = say.currency(report["currency"])
    total = report["total_kwh"]
    rows = [
        [
            say.name(line["name"]),
            number(line["kwh"], 2),
            percent(ratio(line["kwh"], total)),
            str(line["price"]),
            number(line["cost"], 2),
        ]
        for line in report["bands"]
    ]
    head = [say("band"), "kWh", say("share"), say("price", currency=currency), currency]
    sums = [number(total, 2), percent(1 if total else None), "", number(report["cost"], 2)]
    return _table(say("bands"), say("bands-note"), head, rows, [say("total"), *sums])


def _meters(report: Report, say: Words) -> dict[str, Any]:
    total = report["total_kwh"]
    levels: dict[str | None, int] = {None: -1}
    rows = []
    for line in report["meters"]:
        levels[line["unit"]] = levels[line["parent"]] + 1
        cells = [
            say.name(line["name"]),
            number(line["kwh"], 2),
            percent(ratio(line["kwh"], total)),
            number(line["interpolated_kwh"], 2),
            coverage(line["coverage"]),
            coverage(line["energy_coverage"]),
        ]
        rows.append({"level": levels[line["unit"]], "cells": cells})
    head = ["meter", "", "share", "spread", "coverage", "bounded"]
    sums = [
        number(total, 2),
        percent(1 if total else None),
        number(report["interpolated_kwh"], 2),
        coverage(report["coverage"]),
        coverage(report["energy_coverage"]),
    ]
    table = _table(
        say("meters"),
        say("meters-note"),
        [say(key) if key else "kWh" for key in head],
        [],
        [say("total"), *sums],
    )
    return {**table, "rows": rows}


def _balance(report: Report, say: Words) -> dict[str, Any]:
    rows = [
        [
            say.name(line["name"]),
            number(line["own"], 2),
            number(line["children"], 2),
            number(line["loss"], 2),
            percent(ratio(line["loss"], line["own"]), 2),
            coverage(line["coverage"]),
        ]
        for line in report["balance"]
    ]
    head = [say(key) for key in ("meter", "own", "children", "loss", "share", "coverage")]
    return _table(say("balance"), say("balance-note"), head, rows, [])


def _marks(report: Report, say: Words) -> dict[str, Any]:
    rows = [
        [
            say.name(mark["name"]),
            say.moment(mark["at"]),
            number(mark["before"], 2),
            number(mark["after"], 2),
        ]
        for mark in report["marks"]
    ]
    head = [say(key) for key in ("meter", "time", "before", "after")]
    return _table(say("marks"), say("marks-note"), head, rows, [])


def _foot(report: Report, say: Words) -> str:
    said = [
        say(
            "foot",
            coverage=coverage(report["coverage"]),
            bounded=coverage(report["energy_coverage"]),
            spread=number(report["interpolated_kwh"], 2),
            until=say.moment(report["until"]),
        )
    ]
    if report["tariff"]:
        tariff = report["tariff"]
        facts = {"version": tariff["version"], "valid_from": tariff["valid_from"]}
        said.append(say("foot-tariff", name=say.name(tariff["name"]), **facts))
    return ("" if say.language == "zh" else " ").join(said)
