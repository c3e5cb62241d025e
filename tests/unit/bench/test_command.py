"""`bench NAME --json` prints one JSON object and nothing else."""

import json
import sys
from types import ModuleType

import pytest
import structlog

from bench import command
from bench.report import Report, figure, report
from cti import cli


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A bench that logs and misses its goal."""

    def run() -> Report:
        structlog.get_logger("bench").info("measuring")
        return report("ami", 0.0, [figure("f", 1.0, "u", better="higher", goal=2.0)])

    module = ModuleType("bench.ami")
    module.run = run
    monkeypatch.setitem(sys.modules, "bench.ami", module)
    return module


@pytest.mark.usefixtures("bench")
def test_json_alone_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        assert command.run_named("ami", as_json=True) == 1
    finally:
        structlog.reset_defaults()
    told = capsys.readouterr()
    assert json.loads(told.out)["name"] == "ami"
    assert "measuring" in told.err


def test_unknown_bench(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run_named("nonsense", as_json=True) == 2
    assert "ami, routing, calls" in capsys.readouterr().err


def test_the_help_names_every_bench(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["bench", "--help"])
    told = capsys.readouterr().out
    assert [name for name in command.BENCHES if name not in told] == []
