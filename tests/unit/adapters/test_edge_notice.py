import json

import pytest

from adapters.channels.edge_notice import EdgeNotice
from tests.fakes import FixedClock
from tests.fakes_receiver import receiver
from watchkeeper import texts
from watchkeeper.channel import SIGNATURE_HEADER, signed
from watchkeeper.clock import unix_ms
from watchkeeper.settings import Settings

WORDS = texts.load(Settings().catalog_folder() / "i18n")


@pytest.mark.serves("A9")
def test_says_in_both_languages_and_signed_that_the_edge_is_alone() -> None:
    clock = FixedClock()
    with receiver(204) as there:
        notice = EdgeNotice(there.url, b"key", clock, WORDS, "plant-b1")
        assert notice.tell(alone=True, events=3)
        assert notice.tell(alone=False, events=0)
    (headers, body), (_, over) = there.got
    said = json.loads(body)
    assert (said["kind"], json.loads(over)["kind"]) == ("edge.alone", "edge.heard")
    assert "plant-b1" in said["title"]["zh"]
    assert "3 events" in said["text"]["en"]
    assert signed(b"key", unix_ms(clock.now()) // 1000, body, headers[SIGNATURE_HEADER])


def test_one_that_does_not_arrive_keeps_its_key() -> None:
    clock = FixedClock()
    with receiver(503) as there:
        notice = EdgeNotice(there.url, b"key", clock, WORDS, "plant-b1")
        assert not notice.tell(alone=True, events=1)
        clock.pass_(5)
        assert not notice.tell(alone=True, events=1)
    assert len({headers["Idempotency-Key"] for headers, _ in there.got}) == 1
    assert not notice.tell(alone=True, events=1), "nobody there"
