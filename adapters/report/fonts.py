"""Which font a report is set in. typst drops characters without a glyph in silence; we refuse."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import typst

from watchkeeper.errors import NotPossible

KNOWN = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC",
    "Microsoft YaHei", "HarmonyOS Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "SimHei",
)  # fmt: skip
EMBEDDED = "Libertinus Serif"  # ships inside typst; has no Chinese characters
REGULAR = 400


@dataclass(frozen=True, slots=True)
class Font:
    """The family a report is set in, and what it came from."""

    family: str
    sha256: str  # of its regular file; "" for a font inside typst
    fonts: typst.Fonts  # all that typst may draw from

    @property
    def mark(self) -> str:
        """Return the beginning of the hash: enough to see that two reports used one font."""
        return self.sha256[:8] or "typst"


def find(wanted: str, fonts: typst.Fonts | None = None) -> Font:
    """Return a font with Chinese characters.

    Args:
        wanted: A font file or family; "" looks for the known families in their order.
        fonts: What to look among instead of the fonts of the system (tests).

    Raises NotPossible: there is none, or the wanted one has no Chinese characters (energy.no-font).
    """
    path = Path(wanted)
    is_file = bool(wanted) and path.is_file()
    folders = [path.parent] if is_file else []
    among = fonts or typst.Fonts(include_embedded_fonts=False, font_paths=folders)
    for family in _families(among, path) if is_file else ([wanted] if wanted else KNOWN):
        file = _regular(among, family)
        if file is not None and _has_chinese(family, among):
            return Font(family, hashlib.sha256(file.read_bytes()).hexdigest(), among)
    raise NotPossible("energy.no-font", wanted=wanted or ", ".join(KNOWN))


def for_latin(wanted: str, fonts: typst.Fonts | None = None) -> Font:
    """Return the font for a report without Chinese text: typst's own when no better is found."""
    try:
        return find(wanted, fonts)
    except NotPossible:
        return Font(EMBEDDED, "", typst.Fonts(include_system_fonts=False))


def _families(fonts: typst.Fonts, file: Path) -> list[str]:
    """Return the families inside a font file; a collection has one a region, simplified first."""
    inside = {
        font.family
        for font in fonts.fonts()
        if font.path is not None and Path(font.path).resolve() == file.resolve()
    }
    return sorted(inside, key=lambda family: (not family.endswith((" SC", " CN")), family))


def _regular(fonts: typst.Fonts, family: str) -> Path | None:
    faces = [font for font in fonts.fonts() if font.family.lower() == family.lower() and font.path]
    best = min(faces, key=lambda font: (abs(font.weight - REGULAR), font.path or ""), default=None)
    return Path(best.path) if best is not None and best.path else None


def _has_chinese(family: str, fonts: typst.Fonts) -> bool:
    """Return whether two characters are drawn differently: without glyphs both are boxes."""
    drawn = [_drawn(character, family, fonts) for character in "值守"]
    return drawn[0] != drawn[1]


def _drawn(character: str, family: str, fonts: typst.Fonts) -> list[str]:
    source = f'#set text(font: "{_quoted(family)}", fallback: false)\n{character}'
    svg = typst.Compiler(source.encode(), font_paths=fonts).compile(format="svg")
    text = svg[0] if isinstance(svg, list) else svg or b""
    return re.findall(r'<path[^>]* d="([^"]+)"', text.decode())


def _quoted(family: str) -> str:
    return family.replace("\\", "\\\\").replace('"', '\\"')
