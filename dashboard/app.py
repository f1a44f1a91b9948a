"""The script Streamlit runs for each visit and action: who is here, which screen, in which words.

Only what a person does runs Python; what lives on the screen comes by the stream (live/).
"""

from pathlib import Path
from typing import Any

import streamlit as st

from dashboard import language, live, pages
from dashboard.client import SESSION, Server
from dashboard.screens import Visit
from watchkeeper import texts
from watchkeeper.errors import Unreachable


@st.cache_resource
def server() -> Server:
    """Return the way to the server, one for all sessions."""
    return Server(st.secrets["watchkeeper"]["server"])


@st.cache_resource
def words() -> texts.Texts:
    """Return the texts of the catalog."""
    return texts.load(Path(st.secrets["watchkeeper"]["catalog"]) / "i18n")


@st.cache_resource
def spoken() -> dict[str, dict[str, str]]:
    """Return all texts for the scripts of the page, in both languages, ours without prefix."""
    return {
        key.removeprefix("screens."): {"zh": text.zh, "en": text.en}
        for key, text in words().by_key.items()
    }


def who() -> dict[str, Any] | None:
    """Return the signed-in person, None for nobody.

    A silent server leaves an open page to its person: each deed and the stream are checked anyway.
    """
    session = st.context.cookies.get(SESSION)
    if not session:
        return None
    try:
        person: dict[str, Any] | None = server().get("me", session)
    except Unreachable:
        if "person" not in st.session_state:
            st.warning(words()("screens.no-server", chosen))
            st.stop()
        person = st.session_state.person
    st.session_state.person = person
    return person


def choose_language(account: dict[str, Any] | None) -> str:
    """Return the language of this run."""
    return language.chosen(
        picked=st.session_state.get("language"),
        asked=st.query_params.get("lang"),
        cookies=st.context.cookies,
        spoken=st.context.locale,
        own=account["language"] if account else None,
    )


def turned(picked: str | None) -> None:
    """Remember the other language and run again in it."""
    if picked in language.LANGUAGES and picked != chosen:
        st.session_state.language = picked
        st.rerun()


chosen = choose_language(None)
st.set_page_config(page_title=words()("screens.product", chosen), layout="wide")
person = who()
chosen = choose_language(person)
said = {"lang": chosen, "texts": spoken()}
if person is None:
    entered = live.door()(key="door", data=said, on_lang_change=lambda: None)
    turned(entered.lang)
    st.stop()
visit = Visit(server(), st.context.cookies[SESSION], words(), chosen)
nav = pages.order(person["roles"])
shown = pages.made(nav, visit)
page = st.navigation(list(shown.values()), position="hidden")
view = pages.screen(next(name for name, each in shown.items() if each is page), nav)
frame = live.live()(
    key="live",
    data={**said, "view": view, "me": person, "nav": nav, "duty": pages.DUTY},
    on_go_change=lambda: None,
    on_lang_change=lambda: None,
)
turned(frame.lang)
if frame.go and frame.go["view"] in nav:
    st.switch_page(shown[frame.go["view"]], query_params=frame.go["params"])
page.run()
