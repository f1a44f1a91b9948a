from pathlib import Path

import msgspec
import pytest

from server.energy.handlers import meters_of
from watchkeeper import site

CATALOG = Path("catalog")


@pytest.mark.serves("F1")
def test_only_electricity_meters_are_in_the_tree() -> None:
    plant = site.load(CATALOG / "sites/riverside-plaza.yaml", CATALOG / "profiles")
    meter = plant.profiles["schneider-iem3000"]
    drive = msgspec.structs.replace(meter, equipment="pump")
    with_drive = site.Plant(plant.site, {**plant.profiles, "schneider-iem3000": drive})
    before = {each.unit for each in meters_of(plant)}
    assert before - {each.unit for each in meters_of(with_drive)} == {"tenant-a4"}
