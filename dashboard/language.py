"""Which of the two languages a viewer reads."""

from collections.abc import Mapping

LANGUAGES = ("zh", "en")
COOKIE = "wk_lang"


def chosen(
    *,
    picked: str | None,
    asked: str | None,
    cookies: Mapping[str, str],
    spoken: str | None,
    own: str | None,
) -> str:
    """Return "zh" or "en": what was picked, what the address asks, else what the browser speaks.

    `asked` is ?lang= of the address, `picked` the choice of this session, the cookie that of an
    earlier one; `spoken` is the browser's locale ("zh-CN"), `own` the language of the account, for
    browsers that speak neither of ours. Chinese when nobody says anything.
    """
    for wish in (picked, asked, cookies.get(COOKIE), spoken, own):
        short = (wish or "").lower()[:2]
        if short in LANGUAGES:
            return short
    return "en" if spoken else "zh"
