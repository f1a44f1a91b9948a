"""The rule book: what is in effect, a rule as text with its check, who approves what."""

from difflib import unified_diff
from typing import Any, Final

import streamlit as st

from dashboard.screens import Visit, rule_history
from dashboard.widgets.figures import day_and_minute, number
from dashboard.widgets.panels import panel

ASKED: Final = "rule-asked"  # in the session: the rule a link named
KEY, TEXT, NOTE, FILE = "rule-key", "rule-text", "rule-note", "rule-file"  # in the session
LINES_PX: Final = 420
OPEN: Final = 3  # changes that wait and are shown whole
JUDGES: Final = frozenset({"manager", "admin"})
Json = dict[str, Any]


def draw(visit: Visit, site: Json) -> None:
    """Draw this part of the screen; a link may name the rule."""
    st.caption(_t(visit, "page-what"))
    found = visit.get("rules")
    if found is None:
        return
    me = visit.get("me") or {"id": "", "roles": []}
    place = st.container()  # it stays, so that nothing below moves when it empties
    if found["waiting"]:
        with panel(place, "rules-waiting"):
            _waiting(visit, site, found, me)
    with panel(st.container(), "rules-list"):
        _list(visit, found["rules"])
    key = st.session_state.get(KEY)
    rule = visit.get(f"rules/{key}") if key else None
    with panel(st.container(), "rules-editor"):
        _editor(visit, rule)
    if rule is not None:
        with panel(st.container(), "rules-history"):
            rule_history.draw(visit, site, rule, st.session_state.get(TEXT, ""))
        with panel(st.container(), "rules-versions"):
            _versions(visit, site, rule)


def _list(visit: Visit, rules: list[Json]) -> None:
    keys = [each["key"] for each in rules]
    asked = st.session_state.pop(ASKED, None)
    if asked in keys:
        _open(asked)
    names = {each["key"]: visit.pick(each["title"]) for each in rules}
    opened = st.session_state.get(KEY)
    picked = st.selectbox(  # one of its own for each rule: a browser that is slow picks nothing
        _t(visit, "page-rule"), keys, key=f"rule-pick-{opened}",
        index=keys.index(opened) if opened in keys else None,
        format_func=lambda key: f"{key} · {names[key]}", placeholder=_t(visit, "page-choose"),
    )  # fmt: skip
    if picked is not None and picked != opened:
        _open(picked)
        st.rerun()
    with st.expander(_t(visit, "page-all", n=len(rules))):
        rows = [
            {
                _t(visit, "page-key"): each["key"],
                _t(visit, "page-title"): visit.pick(each["title"]),
                _t(visit, "page-kind"): each["kind"],
                _t(visit, "page-priority"): each["priority"],
                _t(visit, "page-points"): each["points"],
                _t(visit, "page-revision"): each["revision"],
                _t(visit, "page-origin"): _t(visit, f"page-origin-{each['origin']}"),
            }
            for each in rules
        ]
        st.dataframe(rows, hide_index=True, width="stretch")
    st.link_button(_t(visit, "page-export"), "/api/v1/rules/export")


def _open(key: str) -> None:
    """Another rule is chosen: its own text is shown."""
    st.session_state[KEY] = key
    st.session_state.pop(TEXT, None)


def _editor(visit: Visit, rule: Json | None) -> None:
    st.markdown(f"**{_t(visit, 'page-text')}** :gray[{_t(visit, 'page-text-what')}]")
    if TEXT not in st.session_state:
        st.session_state[TEXT] = "" if rule is None else _next(rule)
    st.file_uploader(_t(visit, "page-import"), type=["yaml", "yml"], key=FILE, on_change=_imported)
    text = st.text_area(
        _t(visit, "page-text"), key=TEXT, height=LINES_PX, label_visibility="collapsed"
    )
    if text.strip():
        _checked(visit, visit.ask("rules/check", text=text))
    note = st.text_input(_t(visit, "page-note"), key=NOTE)
    save, leave, _ = st.columns([1, 1, 3])
    if save.button(_t(visit, "page-save"), type="primary", width="stretch", key="rule-save"):
        problem = visit.post("rules/drafts", text=text, note=note)
        _say(visit, problem, "page-saved")
    if rule is not None and leave.button(
        _t(visit, "page-leave"), width="stretch", key="rule-leave"
    ):
        _say(visit, visit.post(f"rules/{rule['key']}/leave", note=note), "page-saved")
    if told := st.session_state.pop("rule-told", ""):
        st.info(told)


