import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper import documents
from watchkeeper.errors import ConfigError
from watchkeeper.site import Site

HEAD = "schema: wk.site/1\nsite: {id: x, name: {zh: 甲, en: X}}\nplaces: []\n"


@pytest.mark.parametrize(
    ("text", "where", "what", "fix"),
    [
        pytest.param("site: {}\n", ":1", "`schema: wk.site/1` is missing", "first", id="schema"),
        pytest.param(HEAD + "edges: []\non: 1\n", ":5", "unknown field `on`", "spelling", id="key"),
        pytest.param(HEAD + "edges: 3\n", ":4", "Expected `array`", "`edges`", id="type"),
        pytest.param(
            HEAD + "edges:\n- {id: e, buses: [], units: [{id: a, profile: p, bus: b,\n  unit: 300,"
            " place: x}]}\n",
            ":6", "edges[0].units[0].unit: Expected `int` <= 255", "correct", id="deep",
        ),
        pytest.param(HEAD + "edges: []\nplaces: []\n", ":5", "stands twice", "", id="twice"),
        pytest.param(HEAD + "edges: [\n", ":5", "not readable as YAML", "indentation", id="yaml"),
        pytest.param("", ":1", "is missing", "", id="empty"),
        pytest.param(HEAD, ":1", "missing required field `edges`", "", id="missing"),
    ],
)  # fmt: skip
@pytest.mark.serves("A2")
def test_a_mistake_is_told_with_its_line(text: str, where: str, what: str, fix: str) -> None:
    with pytest.raises(ConfigError) as told:
        documents.parse(text, Site, "wk.site/1", where="site.yaml")
    assert told.value.where == f"site.yaml{where}"
    assert what in told.value.what
    assert fix in told.value.fix


def test_on_and_no_stay_words() -> None:
    text = "schema: wk.site/1\nsite: {id: no, name: {zh: 'on', en: off}}\nplaces: []\nedges: []\n"
    assert documents.parse(text, Site, "wk.site/1", where="x").site.name.en == "off"


@given(st.text(max_size=200))
def test_garbage_is_a_config_error(text: str) -> None:
    with pytest.raises(ConfigError):
        documents.parse(text, Site, "wk.site/1", where="x")
