"""Dispatch as people meet it: sign in, an alarm, an order, a link, the stream, the sink."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from adapters.channels.webhook import Webhook
from server import dispatch, pages, subjects
from server.http import User
from server.outward import Outward
from server.people.store import seed
from server.sql import open_engines
from tests.fakes import FixedClock
from tests.fakes_dispatch import FakeChannel, PlainPasswords
from tests.fakes_receiver import receiver
from tests.fakes_server import ORIGIN, House
from watchkeeper.channel import SIGNATURE_HEADER, signed
from watchkeeper.ids import PersonId

POWER, PASSWORD = "hvac-1/active_power", "watch-the-house"
FIRE = "fire-panel/detector-07"


class Site(House):
    """A house with the demonstration's people, whose sessions are real."""

    def __init__(self, folder: Path, channel: Any) -> None:
        outward = Outward([channel], b"key of links", passwords=PlainPasswords())
        super().__init__(folder, outward=outward)
        catalog = self.server.parts.settings.catalog_folder()
        engines = open_engines(self.database)
        seed(engines.write, catalog / "people/demo.yaml", outward.passwords)
        for engine in engines:
            engine.dispose()
        self.server.app.state.who = subjects.who(self.server.parts, self.server.do)
        self.sender = dispatch.sender(self.server.parts, self.server.writer)
        self.sender.start()
        self.birth()

    def close(self) -> None:
        self.sender.close()
        super().close()

    def overload(self) -> None:
        """Let a feeder stay above its rating for longer than the rule's delay."""
        self.data(POWER, (0, 250_000.0))
        self.pass_(6)

    def relieve(self) -> None:
        """Let it go back below, for longer than the delay."""
        self.data(POWER, (0, 100_000.0))
        self.pass_(11)

    def client(self, user: str = "") -> TestClient:
        """Return a browser, signed in."""
        client = TestClient(self.server.app, headers={"Origin": ORIGIN})
        if user:
            body = {"user": user, "password": PASSWORD}
            assert client.post("/api/v1/login", json=body).status_code == 204
            client.headers["X-CSRF"] = client.cookies["wk_csrf"]
        return client

    def order(self) -> dict[str, Any]:
        """Return the one open order."""
        (order,) = self.client("chenlei").get("/api/v1/orders").json()
        return order  # type: ignore[no-any-return] # JSON


@pytest.fixture
def channel() -> FakeChannel:
    return FakeChannel()


@pytest.fixture
def site(folder: Path, channel: FakeChannel) -> Iterator[Site]:
    made = Site(folder, channel)
    yield made
    made.close()


def link_of(channel: FakeChannel, order: str) -> str:
    with channel.news:
        found = channel.news.wait_for(
            lambda: next(
                (one for one in channel.letters if one.link and one.subject == order), None
            ),
            5,
        )
    assert found
    return found.link.removeprefix("http://127.0.0.1:8501")


@pytest.mark.serves("H2")
def test_signing_in_gives_a_session_that_ends_at_once(site: Site) -> None:
    browser = site.client("chenlei")
    assert browser.get("/api/v1/me").json() == {
        "id": "chenlei", "name": "陈磊", "roles": ["operator"], "language": "zh",
    }  # fmt: skip
    stolen = browser.cookies["wk_session"]
    assert browser.post("/api/v1/logout").status_code == 204
    assert not browser.cookies
    again = site.client().get("/api/v1/me", headers={"Authorization": f"Bearer {stolen}"})
    assert (again.status_code, again.json()["type"]) == (401, "people.signed-out")


def test_cookies_are_kept_from_scripts_and_foreign_sites(site: Site) -> None:
    body = {"user": "chenlei", "password": PASSWORD}
    answer = site.client().post("/api/v1/login", json=body)
    session, csrf = answer.headers.get_list("set-cookie")
    assert session.startswith("wk_session=")
    assert "HttpOnly" in session
    assert "HttpOnly" not in csrf
    for cookie in (session, csrf):
        assert "SameSite=lax" in cookie
        assert "Path=/" in cookie


