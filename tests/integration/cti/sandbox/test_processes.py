"""Children end with their parent, however it ends."""

import asyncio
import getpass
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cti.sandbox.pbx import Tree
from cti.sandbox.processes import Process
from cti.sandbox.system import Place

PARENT = """
    import sys, time
    from pathlib import Path
    from cti.sandbox.processes import Process
    from cti.sandbox.system import Place

    place = Place(Path(sys.argv[1]), sys.argv[2] or None)
    child = Process(["sleep", "600"], place=place, log=Path(sys.argv[1], "log"))
    print(child.pid, flush=True)
    time.sleep(600)
"""


PARTS = """
    import asyncio, sys
    from pathlib import Path
    from cti.sandbox.pbx import Asterisk, Ports, Tree
    from cti.sandbox.ports import PortBlock
    from cti.sandbox.postgres import Postgres
    from cti.sandbox.system import Place

    state, user, tree, binaries = sys.argv[1:]
    place = Place(Path(state), user or None)
    ports = Ports.of(PortBlock(400))
    pbx = Asterisk("orphan", tree=Tree(Path(tree)), place=place, ports=ports)
    database = Postgres("orphan", place=place, binaries=Path(binaries), durable=False)

    async def main():
        await pbx.start()
        await database.start()
        print(pbx.pid, database.pid, flush=True)
        await asyncio.Event().wait()

    asyncio.run(main())
"""


async def ended(pid: int) -> None:
    """Wait until a process that is not our child has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, gone.set)
    await gone.wait()
    loop.remove_reader(descriptor)
    os.close(descriptor)


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
async def test_child_dies_when_its_parent_is_killed(place: Place, tmp_path: Path, death):
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(PARENT), str(tmp_path), place.user or ""),
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    os.kill(child, 0)
    parent.send_signal(death)
    async with asyncio.timeout(10):
        await ended(child)
    await parent.wait()


@pytest.mark.asterisk
@pytest.mark.postgres
async def test_pbx_and_database_die_with_us(place: Place, pbx_tree: Tree, postgres_programs: Path):
    arguments = (place.state, place.user or "", pbx_tree.root, postgres_programs)
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(PARTS), *map(str, arguments)),
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    parts = [int(pid) for pid in (await parent.stdout.readline()).split()]
    assert len(parts) == 2
    parent.kill()
    for pid in parts:
        await ended(pid)
    await parent.wait()


async def test_stop_kills_what_does_not_listen(tmp_path: Path):
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    deaf = Process(
        ["sh", "-c", f"trap '' TERM; echo > {ready}; while :; do sleep 1; done"],
        place=Place(tmp_path, None),
        log=tmp_path / "log",
    )
    await asyncio.to_thread(ready.read_text)
    assert await deaf.stop(patience_seconds=0.2) == -signal.SIGKILL
    assert not deaf.running


async def test_exit_code_and_output_of_this_start_only(tmp_path: Path):
    place, log = Place(tmp_path, None), tmp_path / "log"
    assert await Process(["sh", "-c", "echo one; exit 3"], place=place, log=log).wait() == 3
    second = Process(["echo", "two"], place=place, log=log)
    assert await second.wait() == 0
    assert second.output() == "two\n"
    assert log.read_text() == "one\ntwo\n"


async def test_runs_as_the_places_user(place: Place, tmp_path: Path):
    process = Process(["id", "-un"], place=place, log=tmp_path / "log")
    assert await process.wait() == 0
    assert process.output().strip() == (place.user or getpass.getuser())
