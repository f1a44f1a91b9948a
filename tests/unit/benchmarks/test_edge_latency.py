import argparse

import pytest

from benchmarks import edge_latency
from watchkeeper.settings import Settings


@pytest.mark.part("mosquitto")
@pytest.mark.timeout(60)
def test_it_runs_and_loses_no_flip() -> None:
    options = argparse.Namespace(smoke=True, short=False)
    figures = {each.name: each.value for each in edge_latency.measure(Settings(), options)}
    assert figures["edge.flip_lost"] == 0
    assert figures["edge.flip_ack_ms_p50"] > 0
