"""How devices say things in registers: tables of our own, written by hand from the manuals.

Nothing here is read from the profiles. A wrong address or byte order in a profile, or a mistake in
the edge's decoder, therefore shows as a wrong value instead of being wrong twice.
Addresses are 0-based, as on the wire. A block is a run of registers that the device has; what lies
outside all blocks it answers with exception 2, as the real one does.
"""

import struct
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from simulators.devices.electricity import Measures
from simulators.devices.fire_panel import FirePanel
from simulators.devices.lift import Lift
from simulators.devices.lift_board import FAULTS, LiftBoard
from simulators.devices.sump import Sump
from simulators.devices.water import Flows
from watchkeeper.batch import Floats

Start: TypeAlias = tuple[int, int]  # Modbus function, address of the first register
Blocks: TypeAlias = Mapping[Start, bytes]  # two bytes a register; one byte a bit for functions 1, 2
Columns: TypeAlias = dict[Start, npt.NDArray[np.uint16]]  # (n, meters, registers), big-endian
DISPLAY = (
    1_000_000  # kWh, kvarh, m³: what the counters of the SDM630 and the water meter cannot show
)


def counter(amount: Floats) -> Floats:
    """Return a counter as a display of 6 digits and 2 decimals shows it: cut, wrapped, float32.

    Near the top float32 has steps of 0.06: what would round up to the rollover value shows 0.
    """
    shown = (np.floor(amount * 100) / 100 % DISPLAY).astype(np.float32).astype(np.float64)
    return np.where(shown >= DISPLAY, 0.0, shown)


