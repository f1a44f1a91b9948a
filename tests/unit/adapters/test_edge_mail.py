"""Mail as the second route of an edge, to a real local SMTP receiver."""

from email import message_from_bytes, policy

import pytest

from adapters.channels.edge_mail import EdgeMail
from adapters.channels.mail import Mail
from edge.main import _routes
from tests.fakes import FixedClock
from tests.parts import free_port
from tests.unit.adapters.test_channels import Postmaster, post_office
from watchkeeper import texts
from watchkeeper.errors import ConfigError
from watchkeeper.settings import Settings, Smtp
from watchkeeper.site import Alone, Bus, Edge, ModbusTcp

WORDS = texts.load(Settings().catalog_folder() / "i18n")
CLOCK = FixedClock()


def edge(*addresses: str, webhook: str = "") -> Edge:
    alone = Alone("lan", 1, 0, webhook, list(addresses))
    return Edge("plant-b1", [Bus("lan", ModbusTcp("127.0.0.1"))], [], alone)


@pytest.mark.serves("A9")
def test_says_in_both_languages_that_the_edge_is_alone_and_that_it_is_over() -> None:
    postmaster = Postmaster()
    with post_office(postmaster) as relay:
        route = EdgeMail(relay, "duty@example.org", CLOCK, WORDS, "plant-b1")
        assert route.tell(alone=True, events=3)
        CLOCK.pass_(60)
        assert route.tell(alone=False, events=0)
    first, second = (
        message_from_bytes(bytes(each.content or b""), policy=policy.default)
        for each in postmaster.got
    )
    assert postmaster.got[0].rcpt_tos == ["duty@example.org"]
    assert "plant-b1" in first["Subject"]
    assert "平台无应答" in first["Subject"]
    assert "alarms alone" in first["Subject"]
    assert "3 条事件" in first.get_content()
    assert "3 events" in first.get_content()
    assert "answers again" in second["Subject"]
    assert first["X-Watchkeeper-Key"] != second["X-Watchkeeper-Key"]


def test_one_that_is_not_taken_is_tried_again_with_its_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    postmaster = Postmaster("450 later")
    with post_office(postmaster) as relay:
        route = EdgeMail(relay, "duty@example.org", CLOCK, WORDS, "plant-b1")
        assert not route.tell(alone=True, events=1)
        postmaster.reply = ""
        assert route.tell(alone=True, events=1)
    assert "mail not taken" in caplog.messages
    away = Mail(Smtp(host="127.0.0.1", port=free_port()), CLOCK)
    assert not EdgeMail(away, "duty@example.org", CLOCK, WORDS, "plant-b1").tell(
        alone=True, events=1
    )


@pytest.mark.serves("A9")
def test_the_site_file_names_whom_and_the_edges_configuration_the_relay() -> None:
    postmaster = Postmaster()
    with post_office(postmaster) as relay:
        settings = Settings(smtp=relay._settings)  # noqa: SLF001 - where the office is
        routes = _routes(settings, edge("a@example.org", "b@example.org"))
        assert [route.tell(alone=True, events=1) for route in routes] == [True, True]
    assert [each.rcpt_tos for each in postmaster.got] == [["a@example.org"], ["b@example.org"]]
    assert _routes(Settings(), edge()) == []


def test_addresses_without_a_relay_are_a_mistake_with_a_fix() -> None:
    with pytest.raises(ConfigError, match=r"alone\.mail: edge `plant-b1` has no relay"):
        _routes(Settings(), edge("a@example.org"))
