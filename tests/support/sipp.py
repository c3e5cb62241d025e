"""sipp as a caller of the trunk: a scenario in, its result out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cti.sandbox.ports import LOOPBACK
from cti.sandbox.processes import Process
from cti.sandbox.system import Place

SCENARIOS = Path(__file__).parent / "scenarios"


@dataclass(frozen=True)
class SippResult:
    """How a run of sipp ended."""

    code: int
    """0: all calls succeeded; 1: at least one failed; 97-255: sipp's own trouble."""
    output: str


def start_sipp(
    scenario: Path,
    *,
    folder: Path,
    target_port: int,
    local_port: int,
    number: str = "s",
    calls: int = 1,
    rate: float = 10.0,
    options: Mapping[str, str] | None = None,
) -> Process:
    """Start sipp against a PBX on loopback; `folder` takes its logs.

    :param local_port: UDP port of its SIP, one of the PBX's trunk peers
    :param number: dialled number (`[service]` in the scenario)
    :param rate: new calls a second
    :param options: further options, such as {"-d": "1000"}
    """
    command: list[str | Path] = ["sipp", f"{LOOPBACK}:{target_port}", "-sf", scenario]
    command += ["-i", LOOPBACK, "-p", str(local_port), "-s", number]
    command += ["-m", str(calls), "-r", str(rate), "-nostdin", "-nd", "-trace_err"]
    command += ["-error_file", folder / "errors.log"]
    for option, value in (options or {}).items():
        command += [option, value]
    user = Place(folder, None)
    # sipp draws a screen in the terminal's colours unless there is no terminal.
    return Process(command, place=user, log=folder / "sipp.log", env={"TERM": "dumb"})