def _imported() -> None:
    """Put a file that was chosen into the editor, where it can be changed."""
    if (file := st.session_state.get(FILE)) is not None:
        st.session_state[TEXT] = file.getvalue().decode("utf-8", "replace")


def _next(rule: Json) -> str:
    """Return the text with the next revision, ready to be changed."""
    newest = max([rule["revision"], *(each["revision"] for each in rule["versions"])])
    old, new = f"revision: {rule['revision']}", f"revision: {newest + 1}"
    return str(rule["text"]).replace(old, new, 1)


def _checked(visit: Visit, found: Json | None) -> None:
    if found is None:
        return
    for each in found["mistakes"]:
        line = _t(visit, "page-line", n=each["line"])
        st.error(f"{line}: {each['what']} — {each['fix']}")
    for each in found["rules"]:
        limits = ", ".join(
            f"{one['point']} {number(one['limit'], 1)} {one['unit_symbol']}"
            for one in each["watches"][:3]
            if one["limit"] is not None
        )
        told = _t(visit, "page-watches", name=each["key"], n=each["points"])
        st.success(f"{told} {limits}".strip())


def _say(visit: Visit, problem: str, done: str) -> None:
    st.session_state["rule-told"] = problem or _t(visit, done)
    st.rerun()


def _waiting(visit: Visit, site: Json, found: Json, me: Json) -> None:
    st.markdown(f"**{_t(visit, 'page-waiting')}**")
    now = {each["key"]: each for each in found["rules"]}
    for each in found["waiting"]:
        state, at = _t(visit, f"page-state-{each['state']}"), each["at"]
        when = day_and_minute(at, site["time_zone"])
        head = f"{each['key']} r{each['revision']} · {state} · {each['author']} · {when}"
        with st.expander(head, expanded=len(found["waiting"]) <= OPEN):
            st.write(each["note"])
            _difference(visit, each, known=each["key"] in now)
            _deeds(visit, each, me)


def _difference(visit: Visit, version: Json, *, known: bool) -> None:
    if version["leaves"]:
        st.warning(_t(visit, "page-leaves"))
        return
    rule = visit.get(f"rules/{version['key']}") if known else None
    before = [] if rule is None else str(rule["text"]).splitlines()
    lines = unified_diff(before, version["text"].splitlines(), lineterm="", n=2)
    st.code("\n".join(list(lines)[2:]) or version["text"], language="diff")


def _deeds(visit: Visit, version: Json, me: Json) -> None:
    way = f"rules/versions/{version['id']}"
    if version["state"] == "draft":
        if st.button(_t(visit, "page-submit"), key=f"submit-{version['id']}"):
            _say(visit, visit.post(f"{way}/submit"), "page-submitted")
        return
    if not JUDGES & {*me["roles"]} or me["id"] == version["author"]:
        st.caption(_t(visit, "page-somebody"))
        return
    note = st.text_input(_t(visit, "page-note"), key=f"note-{version['id']}")
    yes, no, _ = st.columns([1, 1, 3])
    if yes.button(_t(visit, "page-approve"), type="primary", key=f"yes-{version['id']}"):
        _say(visit, visit.post(f"{way}/approve", note=note), "page-approved")
    if no.button(_t(visit, "page-reject"), key=f"no-{version['id']}"):
        _say(visit, visit.post(f"{way}/reject", note=note), "page-rejected")


def _versions(visit: Visit, site: Json, rule: Json) -> None:
    st.markdown(f"**{_t(visit, 'page-versions')}**")
    rows = [
        {
            _t(visit, "page-revision"): each["revision"],
            _t(visit, "page-state"): _t(visit, f"page-state-{each['state']}"),
            _t(visit, "page-author"): each["author"],
            _t(visit, "page-at"): day_and_minute(each["at"], site["time_zone"]),
            _t(visit, "page-note"): each["note"],
            _t(visit, "page-judge"): each["judge"] or "",
        }
        for each in rule["versions"]
    ]
    if not rows:
        st.caption(_t(visit, "page-of-catalog"))
        return
    st.dataframe(rows, hide_index=True, width="stretch")


def _t(visit: Visit, key: str, **facts: object) -> str:
    return visit.texts(f"rules.{key}", visit.language, **facts)
