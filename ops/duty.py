"""`watchkeeper duty-check UNIT --minutes 5 --user NAME`: is somebody at the fire panel?

Asks the server, as a person would, waits and says what became of it.
"""

import argparse
import getpass
from threading import Event
from typing import Any, Final

import httpx

from adapters.system_clock import SystemClock
from watchkeeper import texts
from watchkeeper.duty import Duty
from watchkeeper.settings import Settings
from watchkeeper.texts import Texts

LOOK_S: Final = 0.5
TAKEN_S: Final = 15.0  # until the edge must have said that it asks
GRACE_S: Final = 60.0  # the device itself may be asked three times
EXITS: Final = {Duty.ANSWERED: 0, Duty.UNANSWERED: 1}
SAYS: Final = {Duty.ANSWERED: "answered", Duty.UNANSWERED: "not answered"}


def arguments(parser: argparse.ArgumentParser, _: str) -> None:
    """Add the options of this command."""
    parser.add_argument("unit", help="the fire panel's transmission device: a unit of the site")
    parser.add_argument("--minutes", type=int, default=5, help="a person may take (1 to 255)")
    parser.add_argument(
        "--user", required=True, help="an operator's account; asks for its password"
    )


def run(settings: Settings, options: argparse.Namespace, _: str) -> int:
    """Start a duty check; 0: answered, 1: not answered, or it could not be started."""
    password = getpass.getpass(f"Password for {options.user}: ")
    base = f"http://127.0.0.1:{settings.ports.api}"
    words = texts.load(settings.catalog_folder() / "i18n")
    with httpx.Client(base_url=f"{base}/api/v1", timeout=10.0, trust_env=False) as client:
        try:
            _sign_in(client, settings, options.user, password)
            return _checked(client, options.unit, options.minutes)
        except httpx.HTTPStatusError as error:
            print(told(error.response, words))
        except httpx.TransportError as error:
            print(f"the server does not answer at {base}: {error}")
    return 1


def told(answer: httpx.Response, words: Texts) -> str:
    """Return what a refusal says, in words where the catalog has some."""
    try:
        facts: dict[str, Any] = answer.json()
        return words(str(facts["type"]), "en", **facts)
    except (ValueError, KeyError, TypeError):
        return f"the server says {answer.status_code}: {answer.text[:200]}"


def _sign_in(client: httpx.Client, settings: Settings, user: str, password: str) -> None:
    answer = client.post(
        "/login",
        json={"user": user, "password": password},
        headers={"Origin": settings.server.public_url.rstrip("/")},
    )
    answer.raise_for_status()
    client.headers["Authorization"] = f"Bearer {answer.cookies['wk_session']}"


def _checked(client: httpx.Client, unit: str, minutes: int) -> int:
    site = client.get("/site").raise_for_status().json()
    before = {row["point"]: row["at"] for row in client.get("/points/latest").json()}
    asked = client.post(f"/units/{unit}/duty-check", json={"minutes": minutes})
    point = asked.raise_for_status().json()["point"]
    print(f"asked at {unit} of {site['name']['en']}, {minutes} min to answer", flush=True)
    clock, pause = SystemClock(), Event()
    begun, seen = clock.tick(), False
    while clock.tick() - begun < (minutes * 60 + GRACE_S if seen else TAKEN_S):
        (row,) = client.get("/points/latest", params={"points": point}).raise_for_status().json()
        word = None if row["value"] is None else Duty(int(row["value"]))
        seen = seen or row["at"] != before.get(point)
        if seen and word in EXITS:
            print(f"{unit}: {SAYS[word]}")
            return EXITS[word]
        pause.wait(LOOK_S)
    print(f"{unit}: {'nobody knows' if seen else 'the edge has not taken it'}")
    return 1
