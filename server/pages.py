"""Small pages without login: one column for a phone, both languages, light and dark, no script."""

from collections.abc import Sequence
from html import escape

from fastapi.responses import HTMLResponse

# Shapes of the priorities (design: colour, shape and number): octagon, triangle, diamond, circle.
_SHAPES = {
    1: ("M6.2 1.5h7.6L18.5 6.2v7.6L13.8 18.5H6.2L1.5 13.8V6.2z", 13.7),
    2: ("M10 1.6 19 17.8H1z", 15.8),
    3: ("M10 .9 19.1 10 10 19.1.9 10z", 13.8),
    4: ("M10 2a8 8 0 1 1 0 16 8 8 0 0 1 0-16z", 13.7),
}

# Values of the design's tokens; a page stands alone, so it carries those it uses.
_STYLE = """
:root{color-scheme:light dark;--bg:#E6EAEC;--surface:#F8F9FA;--line:#D2D8DC;--ink:#182027;
--ink-2:#45515A;--ink-3:#5F6B74;--accent:#1F566C;--on-accent:#FFF;--focus:#0B6BCB;--done:#2F6F5B;
--p1:#C2141B;--on-p1:#FFF;--p2:#E57C00;--on-p2:#1D1000;--p3:#F5CB1D;--on-p3:#211A00;
--p4:#6B57CC;--on-p4:#FFF}
@media (prefers-color-scheme:dark){:root{--bg:#0E1214;--surface:#171C1F;--line:#2B3439;
--ink:#E4EAED;--ink-2:#B2BDC4;--ink-3:#8D99A2;--accent:#8CBCD1;--on-accent:#0B1A21;
--focus:#6DB3FF;--done:#7CC3A8;--p1:#D92B30;--p2:#EC8010;--p3:#F6D340;--p4:#9987F2;--on-p4:#100A2E}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);
font:400 1rem/1.4 Inter,"PingFang SC","Noto Sans CJK SC","Microsoft YaHei",system-ui,sans-serif}
main{max-width:30rem;min-height:100vh;min-height:100dvh;margin:0 auto;display:flex;
flex-direction:column;padding:0 .75rem}
header{padding:.875rem .25rem;font-weight:600}
.card{background:var(--surface);border:1px solid var(--line);border-radius:.75rem;
padding:.875rem 1rem;display:flex;gap:.75rem}
.card svg{width:1.5rem;height:1.5rem;flex:none;margin-top:.125rem}
h1{font-size:1.25rem;line-height:1.3;font-weight:600;margin:0}
p{margin:.25rem 0 0;color:var(--ink-2)}p.m{color:var(--ink-3);font-size:.8125rem}
p.done{color:var(--done);font-weight:600}
footer{margin-top:auto;padding:.75rem 0 max(1rem,env(safe-area-inset-bottom))}
.go{display:grid;place-items:center;width:100%;min-height:3.5rem;border:0;border-radius:.625rem;
background:var(--accent);color:var(--on-accent);font:inherit;font-size:1.125rem;font-weight:600;
text-decoration:none;cursor:pointer}
.go:focus-visible{outline:3px solid var(--focus);outline-offset:2px}
svg text{font:700 10.5px Inter,system-ui,sans-serif;text-anchor:middle}
"""
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
}


def language(accept: str) -> str:
    """Return "zh" or "en", whichever the browser wants first; Chinese when it says neither."""
    wanted: list[tuple[float, str]] = []
    for part in accept.lower().split(","):
        name, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            weight = 0.0
        wanted.append((-weight, name[:2]))
    wanted.sort(key=lambda pair: pair[0])
    return next((name for _, name in wanted if name in {"zh", "en"}), "zh")


def mark(priority: int, label: str) -> str:
    """Return the mark of a priority as SVG."""
    shape, baseline = _SHAPES[priority]
    return (
        f'<svg viewBox="0 0 20 20" role="img" aria-label="{escape(label)}">'
        f'<path d="{shape}" fill="var(--p{priority})"/>'
        f'<text x="10" y="{baseline}" fill="var(--on-p{priority})">{priority}</text></svg>'
    )


def card(title: str, lines: Sequence[tuple[str, str]], picture: str = "") -> str:
    """Return a card; `lines` are (class, text), `picture` is HTML."""
    text = "".join(f'<p class="{kind}">{escape(line)}</p>' for kind, line in lines)
    return f'<section class="card">{picture}<div><h1>{escape(title)}</h1>{text}</div></section>'


def button(label: str) -> str:
    """Return the one button of a page: it posts to the page's own address."""
    return (
        f'<footer><form method="post"><button class="go" type="submit">{escape(label)}'
        "</button></form></footer>"
    )


def way(label: str, address: str) -> str:
    """Return a link that looks like the one button."""
    return f'<footer><a class="go" href="{escape(address)}">{escape(label)}</a></footer>'


def page(heading: str, lang: str, *parts: str, status: int = 200) -> HTMLResponse:
    """Return the page; `parts` are HTML made by the functions above."""
    code = "zh-CN" if lang == "zh" else "en"
    body = (
        f'<!doctype html><html lang="{code}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1,viewport-fit=cover">'
        f"<title>{escape(heading)}</title><style>{_STYLE}</style></head>"
        f"<body><main><header>{escape(heading)}</header>{''.join(parts)}</main></body></html>"
    )
    return HTMLResponse(body, status, headers=_HEADERS)
