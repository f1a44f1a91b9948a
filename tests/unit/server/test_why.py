"""Why did it not ring? One line a case: what is known of a point, and the first sentence."""

from dataclasses import replace
from math import inf
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from server.why import RANK, Flag, Rang, Reason, RuleSeen, Seen, why
from server.why_api import both, said_in
from watchkeeper import texts
from watchkeeper.documents import Text

ROOT = Path(__file__).parents[3]
WORDS = texts.load(ROOT / "catalog/i18n")
NOON = 1_764_043_200_000
TITLE = Text("电压异常", "Voltage out of range")
LI = Text("李", "Li")
SPAN = Text("198–242 V", "198–242 V")
VOLT = RuleSeen("voltage|m/u", TITLE, truth=False, low=198, high=242, span=SPAN)
WELL = Seen(NOON, Text("231 V", "231 V"), NOON - 500, NOON - 500, Text("良好", "Good"),
            edge="plant-b1", rules=[VOLT])  # fmt: skip
LOST = replace(WELL, value=None, stale=True, fresh_at=NOON - 60_000)
UNKNOWN = replace(VOLT, truth=None)
RINGS = replace(VOLT, truth=True, phase="active", delay_s=5, rang=Rang(NOON - 9_000, priority=2))
SHELF = Flag("shelved", LI, "motor is being changed", NOON + 3_600_000)
TEST = Flag("test", LI, "walk test")


def of(rule: RuleSeen, seen: Seen = WELL) -> Seen:
    return replace(seen, rules=[rule])


CASES = [
    pytest.param(WELL, "none-true", "No rule is true: 231 V lies within 198–242 V.", id="inside"),
    pytest.param(
        of(replace(VOLT, low=-inf, span=Text("240 kW", "240 kW"))), "none-true",
        "No rule is true: 231 V is not above 240 kW.", id="a high limit alone",
    ),
    pytest.param(
        of(replace(VOLT, high=inf, span=Text("198 V", "198 V"))), "none-true",
        "No rule is true: 231 V is not below 198 V.", id="a low limit alone",
    ),
    pytest.param(
        of(replace(VOLT, kind="state")), "none-true", "No rule is true: it is 231 V.", id="a state"
    ),
    pytest.param(
        replace(WELL, rules=[]), "no-rule", "No rule watches this point, so it never rings.",
        id="no rule",
    ),
    pytest.param(
        of(replace(VOLT, truth=True, phase="pending", spent_s=3, delay_s=5)), "pending",
        "Voltage out of range: true for 3 s of 5 s.", id="its delay runs",
    ),
    pytest.param(
        of(replace(UNKNOWN, phase="pending", spent_s=3, delay_s=5, frozen=True), LOST),
        "pending-frozen",
        "Voltage out of range: true for 3 s of 5 s; "
        "the value is unknown, so the delay stands still.",
        id="its delay is frozen by a gap",
    ),
    pytest.param(
        of(RINGS), "rings",
        "Voltage out of range: it rings since 11:59:51, and nobody has acknowledged it.",
        id="it rings",
    ),
    pytest.param(
        of(replace(RINGS, rang=Rang(NOON - 9_000, acknowledged_by=LI))), "rings-acknowledged",
        "Voltage out of range: it rings since 11:59:51; Li has acknowledged it.", id="seen",
    ),
    pytest.param(
        of(replace(RINGS, rang=None)), "rings",
        "Voltage out of range: it rings since ?, and nobody has acknowledged it.",
        id="its alarm is not in the table yet",
    ),
    pytest.param(
        of(replace(RINGS, flags=[SHELF])), "held-shelved",
        "Voltage out of range: true, but shelved until 13:00:00 by Li. "
        "Reason: motor is being changed", id="shelved",
    ),
    pytest.param(
        of(replace(RINGS, flags=[TEST])), "held-test",
        "Voltage out of range: true, but in test mode, begun by Li. Reason: walk test",
        id="in test mode without an end",
    ),
    pytest.param(
        of(UNKNOWN, replace(LOST, edge_lost=True)), "edge-lost",
        "Unknown: no fresh value since 11:59:00, edge plant-b1 lost.", id="its edge is lost",
    ),
    pytest.param(
        of(UNKNOWN, replace(LOST, edge_lost=True, at=None, fresh_at=None)), "edge-lost-never",
        "Unknown: no value ever came, edge plant-b1 lost.", id="lost from the beginning",
    ),
    pytest.param(
        of(UNKNOWN, replace(LOST, at=None, fresh_at=None)), "unknown-never",
        "Unknown: no value of this point ever came.", id="never came",
    ),
    pytest.param(
        of(UNKNOWN, replace(LOST, bad=True, quality=Text("无应答", "no answer"))),
        "unknown-quality",
        "Unknown: the value is not to be trusted since 11:59:59 (no answer).", id="bad",
    ),
    pytest.param(
        of(UNKNOWN, LOST), "unknown-stale",
        "Unknown: no fresh value since 11:59:00, though its edge is there.", id="stale",
    ),
    pytest.param(
        of(replace(UNKNOWN, kind="other")), "learning",
        "Voltage out of range: not enough readings yet to decide.", id="too little is known",
    ),
    pytest.param(
        of(replace(VOLT, truth=True)), "moving",
        "Voltage out of range: true of 231 V, and not decided yet; the next reading decides.",
        id="true, and no reading came since the start",
    ),
    pytest.param(
        of(replace(VOLT, open=False)), "closed",
        "Voltage out of range: does not count now, by its calendar.", id="outside its hours",
    ),
]  # fmt: skip


