from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.people import decide
from server.people.model import FREE_TRIES, LONGEST_WAIT, SESSION_LIFE, TOUCH_EVERY, Tries
from watchkeeper.errors import NotPossible
from watchkeeper.ids import PersonId

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.serves("H2")
@pytest.mark.parametrize(
    ("failed", "wait_s"),
    [(0, 0), (FREE_TRIES - 1, 0), (FREE_TRIES, 30), (FREE_TRIES + 1, 60), (FREE_TRIES + 40, 900)],
)
def test_wrong_passwords_cost_time(failed: int, wait_s: int) -> None:
    tries = Tries(failed, NOON)
    assert decide.wait(tries, NOON) == timedelta(seconds=wait_s)
    assert decide.wait(tries, NOON + timedelta(seconds=wait_s)) == timedelta()


def test_a_long_pause_forgives() -> None:
    tries = decide.failed(Tries(9, NOON), NOON + LONGEST_WAIT + timedelta(seconds=1))
    assert tries.failed == 1
    assert decide.failed(Tries(9, NOON), NOON).failed == 10
    assert decide.failed(Tries(), NOON).failed == 1


def test_a_session_lives_from_its_last_use() -> None:
    session = decide.begun(PersonId("li"), NOON)
    soon = NOON + TOUCH_EVERY / 2
    assert decide.used(session, soon) is session  # not every use is written down
    later = NOON + SESSION_LIFE - timedelta(seconds=1)
    moved = decide.used(session, later)
    assert moved is not None
    assert moved.expires_at == later + SESSION_LIFE
    assert decide.used(session, NOON + SESSION_LIFE) is None


@given(st.text(min_size=1), st.text(min_size=1))
def test_tokens_are_told_apart_and_never_shown(one: str, other: str) -> None:
    assert (decide.digest(one) == decide.digest(other)) == (one == other)
    assert decide.csrf(one) not in {one, decide.digest(one)[:32]}


@pytest.mark.parametrize(
    ("account", "password", "code"),
    [
        ("telemetry", "long enough", "people.reserved-name"),
        ("dispatch", "long enough", "people.reserved-name"),
        ("li", "short", "people.short-password"),
    ],
)
def test_accounts_that_are_not_to_be_made(account: str, password: str, code: str) -> None:
    with pytest.raises(NotPossible, match=code):
        decide.check(account, password)