@pytest.mark.serves("H2")
def test_guessing_passwords_costs_time(site: Site) -> None:
    browser, wrong = site.client(), {"user": "chenlei", "password": "guess"}
    codes = [browser.post("/api/v1/login", json=wrong).status_code for _ in range(6)]
    assert codes == [401] * 5 + [429]
    right = {"user": "chenlei", "password": PASSWORD}
    held = browser.post("/api/v1/login", json=right)
    assert (held.status_code, held.headers["retry-after"]) == (429, "30")
    elsewhere = {"X-Forwarded-For": "10.0.0.9"}
    assert browser.post("/api/v1/login", json=right, headers=elsewhere).status_code == 204
    site.pass_(30)
    assert browser.post("/api/v1/login", json=right).status_code == 204


def test_an_unknown_account_is_told_nothing_else(site: Site) -> None:
    for user in ("nobody", "chenlei"):
        answer = site.client().post("/api/v1/login", json={"user": user, "password": "x"})
        assert (answer.status_code, answer.json()["type"]) == (401, "people.wrong-password")


def test_who_is_there_and_who_works_now(site: Site) -> None:
    wang, chen = site.client("wangqiang"), site.client("chenlei")
    people = {person["id"]: person for person in chen.get("/api/v1/people").json()}
    assert people["wangqiang"]["names"] == {"zh": "王强", "en": "Wang Qiang"}
    assert people["wangqiang"]["skills"] == ["electrical", "hvac", "plumbing"]
    off = {"on_shift": False}
    assert wang.post("/api/v1/people/wangqiang/shift", json=off).status_code == 204
    assert wang.post("/api/v1/people/liumin/shift", json=off).status_code == 403
    assert chen.post("/api/v1/people/liumin/shift", json=off).status_code == 204
    assert chen.post("/api/v1/people/nobody/shift", json=off).status_code == 404


@pytest.mark.serves("D1")
@pytest.mark.serves("D2")
@pytest.mark.serves("D5")
def test_from_overload_to_closed(site: Site, channel: FakeChannel) -> None:
    site.overload()
    order = site.order()
    alarm = site.alarm("feeder-overload")
    assert (order["state"], order["person"], order["alarm"]) == (
        "assigned", "wangqiang", alarm["id"],
    )  # fmt: skip
    assert alarm["order"] == order["id"]
    assert [reason["en"] for reason in order["reasons"]] == [
        "electrical skill", "on shift", "no order in hand",
    ]  # fmt: skip
    phone = site.client()
    link = link_of(channel, order["id"])
    assert phone.get(link).status_code == 200
    assert site.order()["state"] == "assigned"  # looking never acts
    assert phone.post(link).status_code == 200
    wang = site.client("wangqiang")
    for verb in ("depart", "arrive", "start"):
        assert verb in site_may(wang, order["id"])
        assert wang.post(f"/api/v1/orders/{order['id']}/{verb}").status_code == 200
    site.relieve()
    said = {"cause": "chiller left on", "remedy": "load shed"}
    done = wang.post(f"/api/v1/orders/{order['id']}/done", json=said).json()
    assert (done["state"], done["cause"]) == ("closed", "chiller left on")
    assert [note["by"] for note in done["notes"]][-2:] == ["telemetry", "telemetry"]
    assert done["notes"][-3]["text"]["en"] == "Done: chiller left on; load shed"


def site_may(client: TestClient, order: str) -> list[str]:
    return list(client.get(f"/api/v1/orders/{order}").json()["may"])


def test_what_one_may_depends_on_who_asks(site: Site) -> None:
    site.overload()
    order = site.order()["id"]
    mays = {name: site_may(site.client(name), order) for name in ("wangqiang", "liumin", "zhaoyan")}
    assert mays == {"wangqiang": ["accept", "decline"], "liumin": [], "zhaoyan": []}
    assert "assign" in site_may(site.client("admin"), order)
    refused = site.client("liumin").post(f"/api/v1/orders/{order}/accept")
    assert (refused.status_code, refused.json()["type"]) == (403, "orders.not-yours")
    early = site.client("wangqiang").post(f"/api/v1/orders/{order}/done")
    assert (early.status_code, early.json()["state"]) == (409, "assigned")
    assert site.client("wangqiang").post(f"/api/v1/orders/{order}/verb").status_code == 422
    assert site.client("wangqiang").get("/api/v1/orders/ord_x").status_code == 404


