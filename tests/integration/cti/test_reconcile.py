"""Journal, Asterisk's records and recordings agree on real calls, and every tampering is found."""

from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from cti.sandbox.far_end import Caller
from tests.support.books import Books, differences, untruths
from tests.support.sandbox import TestSandbox
from tests.support.whole import Whole, small_floor, whole

pytestmark = pytest.mark.timeout(240)


async def answered(site: Whole, extension: str, number: str) -> Caller:
    caller = await site.far_end.call("support", number)
    phone = site.far_end.agent(extension)
    await phone.ringing.wait()
    await phone.answer()
    await caller.connected.wait()
    await caller.hears()
    return caller


async def kinds(site: Whole, books: Books) -> set[str]:
    return {found.kind for found in await differences(site, books)}


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines(keepends=True)


async def test_the_books_agree_on_calls_of_all_kinds_and_tampering_is_found(
    sandbox: TestSandbox, database: str, tmp_path: Path
) -> None:
    async with whole(
        sandbox, database, small_floor(agents=1), unjudged="the journal is forged"
    ) as site:
        agent = await site.agent("1001")
        phone = site.far_end.agent("8001")
        caller = await answered(site, "8001", "+8613800000001")
        waits = await site.far_end.call("support", '"\\,;%$(){}+86')
        await site.journalled("QueueEntered", count=2)
        await waits.hang_up()
        await caller.hang_up()
        await agent.state("ready")
        await answered(site, "8001", "+8613800000003")
        await phone.hang_up()
        await agent.state("ready")
        rings = await site.far_end.call("support", "+8613800000004")
        await phone.ringing.wait()
        await rings.hang_up()
        await site.journalled("CallEnded", count=4)
        stored = await site.journalled("RecordingStored", count=2)
        assert await untruths(site) == []

        books = Books.of(site)
        cel, cdr = lines_of(books.cel), lines_of(books.cdr)
        assert phone.caller_number == "+86138****0004"
        assert not any("****" in line for line in [*cel, *cdr]), "the books keep whole numbers"
        first = stored[0]["call_id"].removeprefix("pbx1-")
        linked = f'"{first}"'

        def tampered(name: str, lines: list[str]) -> Path:
            path = tmp_path / f"{len(list(tmp_path.iterdir()))}-{name}"
            path.write_text("".join(lines))
            return path

        def cel_where(keep: Callable[[str], bool]) -> Books:
            kept = tampered("cel.csv", [line for line in cel if keep(line)])
            return Books(books.cdr, kept, books.store)

        def cdrs(lines: list[str]) -> Books:
            return Books(tampered("cdr.csv", lines), books.cel, books.store)

        assert await kinds(site, cel_where(lambda _: True)) == set()
        assert "call_missing_in_pbx" in await kinds(site, cel_where(lambda x: linked not in x))
        assert "outcome" in await kinds(site, cel_where(lambda x: "BRIDGE_" not in x))
        assert await kinds(site, cdrs([x for x in cdr if linked not in x])) == {"cdr_missing"}
        assert await kinds(site, cdrs([*cdr, cdr[0]])) == {"cdr_twice"}
        assert await kinds(site, cdrs([*cdr, cdr[0][:40]])) == {"unreadable"}

        wav = books.store / stored[0]["path"]
        sound = wav.read_bytes()
        wav.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
        assert await kinds(site, books) == {"recording_changed"}
        wav.rename(wav.with_name("nobody.wav"))
        assert await kinds(site, books) == {"recording_missing", "file_unknown"}
        wav.with_name("nobody.wav").rename(wav)
        wav.write_bytes(sound)
        assert await kinds(site, books) == set()

        forged = await asyncpg.connect(database)
        await forged.execute("ALTER TABLE journal DISABLE TRIGGER journal_append_only")
        await forged.execute(
            "UPDATE journal SET body = jsonb_set(body, '{talk_seconds}', '600') "
            "WHERE type = 'CallEnded' AND call_id = $1",
            stored[0]["call_id"],
        )
        assert await kinds(site, books) == {"talk", "billing"}
        await forged.execute("DELETE FROM journal WHERE call_id = $1", stored[0]["call_id"])
        await forged.close()
        assert await kinds(site, books) == {"call_missing_in_journal", "file_unknown"}


async def test_calls_of_a_killed_server_are_reconciled_by_what_it_could_hear(
    sandbox: TestSandbox, database: str
) -> None:
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        await site.agent("1001")
        talks = await answered(site, "8001", "+8613800000001")
        assert site.server is not None
        await site.server.kill()
        unseen = await site.far_end.call("support", "+8613800000002")
        await unseen.answered.wait()
        await unseen.hang_up()
        await site.start_server()
        await site.ready()
        await talks.hang_up()
        await site.journalled("CallEnded")
