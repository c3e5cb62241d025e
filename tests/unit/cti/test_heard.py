"""The file that tells a new process until when the PBX was heard."""

from pathlib import Path

import pytest

from cti.heard import STEP_SECONDS, HeardUntil


def test_the_next_process_knows_it(tmp_path: Path) -> None:
    path = tmp_path / "heard"
    first = HeardUntil(path)
    assert first.at is None
    first.note(1_790_000_000.0)
    first.note(1_790_000_012.5)
    assert HeardUntil(path).at == 1_790_000_012.5, "killed: nobody closed it"
    first.close()


def test_it_is_not_written_for_each_event(tmp_path: Path) -> None:
    path = tmp_path / "heard"
    heard = HeardUntil(path)
    heard.note(1_790_000_000.0)
    heard.note(1_790_000_000.0 + STEP_SECONDS / 2)
    assert HeardUntil(path).at == 1_790_000_000.0
    heard.close()


@pytest.mark.parametrize("text", ["", "\0\0\0\0", "nonsense"])
def test_what_a_power_loss_left_is_of_no_use(tmp_path: Path, text: str) -> None:
    path = tmp_path / "heard"
    path.write_text(text)
    assert HeardUntil(path).at is None