def test_mine_are_mine_and_ended_orders_stay_on_record(site: Site) -> None:
    site.overload()
    order, chen = site.order()["id"], site.client("chenlei")
    assert len(site.client("wangqiang").get("/api/v1/orders?mine=true").json()) == 1
    assert site.client("liumin").get("/api/v1/orders?mine=true").json() == []
    no_reason = chen.post(f"/api/v1/orders/{order}/cancel")
    assert (no_reason.status_code, no_reason.json()["type"]) == (422, "orders.reason-missing")
    chen.post(f"/api/v1/orders/{order}/cancel", json={"reason": "false alarm"})
    assert chen.get("/api/v1/orders").json() == []
    assert [o["state"] for o in chen.get("/api/v1/orders?open=false").json()] == ["cancelled"]


@pytest.mark.serves("D3")
def test_an_offer_that_nobody_takes_comes_back_and_anybody_may_take_it(
    site: Site, channel: FakeChannel
) -> None:
    site.overload()
    link = link_of(channel, site.order()["id"])
    site.pass_(181)
    order = site.order()
    assert (order["state"], order["person"]) == ("triaged", None)
    inbox = site.client("chenlei").get("/api/v1/inbox").json()
    assert "order-unclaimed" in {message["kind"] for message in inbox}
    assert site.client().post(link).status_code == 200  # late, but nobody else has it
    assert site.order()["state"] == "accepted"


@pytest.mark.serves("D3")
def test_of_two_who_accept_at_once_one_wins_and_the_other_hears_who(site: Site) -> None:
    site.overload()
    site.pass_(181)
    order = site.order()["id"]
    pair = [site.client(name) for name in ("wangqiang", "liumin")]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda c: c.post(f"/api/v1/orders/{order}/accept"), pair))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    (lost,) = [answer.json() for answer in answers if answer.status_code == 409]
    assert lost["type"] == "orders.taken"
    assert lost["person"] == site.order()["person"]


def test_an_operator_sends_somebody_else(site: Site, channel: FakeChannel) -> None:
    site.overload()
    order, chen = site.order()["id"], site.client("chenlei")
    first = link_of(channel, order)
    sent = chen.post(f"/api/v1/orders/{order}/assign", json={"person": "liumin"}).json()
    assert (sent["person"], sent["state"]) == ("liumin", "assigned")
    nobody = chen.post(f"/api/v1/orders/{order}/assign", json={"person": "zhaoyan"})
    assert (nobody.status_code, nobody.json()["type"]) == (422, "orders.not-a-technician")
    late = site.client().post(first)
    assert late.status_code == 410
    assert "no longer" in site.client().get(first, headers={"Accept-Language": "en"}).text


