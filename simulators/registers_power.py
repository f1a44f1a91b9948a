"""Registers of generator, UPS and drive; see registers.py for what holds for all tables.

Sources: GenComm as victronenergy/dbus-modbus-client has it (wire address = 256 x page + offset);
APC application note AN176 as apcupsd has it (value x 2^n); for the drive ABB's parameter formula.
"""

import struct

from simulators.devices.booster import RATED_HZ, Booster
from simulators.devices.generator import POWER_FACTOR, Generator
from simulators.devices.ups import INPUT_OK, LOAD_FACTOR, OUTPUT_V, RATED_VA, Ups
from simulators.registers import Blocks

_NONE = 0xFFFF  # GenComm: not implemented; a signed one says 0x7FFF
_AUTO, _STOP = 1, 0
_SENSED_V = 223.0  # of the mains, while it is there


def dse7320(device: Generator, serial: int = 7_320_001) -> Blocks:
    """Deep Sea DSE 7320: pages 3 to 7, each a block from its first register on."""
    mains = _SENSED_V if device.mains else 0.0
    volts = round(device.voltage * 10)
    lines = round(device.voltage * 3**0.5 * 10)
    phase_w = device.load_kw * 1000 / 3
    amperes = phase_w / (device.voltage * POWER_FACTOR) if device.voltage else 0.0
    return {
        (3, 0x300): _page(
            6, (0, "H", 1), (1, "H", 7320), (2, "I", serial), (4, "H", _mode(device))
        ),
        (3, 0x400): _page(
            66,
            (0, "H", round(device.oil_bar * 100)),  # kPa
            (1, "h", round(device.coolant_c)),
            (2, "h", round(device.coolant_c + 8 * bool(device.rpm))),
            (3, "H", round(device.fuel_percent)),
            (5, "H", round(device.battery_v * 10)),
            (6, "H", round(device.rpm)),
            (7, "H", round(device.frequency * 10)),
            *((8 + 2 * phase, "I", volts) for phase in range(3)),
            *((14 + 2 * pair, "I", lines) for pair in range(3)),
            *((20 + 2 * phase, "I", round(amperes * 10)) for phase in range(3)),
            *((28 + 2 * phase, "i", round(phase_w)) for phase in range(3)),
            (35, "H", 500 if device.mains else 0),
            *((36 + 2 * phase, "I", round(mains * 10)) for phase in range(3)),
        ),
        (3, 0x580): _page(1, (0, "H", device.engine)),
        (3, 0x600): _page(
            23,
            (0, "i", round(device.load_kw * 1000)),
            (22, "h", round(1000 * device.load_kw / device.rated_kw)),  # tenths of %
        ),
        (3, 0x700): _page(
            18,
            (6, "I", int(device.run_s)),
            (8, "I", int(device.energy_kwh * 10)),
            (16, "I", device.starts),
        ),
    }


def _mode(device: Generator) -> int:
    return _AUTO if device.automatic else _STOP


def _page(length: int, *facts: tuple[int, str, int], empty: int = _NONE) -> bytes:
    """Return so many registers: (offset, kind, value) each, what is not there is `empty`."""
    page = bytearray(struct.pack(f">{length}H", *[empty] * length))
    for offset, kind, value in facts:
        struct.pack_into(">" + kind, page, 2 * offset, value)
    return bytes(page)


def smart_ups(device: Ups) -> Blocks:
    """APC Smart-UPS: states from 0, measured values from 128, names from 516."""
    out = device.output
    status = (
        (out and not device.on_battery) << 1
        | device.on_battery << 2
        | (not out) << 4
        | (not device.input_good) << 6
        | device.testing << 7
    )
    states = _page(
        26,
        (0, "I", status),
        (18, "H", (not device.input_good) | device.imminent << 1),
        (20, "I", int(device.load_percent > 100)),  # noqa: PLR2004 - %
        (22, "H", device.replace << 2),
        (23, "H", device.test_passed << 2 | device.test_failed << 3),
        (25, "H", device.replace << 1),
        empty=0,
    )
    volt_amperes = device.load_w / LOAD_FACTOR if out else 0.0
    measured = _page(
        24,
        (0, "I", round(device.runtime_s)),
        (2, "H", round(device.charge * 100 * 512)),
        (3, "h", round(device.battery_v * 32)),
        (7, "h", round(device.temperature_c * 128)),
        (8, "H", round(device.load_percent * 256)),
        (10, "H", round(100 * volt_amperes / RATED_VA * 256)),
        (12, "H", round(volt_amperes / OUTPUT_V * 32)),
        (14, "H", round(OUTPUT_V * 64) if out else 0),
        (16, "H", 50 * 128 if out else 0),
        (17, "I", int(device.energy_wh)),
        (22, "H", device.input_good | (device.input_v < INPUT_OK[0]) << 2
         | (device.input_v > INPUT_OK[1]) << 3),
        (23, "H", round(device.input_v * 64)),
        empty=0,
    )  # fmt: skip
    names = b"".join(
        (b"UPS 09.3".ljust(32), b"Smart-UPS 3000".ljust(64), b"AS2601000001".ljust(16))
    )
    return {(3, 0): states, (3, 128): measured, (3, 516): names}


def abb_acs(device: Booster) -> Blocks:
    """ABB ACS: status word 50 and actual value 51, then parameters 100 x group + index - 1."""
    reference = device.powered and not device.tripped
    status = (
        0b11 * (not device.tripped)
        | (device.running and reference) << 2
        | device.tripped << 3
        | (reference and device.running) << 8
        | 1 << 9
    )
    actual = round(device.hertz / RATED_HZ * 20_000)
    group1 = _page(
        14,
        (5, "h", round(device.hertz * 100)),
        (6, "h", round(device.amperes * 100)),
        (10, "H", round((540 - 1.5 * device.kilowatts) * 100)),
        (13, "h", round(device.kilowatts * 100)),
        empty=0,
    )
    return {
        (3, 50): struct.pack(">Hh", status, actual),
        (3, 100): group1,
        (3, 410): struct.pack(">H", device.last_fault),
    }
