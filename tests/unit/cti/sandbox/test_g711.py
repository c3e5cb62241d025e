"""Music is converted by the tables of G.711."""

import wave
from array import array
from pathlib import Path

from cti.sandbox.pbx import alaw_table, to_g711, ulaw_table

SAMPLES = range(-32768, 32768)


def ulaw_decode(byte: int) -> int:
    byte = ~byte & 0xFF
    magnitude = (((byte & 0x0F) << 3) + 0x84 << ((byte & 0x70) >> 4)) - 0x84
    return -magnitude if byte & 0x80 else magnitude


def alaw_decode(byte: int) -> int:
    byte ^= 0x55
    segment, magnitude = (byte & 0x70) >> 4, (byte & 0x0F) << 4
    magnitude += 8 if segment == 0 else 0x108
    magnitude <<= max(segment - 1, 0)
    return magnitude if byte & 0x80 else -magnitude


def test_ulaw_is_the_nearest_code_of_every_sample():
    table = ulaw_table()
    for sample in SAMPLES:
        wanted = max(min(sample, 32124), -32124)
        # Within half a step of the segment.
        assert abs(ulaw_decode(table[sample & 0xFFFF]) - wanted) <= max(abs(sample) // 32, 4) + 8


def test_alaw_is_the_nearest_code_of_every_sample():
    table = alaw_table()
    for sample in SAMPLES:
        wanted = max(min(sample, 32256), -32256)
        assert abs(alaw_decode(table[sample & 0xFFFF]) - wanted) <= max(abs(sample) // 32, 8)


def test_silence_has_the_codes_of_the_standard():
    assert ulaw_table()[0] == 0xFF
    assert alaw_table()[0] == 0xD5


def test_a_file_gets_both_codecs_beside_it(tmp_path: Path):
    source = tmp_path / "tune.wav"
    with wave.open(str(source), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(array("h", [0, 1000, -1000]).tobytes())
    to_g711(source)
    assert (tmp_path / "tune.ulaw").read_bytes() == bytes([0xFF, 0xCE, 0x4E])
    assert len((tmp_path / "tune.alaw").read_bytes()) == 3
