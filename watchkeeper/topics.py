"""The topics of the wire (docs/wire.md), built and taken apart in one place."""

from typing import NamedTuple

from watchkeeper.ids import EdgeId

ROOT = "wk/1"
UP_LANES = ("birth", "oldbirth", "data", "event", "state")


class Up(NamedTuple):
    """Where a message from an edge came from."""

    site: str
    edge: EdgeId
    lane: str  # one of UP_LANES
    part: int  # of a birth, else 0


def up(site: str, edge: str, lane: str) -> str:
    """Return the topic an edge publishes `lane` on; births take "birth/{part}"."""
    return f"{ROOT}/{site}/{edge}/up/{lane}"


def down(site: str, edge: str, lane: str) -> str:
    """Return the topic an edge listens to: ack, birth, replay, cmd, cfg."""
    return f"{ROOT}/{site}/{edge}/down/{lane}"


def all_up(lane: str, site: str = "+") -> str:
    """Return the filter for `lane` of all edges; births of all parts."""
    return up(site, "+", "birth/+" if lane == "birth" else lane)


def rerun(site: str) -> str:
    """Return where gateways are asked to try again what was put aside."""
    return f"{ROOT}/{site}/rerun"


def shared(topic: str, group: str) -> str:
    """Return the filter by which each message goes to one subscriber of the group."""
    return f"$share/{group}/{topic}"


def program_state(program: str, name: str) -> str:
    """Return the retained state topic of a server or gateway."""
    return f"{ROOT}/{program}/{name}/state"


def parse_up(topic: str) -> Up | None:
    """Return the parts of an edge's topic, or None when it is not one of ours."""
    words = topic.split("/")
    if len(words) not in {6, 7} or "/".join(words[:2]) != ROOT or words[4] != "up":
        return None
    site, edge, lane = words[2], words[3], words[5]
    if lane not in UP_LANES or (len(words) == 7) != (lane == "birth"):  # noqa: PLR2004 - birth/part
        return None
    part = words[6] if len(words) > 6 else "0"  # noqa: PLR2004
    return Up(site, EdgeId(edge), lane, int(part)) if part.isdecimal() else None
