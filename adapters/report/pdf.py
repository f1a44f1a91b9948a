"""The monthly report as PDF. Data reach typst as JSON: nothing in them can become markup."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import typst

from adapters.report import fonts
from adapters.report.page import page
from adapters.report.words import Words
from watchkeeper.texts import Texts

TEMPLATE = Path(__file__).with_name("month.typ")
Print: TypeAlias = Callable[[Mapping[str, Any], str], bytes]


def printer(texts: Texts, wanted_font: str) -> Print:
    """Return what makes the PDF of a report; the same report gives the same bytes.

    Args:
        texts: The texts of the catalog.
        wanted_font: Settings' report.font. A Chinese report without a font that has Chinese
            characters is refused (NotPossible energy.no-font) when it is asked for.
    """

    @cache
    def font(language: str) -> fonts.Font:
        return fonts.find(wanted_font) if language == "zh" else fonts.for_latin(wanted_font)

    def printed(report: Mapping[str, Any], language: str) -> bytes:
        say = Words(texts, language, ZoneInfo(report["site"]["time_zone"]))
        return pdf(report, say, font(language))

    return printed


def pdf(report: Mapping[str, Any], say: Words, font: fonts.Font) -> bytes:
    """Return the report set in the font."""
    content = page(report, say)
    content["font"] = font.family
    space = "" if say.language == "zh" else " "
    content["foot"] += space + say("foot-font", family=font.family, hash=font.mark)
    compiler = typst.Compiler(
        TEMPLATE.read_bytes(),
        font_paths=font.fonts,
        sys_inputs={"page": json.dumps(content, ensure_ascii=False)},
    )
    made = compiler.compile(
        format="pdf", timestamp=datetime.fromtimestamp(report["until"] / 1000, UTC)
    )
    if not isinstance(made, bytes):
        raise TypeError("typst returned no PDF")
    return made
