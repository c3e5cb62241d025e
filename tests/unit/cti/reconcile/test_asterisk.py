"""Asterisk's files are read as they are, torn and hostile lines too."""

from pathlib import Path

import pytest

from cti.reconcile.asterisk import parse_cdr, parse_cel, read_records

CDR = (
    '"","trunk","8001","agents","""Zhang ""San"" <trunk>","PJSIP/trunk-1","PJSIP/8001-2","Dial",'
    '"PJSIP/8001,20","1970-01-01 00:00:10","1970-01-01 00:00:10","1970-01-01 00:00:17",7,6,'
    '"ANSWERED","DOCUMENTATION","1.1","","","1.0",42'
)


def cel(event: str, at: float, uniqueid: str = "1.1", extra: str = "", name: str = "Zhang") -> str:
    quoted = extra.replace('"', '""')
    return (
        f'"{event}","{at:.6f}","{name}","trunk","","","","5000","from-trunk",'
        f'"PJSIP/trunk-{uniqueid}","","","3","","{uniqueid}","1.0","","","","{quoted}"'
    )


BRIDGE = '{"bridge_id":"b1","bridge_technology":"simple_bridge"}'
HOLDING = '{"bridge_id":"b2","bridge_technology":"holding_bridge"}'


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "cdr.csv", tmp_path / "cel.csv"


def test_a_cdr_line() -> None:
    cdr = parse_cdr(CDR.replace('""Zhang ""San""', '""Zhang San""'))
    assert cdr is not None
    assert (cdr.channel, cdr.other_channel) == ("PJSIP/trunk-1", "PJSIP/8001-2")
    assert (cdr.duration_seconds, cdr.billed_seconds, cdr.disposition) == (7, 6, "ANSWERED")
    assert (cdr.uniqueid, cdr.linkedid, cdr.sequence) == ("1.1", "1.0", "42")


@pytest.mark.parametrize(
    "line",
    [
        "",
        '"',
        "rubbish",
        CDR[:150],
        CDR + ',"more"',
        CDR.replace(",7,6,", ",seven,6,"),
        CDR.replace(",7,6,", ",-7,6,"),
        "\ufffd" * 30,
    ],
)
def test_what_is_no_cdr_line(line: str) -> None:
    assert parse_cdr(line) is None


def test_a_cel_line_with_a_hostile_name() -> None:
    line = parse_cel(cel("CHAN_START", 5.5, name='""HANGUP"",""1795326332.1"",'))
    assert line is not None
    assert (line.event, line.at, line.uniqueid, line.linkedid) == ("CHAN_START", 5.5, "1.1", "1.0")


def test_a_record_behind_a_torn_one_is_found() -> None:
    torn = cel("ANSWER", 1_795_326_332.1)[:70]
    whole = cel("HANGUP", 1_795_326_333.2)
    line = parse_cel(torn + whole)
    assert line is not None
    assert (line.event, line.at) == ("HANGUP", 1_795_326_333.2)
    assert parse_cel(torn) is None
    assert parse_cel(whole[:-20]) is None


def test_channels_bridges_and_what_is_unreadable(files: tuple[Path, Path]) -> None:
    cdr, cel_file = files
    cdr.write_text(CDR.replace('""Zhang ""San""', '""Z""') + "\nrubbish\n\n")
    cel_file.write_bytes(
        "\n".join(
            [
                cel("CHAN_START", 10.0),
                cel("ANSWER", 11.0),
                cel("BRIDGE_ENTER", 12.0, extra=BRIDGE),
                cel("BRIDGE_ENTER", 12.5, extra=HOLDING),
                cel("BRIDGE_ENTER", 12.6, extra="[1]"),
                cel("BRIDGE_ENTER", 12.7, extra="{"),
                cel("BRIDGE_EXIT", 13.0, extra=BRIDGE),
                cel("HANGUP", 14.0),
                cel("CHAN_END", 14.5),
                cel("CHAN_START", 99.0, "1.9"),
            ]
        ).encode()
        + b"\n\xff\xfe\0 rubbish\r\n"
    )
    records = read_records(cdr, cel_file, 5.0, 50.0)
    (channel,) = records.channels.values()
    assert (channel.uniqueid, channel.linkedids) == ("1.1", {"1.0"})
    assert (channel.started_at, channel.answered_at, channel.ended_at) == (10.0, 11.0, 14.0)
    assert [(stay.at, stay.bridge_id, stay.entered) for stay in records.stays] == [
        (12.0, "b1", True),
        (13.0, "b1", False),
    ]
    assert [(line.file, line.number) for line in records.unreadable] == [
        ("cdr.csv", 2),
        ("cel.csv", 11),
    ]
    assert len(records.cdrs) == 1


def test_cdrs_of_other_times_are_left_out(files: tuple[Path, Path]) -> None:
    cdr, cel_file = files
    cdr.write_text(CDR.replace('""Zhang ""San""', '""Z""') + "\n")
    cel_file.write_text(cel("CHAN_START", 10.0) + "\n")
    assert read_records(cdr, cel_file, 50.0, 60.0).cdrs == []
    cdr.write_text(cdr.read_text().replace("1970-01-01", "1999-01-01"))
    assert read_records(cdr, cel_file, 0.0, 50.0).cdrs == []


def test_rotated_files_are_read_too(files: tuple[Path, Path]) -> None:
    cdr, cel_file = files
    cel_file.with_name("cel.csv.1").write_text(cel("CHAN_START", 10.0) + "\n")
    cel_file.with_name("cel.csv.2.gz").write_bytes(b"\x1f\x8b")
    cel_file.write_text(cel("HANGUP", 11.0) + "\n")
    records = read_records(cdr, cel_file, 0.0, 50.0)
    (channel,) = records.channels.values()
    assert (channel.started_at, channel.ended_at) == (10.0, 11.0)
    assert records.unreadable == []


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_records(tmp_path / "Master.csv", tmp_path / "nowhere" / "Master.csv", 0.0, 50.0)


def test_files_that_are_not_there_are_empty(files: tuple[Path, Path]) -> None:
    records = read_records(*files, 0.0, 50.0)
    assert (records.cdrs, records.channels, records.unreadable) == ([], {}, [])
