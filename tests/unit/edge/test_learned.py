from pathlib import Path

import pytest

from edge.learned import Learned
from edge.plan import Block

BLOCK = Block("normal", 3, 4, 2, (0,))


def test_what_was_refused_is_known_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "edge" / "learned.json"
    Learned(path).refused("m-1", BLOCK, 1000)

    (refusal,) = Learned(path).refusals

    assert refusal.is_of("m-1", BLOCK)
    assert not refusal.is_of("m-2", BLOCK)
    assert refusal.again == 61_000


def test_it_is_asked_again_ever_more_rarely_but_daily() -> None:
    learned = Learned()

    waits = [learned.refused("m-1", BLOCK, 0) for _ in range(13)]

    assert waits[:4] == [60, 120, 240, 480]
    assert waits[-1] == 86_400
    assert len(learned.refusals) == 1


@pytest.mark.serves("A7")
def test_where_life_safety_hangs_on_it_it_is_asked_each_minute() -> None:
    learned = Learned()
    block = Block("life_safety", 3, 4, 2, (0,))

    assert [learned.refused("m-1", block, 0) for _ in range(5)] == [60] * 5


def test_an_answer_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "learned.json"
    learned = Learned(path)
    learned.refused("m-1", BLOCK, 0)

    learned.answered("m-1", BLOCK)

    assert Learned(path).refusals == []
    assert learned.refused("m-1", BLOCK, 0) == 60


@pytest.mark.parametrize("held", [b"", b"{", b'{"schema":"wk.learned/1","refusals":[{"unit":1}]}'])
def test_a_damaged_file_is_forgotten(tmp_path: Path, held: bytes) -> None:
    path = tmp_path / "learned.json"
    path.write_bytes(held)

    learned = Learned(path)
    learned.refused("m-1", BLOCK, 0)

    assert len(Learned(path).refusals) == 1


def test_a_folder_that_cannot_be_written_costs_only_the_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    learned = Learned(tmp_path / "file" / "learned.json")

    assert learned.refused("m-1", BLOCK, 0) == 60