@pytest.mark.serves("C1")
@pytest.mark.parametrize(("seen", "code", "sentence"), CASES)
def test_the_first_sentence_is_the_answer(seen: Seen, code: str, sentence: str) -> None:
    first = why(seen)[0]
    assert first.code == code
    assert said_in(first, WORDS, "Asia/Shanghai", NOON)["en"] == sentence


@pytest.mark.parametrize(("seen", "code", "_"), CASES)
def test_every_sentence_can_be_said_in_both_languages(seen: Seen, code: str, _: str) -> None:
    for reason in why(seen):
        said = said_in(reason, WORDS, "Asia/Shanghai", NOON)
        assert all(said.values()), code
        assert "{" not in said["zh"] + said["en"], code


def codes(seen: Seen) -> list[str]:
    return [each.code for each in why(seen)]


def test_a_flag_is_named_even_while_no_rule_is_true() -> None:
    assert codes(of(replace(VOLT, flags=[SHELF]))) == ["none-true", "false-within", "would-shelved"]


@pytest.mark.parametrize(
    ("rang", "code"),
    [
        pytest.param(Rang(0, priority=2, told=3), "told", id="three were told"),
        pytest.param(Rang(0, priority=3), "untold-priority", id="routine is only shown"),
        pytest.param(Rang(0, priority=3, handling="life_safety"), "untold", id="unless life"),
        pytest.param(Rang(0, priority=1, echo_of="detector-fire"), "untold-echo", id="an echo"),
        pytest.param(Rang(0, priority=2, late=True), "untold-late", id="from backlog"),
    ],
)
def test_it_says_whether_people_were_told_and_why_not(rang: Rang, code: str) -> None:
    assert code in codes(of(replace(RINGS, rang=rang)))


def test_an_alarm_that_is_over_is_told_too() -> None:
    rang = Rang(NOON - 9_000, NOON - 1_000, life="returned", count=2)
    assert "was" in codes(of(replace(VOLT, rang=rang)))


def test_a_wrong_clock_is_named() -> None:
    assert "clock" in codes(replace(WELL, at=NOON + 120_000))
    assert "clock-not-set" in codes(replace(WELL, unsynchronised=True))


def test_of_several_rules_the_one_that_matters_comes_first() -> None:
    other = replace(VOLT, key="trip|m/u", truth=True, phase="pending", delay_s=5)
    assert why(replace(WELL, rules=[VOLT, other]))[0].rule == "trip|m/u"
    closed = replace(VOLT, key="night|m/u", open=False)
    assert codes(replace(WELL, rules=[VOLT, closed]))[0] == "closed"


def test_the_narrowest_limits_are_named() -> None:
    wide = replace(VOLT, key="a|m/u", low=0, high=500)
    assert why(replace(WELL, rules=[wide, VOLT]))[0].rule == VOLT.key


def test_there_are_words_for_every_code_and_their_facts_agree() -> None:
    for key, text in WORDS.by_key.items():
        if key.startswith("why."):
            zh, en = ({name for _, name, _, _ in Formatter().parse(each) if name}
                      for each in (text.zh, text.en))  # fmt: skip
            assert zh == en, key
    simple = {f"why.{code}" for code in RANK}
    assert simple <= WORDS.by_key.keys()


def test_texts_are_told_in_both_languages() -> None:
    assert both(LI) == {"zh": "李", "en": "Li"}
    facts: dict[str, Any] = {"title": TITLE}
    assert said_in(Reason("closed", facts), WORDS, "UTC", NOON)["zh"].startswith("电压异常")