@pytest.mark.serves("D5")
@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", ["派给你的工单", "接单", "紧急", "A 座 B1", 'lang="zh-CN"']),
        ("en-GB,en;q=0.9", ["An order for you", "Accept", "Urgent", "Tower A B1", 'lang="en"']),
        ("", ["派给你的工单"]),
    ],
)
def test_the_page_of_a_link(
    site: Site, channel: FakeChannel, language: str, words: list[str]
) -> None:
    site.overload()
    link = link_of(channel, site.order()["id"])
    answer = site.client().get(link, headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert all(word in answer.text for word in words)
    assert answer.text.count("<button") == 1
    assert "<script" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.serves("D5")
def test_a_used_link_says_who_has_the_order(site: Site, channel: FakeChannel) -> None:
    site.overload()
    link, phone = link_of(channel, site.order()["id"]), site.client()
    assert phone.post(link).status_code == 200
    for answer in (phone.get(link), phone.post(link)):
        assert answer.status_code == 410
        assert "王强" in answer.text
        assert "<button" not in answer.text
    assert site.order()["state"] == "accepted"


def test_an_altered_link_is_unknown_and_an_old_one_is_over(
    site: Site, channel: FakeChannel
) -> None:
    site.overload()
    link, phone = link_of(channel, site.order()["id"]), site.client()
    altered = link[:-1] + ("0" if link[-1] != "0" else "1")
    assert {phone.get(altered).status_code, phone.post(altered).status_code} == {404}
    assert phone.get("/go/x").status_code == 404
    site.clock.pass_(12 * 3600)
    old = phone.get(link, headers={"Accept-Language": "en"})
    assert (old.status_code, "too old" in old.text) == (410, True)
    assert phone.post(link).status_code == 410


def test_a_link_is_nowhere_in_the_database(site: Site, channel: FakeChannel) -> None:
    site.overload()
    token = link_of(channel, site.order()["id"]).removeprefix("/go/")
    with site.server.parts.read.connect() as connection:
        for name in sa.inspect(connection).get_table_names():
            rows = connection.execute(sa.text(f'select * from "{name}"')).all()  # noqa: S608
            assert token not in repr(rows), name


@pytest.mark.serves("D5")
def test_the_inbox_is_ones_own(site: Site, channel: FakeChannel) -> None:
    site.overload()
    channel.wait(2)
    site.settle()
    wang, chen = site.client("wangqiang"), site.client("chenlei")
    (offer,) = wang.get("/api/v1/inbox").json()
    assert (offer["kind"], offer["person"]) == ("order-offer", "wangqiang")
    assert offer["link"].endswith(link_of(channel, offer["subject"]))
    (alarm,) = chen.get("/api/v1/inbox").json()
    assert (alarm["kind"], alarm["link"]) == ("alarm", None)
    assert chen.post(f"/api/v1/inbox/{offer['id']}/read").status_code == 404
    assert wang.post(f"/api/v1/inbox/{offer['id']}/read").status_code == 204
    assert wang.get("/api/v1/inbox").json()[0]["read_at"] == site.ms()


def test_a_receipt_is_for_operators_programs(site: Site) -> None:
    site.overload()
    (offer,) = site.client("wangqiang").get("/api/v1/inbox").json()
    path = f"/api/v1/deliveries/{offer['deliveries'][0]['id']}/receipt"
    assert site.client("wangqiang").post(path, json={"kind": "read"}).status_code == 403
    assert site.client("chenlei").post(path, json={"kind": "lost"}).status_code == 422
    assert site.client("chenlei").post(path, json={"kind": "delivered"}).status_code == 204


@pytest.mark.serves("G1")
def test_each_viewer_is_told_what_they_may_do(site: Site) -> None:
    chen, wang = (
        User(PersonId(name), name, frozenset({role}))
        for name, role in (("chenlei", "operator"), ("wangqiang", "technician"))
    )
    site.overload()
    with site.server.parts.read.connect() as connection:
        query = "select body from change where kind = 'order' order by id desc limit 1"
        order = json.loads(connection.execute(sa.text(query)).scalar_one())
    assert subjects.own(wang)["order"](order)["may"] == ["accept", "decline"]
    assert "assign" in subjects.own(chen)["order"](order)["may"]
    shown = subjects.snapshot(site.server.parts, site.server.do, wang)
    assert [each["may"] for each in shown["orders"]] == [["accept", "decline"]]


@pytest.mark.serves("D5")
def test_a_fire_reaches_a_real_receiver(folder: Path) -> None:
    with receiver(204) as sink:
        webhook = Webhook(sink.url, b"key", FixedClock())
        site = Site(folder, webhook)
        try:
            site.event(FIRE, 1.0)
            assert sink.arrived.wait(5)
        finally:
            site.close()
    told = json.loads(sink.got[0][1])
    assert (told["person"], told["kind"], told["life_safety"]) == ("chenlei", "alarm", True)
    assert signed(b"key", told["at"] // 1000, sink.got[0][1], sink.got[0][0][SIGNATURE_HEADER])


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("en;q=0.5, zh-CN;q=0.9", "zh"), ("fr, en", "en"), ("fr", "zh"), ("en;q=x", "en"),
        ("*", "zh"),
    ],
)  # fmt: skip
def test_the_language_of_a_page(accept: str, language: str) -> None:
    assert pages.language(accept) == language


def test_a_page_escapes_what_it_is_given() -> None:
    page = pages.card("<b>", [("m", "a & b")], pages.mark(1, '"x"'))
    assert "<b>" not in page
    assert "a &amp; b" in page
    assert re.search(r'aria-label="&quot;x&quot;"', page)
