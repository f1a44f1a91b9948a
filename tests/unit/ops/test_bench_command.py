import argparse
from pathlib import Path

import pytest

from ops.bench import main as bench
from watchkeeper.errors import ConfigError
from watchkeeper.settings import Settings


def test_a_bench_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bench.BENCHES, "store", "benchmarks.not_there")
    options = argparse.Namespace(names=["store"], smoke=True, short=False, json=None)
    with pytest.raises(ConfigError, match="in a checkout"):
        bench.run(Settings(), options, "bench")


def test_every_bench_is_there_in_a_checkout() -> None:
    root = Path(__file__).parents[3]
    for module in bench.BENCHES.values():
        assert root.joinpath(*module.split(".")).with_suffix(".py").is_file()
