"""Recordings as files: woven, checked, stored; and what hostile names cannot do."""

from __future__ import annotations

import hashlib
import wave
from array import array
from pathlib import Path

import pytest

from recording.files import (
    BLOCK_BYTES,
    RATE,
    RecordingFileError,
    Spool,
    Store,
    open_recording,
)

DAY = 1_795_325_278.0  # 2026-11-22, UTC


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    folder = tmp_path / "spool"
    folder.mkdir()
    return Spool(folder)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def write(spool: Spool, file: str, customer: list[int], agent: list[int]) -> None:
    for path, samples in zip(spool.sides(file), (customer, agent), strict=True):
        path.write_bytes(array("h", samples).tobytes())


def samples(path: Path) -> array[int]:
    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (2, 2, RATE)
        return array("h", wav.readframes(wav.getnframes()))


def test_customer_is_left_agent_is_right(spool: Spool, store: Store) -> None:
    write(spool, "17.1", [1, 2, 3], [-1, -2, -3])
    stored = store.put(spool, "17.1", "pbx1-17.1-r1", DAY)
    assert stored.path == "2026/11/22/pbx1-17.1-r1.wav"
    file = store.folder / stored.path
    assert samples(file).tolist() == [1, -1, 2, -2, 3, -3]
    assert stored.bytes == file.stat().st_size == 44 + 12
    assert stored.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert stored.duration_seconds == 3 / RATE


def test_long_recording_is_woven_block_by_block(spool: Spool, store: Store) -> None:
    count = BLOCK_BYTES + 17
    customer = [index % 1000 for index in range(count)]
    write(spool, "long", customer, [-each for each in customer])
    woven = samples(store.folder / store.put(spool, "long", "r1", DAY).path)
    assert woven[0::2].tolist() == customer
    assert woven[1::2].tolist() == [-each for each in customer]


def test_shorter_side_ends_in_silence(spool: Spool, store: Store) -> None:
    write(spool, "f", [5, 5, 5], [7])
    assert samples(store.folder / store.put(spool, "f", "r", DAY).path).tolist() == [
        5,
        7,
        5,
        0,
        5,
        0,
    ]


def test_never_bridged_is_an_empty_recording(spool: Spool, store: Store) -> None:
    write(spool, "f", [], [])
    stored = store.put(spool, "f", "r", DAY)
    assert stored.duration_seconds == 0
    assert samples(store.folder / stored.path).tolist() == []


@pytest.mark.parametrize("loud", [(True, False), (False, True), (True, True), (False, False)])
def test_silent_sides_are_found(spool: Spool, store: Store, loud: tuple[bool, bool]) -> None:
    noise, speech = [40, -40] * RATE, [40, -40] * 900 + [-3000] * 80 + [40, -40] * 900
    write(spool, "f", *(speech if each else noise for each in loud))
    stored = store.put(spool, "f", "r", DAY)
    assert (stored.customer_silent, stored.agent_silent) == (not loud[0], not loud[1])


def test_storing_again_gives_the_same_file(spool: Spool, store: Store) -> None:
    write(spool, "f", [1, 2], [3, 4])
    assert store.put(spool, "f", "r", DAY) == store.put(spool, "f", "r", DAY)
    assert [each.name for each in store.folder.rglob("*.*")] == ["r.wav"]


def test_not_everybody_on_the_machine_may_listen(spool: Spool, store: Store) -> None:
    write(spool, "f", [1, 2], [3, 4])
    stored = store.put(spool, "f", "r", DAY)
    assert (store.folder / stored.path).stat().st_mode & 0o007 == 0


def test_missing_side_is_a_fault(spool: Spool, store: Store) -> None:
    spool.sides("f")[0].write_bytes(b"\0\0")
    with pytest.raises(RecordingFileError) as error:
        store.put(spool, "f", "r", DAY)
    assert error.value.fault == "missing"
    assert not store.folder.exists()


def test_full_or_closed_store_is_a_fault(spool: Spool, store: Store) -> None:
    write(spool, "f", [1], [1])
    store.folder.write_text("a file where the folder should be")
    with pytest.raises(RecordingFileError) as error:
        store.put(spool, "f", "r", DAY)
    assert error.value.fault == "store_failed"


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "..", ".x", "", "a" * 300, "a\0b"])
def test_names_cannot_leave_the_folders(spool: Spool, store: Store, name: str) -> None:
    with pytest.raises(RecordingFileError) as error:
        spool.sides(name)
    assert error.value.fault == "bad_name"
    write(spool, "f", [1], [1])
    with pytest.raises(RecordingFileError):
        store.put(spool, "f", name, DAY)


def test_links_in_the_spool_are_not_followed(spool: Spool, store: Store, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    for side in spool.sides("f"):
        side.symlink_to(secret)
    with pytest.raises(RecordingFileError) as error:
        store.put(spool, "f", "r", DAY)
    assert error.value.fault == "unreadable"


def test_stored_recordings_are_opened_and_nothing_else(spool: Spool, store: Store) -> None:
    write(spool, "f", [1], [1])
    stored = store.put(spool, "f", "r", DAY)
    with open_recording(store.folder, stored.path) as file:
        assert len(file.read()) == stored.bytes
    (store.folder.parent / "outside.wav").write_bytes(b"")
    (store.folder / "2026/11/22/link.wav").symlink_to(store.folder.parent / "outside.wav")
    for path in ("2026/11/22/none.wav", "../outside.wav", "2026/11/22/link.wav", "", "/etc/passwd"):
        with pytest.raises(RecordingFileError):
            open_recording(store.folder, path)


def test_spool_is_emptied_after_storing(spool: Spool) -> None:
    write(spool, "f", [1] * RATE, [1] * RATE)
    assert spool.seconds("f") == 1.0
    spool.remove("f")
    spool.remove("f")
    assert spool.seconds("f") == 0.0
