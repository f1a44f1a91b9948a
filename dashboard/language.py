"""Which of the two languages a viewer reads."""

from collections.abc import Mapping

LANGUAGES = ("zh", "en")
COOKIE = "wk_lang"


def chosen(
    asked: str | None, picked: str | None, cookies: Mapping[str, str], spoken: str | None
) -> str:
    """Return "zh" or "en": what the address asks, what was picked, else what the browser speaks.

    `asked` is ?lang= of the address, `picked` the choice of this session, the cookie that of an
    earlier one; `spoken` is a locale such as "zh-CN" or "en-GB". Chinese when nobody says anything.
    """
    for wish in (picked, asked, cookies.get(COOKIE), spoken):
        short = (wish or "").lower()[:2]
        if short in LANGUAGES:
            return short
    return "en" if spoken else "zh"
