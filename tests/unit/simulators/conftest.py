"""The demo site as a building, as tests of the simulators want it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from simulators.building import Building
from simulators.extras import Extras
from simulators.scenarios.stage import Stage
from watchkeeper import site
from watchkeeper.clock import unix_ms
from watchkeeper.site import Plant

CATALOG = Path(__file__).resolve().parents[3] / "catalog"
NOON_MS = unix_ms(datetime(2026, 6, 3, 4, tzinfo=UTC))  # a Wednesday, 12 o'clock in Shanghai


@pytest.fixture(scope="session")
def plant() -> Plant:
    return site.load(CATALOG / "sites/riverside-plaza.yaml", CATALOG / "profiles")


@pytest.fixture
def noon() -> int:
    return NOON_MS


@pytest.fixture
def building(plant: Plant) -> Building:
    return Building(plant, seed=7, start_ms=NOON_MS, extras=Extras())


@pytest.fixture
def stage(building: Building) -> Stage:
    return Stage(building)
