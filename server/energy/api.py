"""Routes of energy: the month as JSON, PDF and Excel."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Query, Response

from server.energy import handlers
from server.energy.model import MonthReport
from server.energy.ports import Printer, Sources
from server.http import SignedIn
from watchkeeper.clock import Clock

Kind: TypeAlias = Literal["pdf", "xlsx"]
MEDIA: Mapping[Kind, str] = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_JSON = msgspec.json.Encoder(decimal_format="number")


def routes(
    sources: Callable[[], Sources], clock: Clock, printers: Mapping[str, Printer]
) -> APIRouter:
    """Return the routes; they read and compute in the request's own thread.

    Args:
        sources: Gives readings, site, tariffs: the store of readings may come later.
        clock: Says how much of the month is over.
        printers: Who makes the PDF and the Excel file.
    """
    router = APIRouter(tags=["energy"])

    @router.get("/energy/month")
    def month(user: SignedIn, month: str) -> Response:
        """Return the month ("2026-10"); 422 energy.no-data when nothing is known of it."""
        user.need("manager", "operator")
        report = handlers.month(sources(), month, clock.now())
        return Response(_JSON.encode(report), media_type="application/json")

    @router.get("/reports/month/{month}.{kind}")
    def report(
        user: SignedIn,
        month: str,
        kind: Kind,
        language: Annotated[Literal["zh", "en"] | None, Query(alias="lang")] = None,
    ) -> Response:
        """Return the monthly report as a file, in the asker's language unless `lang` is given."""
        user.need("manager", "operator")
        made = handlers.month(sources(), month, clock.now())
        spoken = language or ("zh" if user.language.startswith("zh") else "en")
        body = printers[kind](builtins(made), spoken)
        return Response(body, media_type=MEDIA[kind], headers=_named(made, kind, spoken))

    return router


def builtins(report: MonthReport) -> dict[str, object]:
    """Return the report as a printer takes it: dicts and lists, energy and money as Decimal."""
    plain: dict[str, object] = msgspec.convert(
        msgspec.to_builtins(report, builtin_types=(Decimal,)), dict[str, object]
    )
    return plain


def _named(report: MonthReport, kind: Kind, language: str) -> dict[str, str]:
    """Return the header that names the file, in plain letters and in the reader's own."""
    plain = f"{report.site.id}-energy-{report.month}.{kind}"
    own = f"{report.site.name.zh}-能耗月报-{report.month}.{kind}" if language == "zh" else plain
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(own)}"
    }