def sdm630(seen: Measures) -> Columns:
    """Eastron SDM630, Modbus protocol document: input registers, float32, high word first."""
    power, reactive = seen.power, seen.reactive
    apparent = np.hypot(power, reactive)
    current = _share(apparent, seen.voltage)
    total = {"p": power.sum(2), "q": reactive.sum(2), "s": np.hypot(power.sum(2), reactive.sum(2))}
    energy, reactive_energy = counter(seen.energy), counter(seen.reactive_energy)
    live = np.zeros((*energy.shape, 0x50 // 2))
    for address, values in (
        (0x00, seen.voltage),
        (0x06, current),
        (0x0C, power),
        (0x12, apparent),
        (0x18, reactive),
        (0x1E, _share(power, apparent)),
        (0x24, np.degrees(np.arctan2(reactive, power))),
    ):
        live[..., address // 2 : address // 2 + 3] = values
    for address, value in (
        (0x2A, seen.voltage.mean(2)),
        (0x2E, current.mean(2)),
        (0x30, current.sum(2)),
        (0x34, total["p"]),
        (0x38, total["s"]),
        (0x3C, total["q"]),
        (0x3E, _share(total["p"], total["s"])),
        (0x42, np.degrees(np.arctan2(total["q"], total["p"]))),
        (0x46, seen.frequency),
        (0x48, energy),
        (0x4C, reactive_energy),
    ):
        live[..., address // 2] = value
    harmonics = np.zeros((*energy.shape, 8))
    harmonics[..., :3], harmonics[..., 7] = seen.distortion, seen.distortion.mean(2)
    totals = np.stack([energy, reactive_energy], axis=2)  # 0x156, 0x158
    return {(4, 0x00): _abcd(live), (4, 0xEA): _abcd(harmonics), (4, 0x156): _abcd(totals)}


def iem3000(seen: Measures) -> Columns:
    """Schneider iEM3000: holding registers, float32 kW and INT64 Wh, high word first."""
    power, reactive = seen.power / 1000, seen.reactive / 1000
    apparent = np.hypot(power, reactive)
    current = _share(apparent * 1000, seen.voltage)
    first = 0x0BB7
    live = np.full((*seen.energy.shape, 112 // 2), np.nan)  # unused: NaN, "not available"
    for address, values in ((0x0BB7, current), (0x0BD3, seen.voltage), (0x0BED, power)):
        place = (address - first) // 2
        live[..., place : place + 3] = values
    for address, value in (
        (0x0BC1, current.mean(2)),
        (0x0BDB, seen.voltage.mean(2)),
        (0x0BF3, power.sum(2)),
        (0x0BFB, reactive.sum(2)),
        (0x0C03, np.hypot(power.sum(2), reactive.sum(2))),
        (0x0C25, seen.frequency),
    ):
        live[..., (address - first) // 2] = value
    energy = np.zeros((*seen.energy.shape, 6), ">i8")  # from 0x0C83: import, export, -, -, in, out
    energy[..., 0] = np.floor(seen.energy * 1000)
    energy[..., 4] = np.floor(seen.reactive_energy * 1000)
    return {(3, first): _abcd(live), (3, 0x0C83): energy.view(">u2")}


def water_meter(seen: Flows) -> Columns:
    """Xintai: 28 holding registers from 1, float32 with all four bytes reversed (DCBA)."""
    words = np.zeros((*seen.flow.shape, 28), ">u2")
    for address, value in (
        (0x01, counter(seen.volume)),
        (0x05, seen.flow),
        (0x0A, seen.pressure),
        (0x0C, seen.temperature),
        (0x1A, np.full(seen.flow.shape, 3.6)),
    ):
        reversed_ = np.ascontiguousarray(value[..., None]).astype("<f4")
        words[..., address - 1 : address + 1] = reversed_.view(">u2")
    words[..., 0x07 - 1] = 0x00AA  # the pipe is full
    words[..., 0x1C - 1] = 0b0001  # the valve is open
    return {(3, 0x01): words}


def lift(device: Lift) -> Blocks:
    """Monarch NICE3000+: running state from 0x1010, direction 0x3000, fault 0x8000."""
    moving = abs(device.speed)
    top_inputs = device.full << 6
    state = device.mode << 4 | device.car_state << 8 | device.full << 12
    running = struct.pack(
        ">14H",
        round(moving * 1000),
        round(device.rated_speed * 1000),
        round((540 - 8 * moving) * 10),
        round(device.amperes * 100),
        round(moving / device.rated_speed * 50 * 100),
        0,
        0,
        0,
        device.floor & 0xFFFF,
        round(device.height * 10),
        round(device.load_percent * 10),
        top_inputs,
        0,
        state,
    )
    direction = 1 if device.speed > 0 else 2 if device.speed < 0 else 3
    return {
        (3, 0x1010): running,
        (3, 0x3000): struct.pack(">H", direction),
        (3, 0x8000): struct.pack(">H", device.fault),
    }


def lift_board(device: LiftBoard) -> Blocks:
    """Level-sensor board: 19 holding registers from 0; E0h + n is basement n."""
    faults = sum(1 << bit for bit, name in enumerate(FAULTS) if device.faults[name])
    state = (
        device.up << 8
        | device.down << 9
        | device.level << 10
        | device.door_open << 11
        | device.person << 12
        | device.inspection << 13
        | device.alarm_key << 14
    )
    floor = device.floor if device.floor > 0 else 0xE0 - device.floor
    words = [faults, state | device.sensor_fault, floor << 8 | round(abs(device.speed) * 10)]
    counts = struct.pack(">IIII", device.door_cycles, device.floors_run, 0, 0)
    settings = struct.pack(">8H", 0, 0, device.floors, 0, 12, device.trap_s, 60, 120)
    return {(3, 0): struct.pack(">3H", *words) + counts + settings}


def fire_panel(device: FirePanel) -> Blocks:
    """Jade-Bird-style gateway: a detector at 256 * loop + point; 256 is the panel's own."""
    loop = 1
    words = [device.state, *device.detectors]
    return {(3, 256 * loop): struct.pack(f">{len(words)}H", *words)}


def sump(device: Sump) -> Blocks:
    """Level transmitter (0-6: address, 9600 Bd, metres, 2 decimals, level, zero, full) and DI."""
    transmitter = struct.pack(">4Hh2H", 1, 3, 0, 2, round(device.level * 100), 0, 500)
    contacts = bytes([device.running, device.tripped, device.high, device.automatic])
    return {(3, 0): transmitter, (2, 0): contacts}


def room_sensor(temperature: float, humidity: float, *, broken: bool) -> Blocks:
    """XY-MD02: input registers 1 and 2 in tenths; a broken sensor element reads 0x7FFF."""
    words = (0x7FFF, 0xFFFF) if broken else (round(temperature * 10), round(humidity * 10))
    return {(4, 1): struct.pack(">2H", *(word & 0xFFFF for word in words))}


def _share(part: Floats, whole: Floats) -> Floats:
    """Return part / whole, 0 where there is nothing."""
    return np.divide(part, whole, out=np.zeros(whole.shape), where=whole != 0)


def _abcd(values: Floats) -> npt.NDArray[np.uint16]:
    """Return float32 values as pairs of registers, high word first, along the last axis."""
    return np.ascontiguousarray(values).astype(">f4").view(">u2")
