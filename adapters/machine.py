"""What this computer says about its clock, and about what our process uses of it (Linux)."""

import ctypes
import os
from pathlib import Path
from typing import Final

_TIMEX_BYTES: Final = 208  # struct timex of adjtimex(2) on 64 bit
_STATUS: Final = slice(40, 44)  # its field `status`
_UNSYNCHRONISED: Final = 0x40  # STA_UNSYNC
_TIMESYNCD: Final = Path("/run/systemd/timesync")
_KEEPERS: Final = (_TIMESYNCD, Path("/run/chrony"), Path("/run/ntpd.pid"))


def clock_synchronised() -> bool | None:
    """Return whether the clock is; None: no time service runs here that would know."""
    if _kernel_says() or (_TIMESYNCD / "synchronized").exists():
        return True
    return False if any(path.exists() for path in _KEEPERS) else None


def _kernel_says() -> bool:
    """Return whether a time service has told the kernel that it steers the clock."""
    try:
        asked = ctypes.create_string_buffer(_TIMEX_BYTES)  # all zero: only asks
        if ctypes.CDLL(None).adjtimex(asked) < 0:
            return False
    except (OSError, AttributeError):
        return False
    return not int.from_bytes(asked.raw[_STATUS], "little") & _UNSYNCHRONISED


def cpu_s() -> float:
    """Return seconds of processor time used since the process began."""
    used = os.times()
    return used.user + used.system


def memory_bytes() -> float:
    """Return what the process takes of the memory now; 0 where nobody says."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return float(pages * os.sysconf("SC_PAGE_SIZE"))
