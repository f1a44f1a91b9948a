"""The figures beside the peer: its settings, what is counted of it, and what is said without it.

The peer itself is not run here.
"""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import edge_peer
from benchmarks.edge_parts import prepared
from benchmarks.edge_peer import SETTINGS, Found, figures
from benchmarks.edge_peer_config import MODULES, VERSION, Place, Setting, files, session_limits
from benchmarks.edge_peer_parts import Run, changing, only_loopback, readings_of
from watchkeeper.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
PLACE = Place(("127.0.0.1", "127.0.0.2"), 5020, 1884, 124, "kept")
RUN = Run(polled=100_000, arrived=100_000, share=1.0, cpu_s=2.0, wall_s=10.0, rss_mb=70.0)
OURS = {"polled": 5_000_000.0, "cpu_s": 5.0, "reported": 10.0, "dropped": 1.0, "arrived": 9.0}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.text)
def test_each_setting_makes_files_the_gateway_can_read(setting: Setting) -> None:
    made = files(setting, PLACE)
    assert set(made) == {"tb_gateway.json", "modbus.json", "logs.json"}
    assert json.loads(json.dumps(made)) == made
    assert made["tb_gateway.json"]["thingsboard"]["reportStrategy"] == {"type": setting.report}
    assert made["tb_gateway.json"]["storage"]["type"] == setting.storage


def test_a_device_is_read_whole_by_one_request_over_a_connection_of_its_own() -> None:
    devices = files(SETTINGS[0], PLACE)["modbus.json"]["master"]["slaves"]
    assert [device["host"] for device in devices] == list(PLACE.hosts)
    (read,) = devices[0]["timeseries"]
    assert read["address"] == "0-123"
    assert read["maxRegistersPerRequest"] >= PLACE.registers


def test_nothing_but_loopback_is_named_and_nothing_may_be_limited() -> None:
    platform = files(SETTINGS[0], PLACE)["tb_gateway.json"]["thingsboard"]
    assert platform["host"] == "127.0.0.1"
    assert not platform["remoteConfiguration"]
    assert not platform["remoteShell"]
    assert set(session_limits()["rateLimits"].values()) == {""}


def test_make_peers_installs_what_the_gateway_would_fetch_by_itself() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for name, version in {"thingsboard-gateway": VERSION, **MODULES}.items():
        assert f"{name.replace('_', '-')}=={version}" in makefile
    assert ".peers/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def test_readings_are_counted_by_their_instant() -> None:
    message = {
        "127.0.0.1": [{"ts": 5, "values": {"0": 1.5, "2": 2}}, {"ts": 9, "values": {"0": 1.0}}],
        "127.0.0.2": [{"ts": 5, "values": {"4": 3.25}}],
    }
    assert readings_of(message) == Counter({5: 3, 9: 1})


@pytest.mark.parametrize("change", [0.0, 0.2, 1.0])
def test_the_share_that_changes_is_found_in_the_answers(change: float) -> None:
    assert changing(prepared(change)) == pytest.approx(change, abs=0.02)


@pytest.mark.parametrize(
    ("run", "kept"),
    [
        pytest.param(RUN, 1.0, id="all arrived"),
        pytest.param(replace(RUN, arrived=20_000), 0.2, id="most of it overwritten"),
        pytest.param(replace(RUN, arrived=20_000, share=0.2), 1.0, id="only what changed"),
        pytest.param(replace(RUN, arrived=101_000), 1.0, id="a poll at the edge of the window"),
        pytest.param(replace(RUN, polled=0), 0.0, id="nothing read"),
    ],
)
def test_only_what_arrived_counts_for_the_peer(run: Run, kept: float) -> None:
    assert run.kept == pytest.approx(kept)
    assert run.carried_per_cpu_s == pytest.approx(run.polled / run.cpu_s * kept)


def test_the_ratio_is_over_the_best_setting_of_the_peer() -> None:
    greedy = replace(RUN, polled=400_000, arrived=4_000)
    slow = OURS | {"polled": 1_500_000.0}
    rows = figures(Found(OURS, slow, [(SETTINGS[0], RUN), (edge_peer.AT_MOST, greedy)]))
    found = {row.name: row for row in rows}
    assert found["edge.peer_readings_per_cpu_s"].value == 50_000
    assert found["edge.peer_ratio"].value == 20
    assert found["edge.peer_ratio"].bar == 10
    assert SETTINGS[0].text in found["edge.peer_ratio"].peer
    assert VERSION in found["edge.peer_ratio"].peer
    assert found["edge.peer_ratio_same_pace"].value == 6
    assert found["edge.peer_ratio_at_most"].value == 5
    assert found["edge.peer_ours_lost"].value == 0


def test_without_the_peer_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="make peers"):
        edge_peer.installed(tmp_path)


def test_a_peer_that_would_fetch_a_module_counts_as_missing(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    for name, version in {"thingsboard_gateway": VERSION, **MODULES}.items():
        (site / f"{name}-{version}.dist-info").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    edge_peer.installed(tmp_path)
    (site / f"pymodbus-{MODULES['pymodbus']}.dist-info").rename(site / "pymodbus-3.16.0.dist-info")
    with pytest.raises(ConfigError, match="pymodbus"):
        edge_peer.installed(tmp_path)


def test_where_no_namespace_is_allowed_it_says_so() -> None:
    with pytest.raises(ConfigError, match="no network namespace"):
        edge_peer.alone(edge_peer.program("false"))


def test_a_missing_program_is_named() -> None:
    with pytest.raises(ConfigError, match="no-such-program is not installed"):
        edge_peer.program("no-such-program")


def test_the_gateway_is_refused_where_there_is_more_than_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("socket.if_nameindex", lambda: [(1, "lo"), (2, "wire0")])
    with pytest.raises(ConfigError, match="wire0"):
        only_loopback()
