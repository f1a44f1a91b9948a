"""The edge on bad buses: no wrong value is ever published, and every live unit is soon back.

    python -m benchmarks.edge_faults [--short | --smoke]

The edge's own poller and driver ask 16 Modbus TCP buses and 8 of RTU over TCP, each through a proxy
that breaks the line and to a device that answers wrongly, over real sockets at the product's own
cycle of 1 s. Bursts of faults of 0.2 to 1.8 s, every kind alone and all together, alternate with
calm. On each bus one more unit never answers. Bit flips are for RTU alone: Modbus TCP has no
checksum, so there a turned bit is a value like any other. Two kinds of exception are left out, 2
and 3: they say that a register is not there, and the edge believes that for a minute.
"""

import argparse
import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Final

from benchmarks.edge_faults_parts import LONGEST_BURST_S, Told, run_buses
from ops.bench.figure import Figure
from watchkeeper.settings import Settings

SEED: Final = 14
CYCLES: Final = 2.0
_ABOVE: Final = 1.00001  # "at most" is written as "less than a hair more"


def measure(_: Settings, options: argparse.Namespace) -> list[Figure]:
    """Return wrong values, the slowest recovery and what they were measured over."""
    logging.disable(logging.CRITICAL)  # the edge and pymodbus say each fault, as they should
    transactions = 1_000 if options.smoke else 10_000 if options.short else 100_000
    try:
        told = asyncio.run(run_buses(16, 8, transactions, SEED))
    finally:
        logging.disable(logging.NOTSET)
    return figures(told)


def figures(told: Sequence[Told]) -> list[Figure]:
    """Return the figures of all buses together."""
    wrong = [each for bus in told for each in bus.wrong]
    cycles = sorted(each for bus in told for each in bus.cycles)
    answers = sum((bus.answers for bus in told), Counter[str]())
    values = sum(bus.values for bus in told)
    worst, worst_of = cycles[-1]
    by_kind = ", ".join(f"{count:,} {kind or 'right'}" for kind, count in answers.most_common())
    bursts = f"{len(cycles)} bursts of up to {LONGEST_BURST_S:g} s on {len(told)} buses"
    return [
        Figure(
            "edge.wrong_values", len(wrong), "values", 1, "<",
            f"of {values:,} published; {answers.total() - answers['']:,} wrong answers; {bursts}"
            + "".join(f"; {each}" for each in wrong[:3]),
        ),
        Figure(
            "edge.fault_recovery_cycles", worst, "cycles", CYCLES * _ABOVE, "<",
            f"of 1 s, to the last live unit's first good value, after: {worst_of}; "
            f"median {cycles[len(cycles) // 2][0]:.2f}; {bursts}",
        ),
        Figure(
            "edge.fault_transactions", sum(bus.transactions for bus in told), "transactions", None,
            "<", f"answers: {by_kind}",
        ),
    ]  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="10,000 transactions, half a minute")
    parser.add_argument("--smoke", action="store_true", help="1,000 transactions, some seconds")
    for figure in measure(Settings(), parser.parse_args()):
        mark = "ok  " if figure.ok else "MISS"
        bar = "-" if figure.bar is None else f"{figure.relation} {figure.bar:g}"
        print(f"{mark} {figure.name:28} {figure.value:>10,.3f} {figure.unit}  {bar}  {figure.load}")


if __name__ == "__main__":
    main()
