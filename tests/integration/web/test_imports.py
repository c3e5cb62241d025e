"""Tables of customers: uploaded, brought in, cancelled, gone on with; bad rows; export."""

import asyncio
import csv
import io
import os
import random
import re
import shutil
import threading
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.web
import asyncpg
import openpyxl
import pytest

from crm import fields as own_fields
from crm import imports as running
from crm.customers import NUMBERS_MOST
from tests.integration.web.conftest import Browser, Site
from tests.support.until import until
from web.rights import RIGHTS

pytestmark = pytest.mark.postgres

Pool = Any
TABLE = "姓名,手机号,备注,等级\n王芳,13800138000,likes tea,VIP\n李伟,13900139000,,\n"


@pytest.fixture
async def manager(serve: Callable[..., Any], pool: Pool, tmp_path: Path) -> Browser:
    """Sign in as somebody who may import and export."""
    await pool.execute("UPDATE users SET roles = '{supervisor}' WHERE name = 'lea'")
    site: Site = await serve(uploads=tmp_path / "uploads")
    return await site.browser("lea")


def workbook(*rows: list[object]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)  # type: ignore[union-attr]
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


async def uploaded(browser: Browser, data: bytes, name: str = "list.csv") -> tuple[int, Any]:
    headers = {"Origin": browser.site.origin, "X-Zuoxi-Csrf": browser.csrf}
    form = aiohttp.FormData()
    form.add_field("file", data, filename=name)
    url = browser.site.url + "/api/v1/customer-imports"
    async with browser.client.post(url, data=form, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def started(
    browser: Browser, found: dict[str, Any], on_duplicate: str = "skip", **more: str
) -> str:
    suggested = {column: to for column, to in found["suggested"].items() if to}
    wish = {"mapping": {**suggested, **more}, "on_duplicate": on_duplicate}
    path = f"/api/v1/customer-imports/{found['import_id']}"
    status, state = await browser.send("POST", f"{path}/start", wish)
    assert status == 200, state
    assert state["state"] == "running"
    return path


async def is_running(browser: Browser, path: str) -> bool:
    return bool((await browser.send("GET", path))[1]["state"] == "running")


async def ended(browser: Browser, path: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        _, state = await browser.send("GET", path)
        return None if state["state"] == "running" else dict(state)

    return dict(await until(look))


async def brought_in(
    browser: Browser, data: bytes, on_duplicate: str = "skip", name: str = "list.csv"
) -> dict[str, Any]:
    status, found = await uploaded(browser, data, name)
    assert status == 200, found
    return await ended(browser, await started(browser, found, on_duplicate))


async def names(pool: Pool) -> list[str]:
    rows = await pool.fetch("SELECT name FROM customers ORDER BY customer_id")
    return [row["name"] for row in rows]


@pytest.mark.parametrize(
    "data",
    [
        TABLE.encode(),
        TABLE.encode("utf-8-sig"),
        TABLE.encode("gb18030"),
        TABLE.encode("utf-16"),
        TABLE.replace(",", ";").encode(),
        TABLE.replace(",", "\t").encode(),
        TABLE.replace("\n", "\r\n").encode(),
        workbook(
            ["姓名", "手机号", "备注", "等级"],
            ["王芳", 13800138000, "likes tea", "VIP"],
            [],
            ["李伟", "13900139000"],
        ),
    ],
)
async def test_a_table_in_any_form_becomes_customers(
    manager: Browser, pool: Pool, data: bytes
) -> None:
    status, found = await uploaded(manager, data, "13800138000.csv")
    assert status == 200, found
    assert found["columns"] == ["姓名", "手机号", "备注", "等级"]
    assert found["sample"][0] == ["王芳", "13800138000", "likes tea", "VIP"]
    assert found["rows"] == 2
    assert found["suggested"] == {
        "姓名": "name",
        "手机号": "number",
        "备注": "note",
        "等级": "level",
    }
    state = await ended(manager, await started(manager, found))
    assert (state["state"], state["read"], state["created"], state["bad"]) == ("done", 2, 2, 0)
    for known in ("columns", "sample", "suggested", "targets"):  # for a page that was reloaded
        assert state[known] == found[known]
    _, page = await manager.send("GET", "/api/v1/customers?q=138 0013 8000")
    assert [(each["name"], each["level"]) for each in page["items"]] == [("王芳", "VIP")]
    assert await pool.fetchval("SELECT text FROM customer_notes") == "likes tea"
    assert await pool.fetchval("SELECT count(*) FROM callers") == 2
    kinds = await pool.fetch(
        "SELECT what, object_name FROM audit_trail WHERE what LIKE 'import%' ORDER BY at"
    )
    assert [row["what"] for row in kinds] == ["import_uploaded", "import_started"]
    assert {row["object_name"] for row in kinds} == {"138****8000.csv"}


ZIP = io.BytesIO()
with zipfile.ZipFile(ZIP, "w") as archive:
    archive.writestr("a.txt", "a")
WORD = io.BytesIO()
with zipfile.ZipFile(WORD, "w") as archive:
    archive.writestr("word/document.xml", "<w/>")


def bomb() -> bytes:
    """A workbook that unpacks to a gigabyte."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as member:
            for _ in range(900):
                member.write(b"\0" * 2**20)
    return data.getvalue()


def crowd() -> bytes:
    """A workbook of a great many small files."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
        for place in range(2_000):
            archive.writestr(f"xl/media/{place}.xml", "<a/>")
    return data.getvalue()


def entities() -> bytes:
    """A workbook whose XML defines entities that would grow."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", '<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>')
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "trouble"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        ("姓名,电话\n".encode(), "empty"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "picture"),
        (b"%PDF-1.7 ...", "pdf"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100, "xls"),
        (b"MZ\x90\0", "program"),
        (b"<html><body>", "page"),
        (b'{"a": 1}', "page"),
        (b"a,b\n\0\0\0", "binary"),
        (b"a,b\n\xff\xff\xff\n", "encoding"),
        (ZIP.getvalue(), "archive"),
        (WORD.getvalue(), "word"),
        (b"PK\x03\x04 and nothing behind it", "damaged"),
        (entities(), "damaged"),
        (",".join(map(str, range(300))).encode() + b"\n1", "too_many_columns"),
    ],
)
async def test_what_is_no_table_is_told(manager: Browser, data: bytes, trouble: str) -> None:
    status, problem = await uploaded(manager, data, "customers.xlsx")
    assert (status, problem["code"], problem["trouble"]) == (422, "no_spreadsheet", trouble)
    assert problem["detail"] != f"The file is {trouble}."
    assert not list(manager.site.services.uploads.iterdir())


@pytest.mark.parametrize("pack", [bomb, crowd])
async def test_a_bomb_is_not_unpacked(manager: Browser, pack: Callable[[], bytes]) -> None:
    status, problem = await uploaded(manager, pack(), "bomb.xlsx")
    assert (status, problem["code"]) == (413, "file_too_large")


async def test_a_file_over_the_limit_is_not_taken(
    manager: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm.sheets.FILE_MOST", 100_000)
    for data in (b"x" * 150_000, b"x" * 400_000):  # told by its end, told by its header
        status, problem = await uploaded(manager, data)
        assert (status, problem["code"]) == (413, "file_too_large")
    assert not list(manager.site.services.uploads.iterdir())


async def test_the_file_may_be_the_body(manager: Browser) -> None:
    headers = {"Origin": manager.site.origin, "X-Zuoxi-Csrf": manager.csrf}
    url = manager.site.url + "/api/v1/customer-imports?name=../../etc/passwd"
    async with manager.client.post(url, data=TABLE.encode(), headers=headers) as answer:
        found = await answer.json()
    assert (answer.status, found["name"], found["rows"]) == (200, "passwd", 2)


async def test_bad_rows_are_kept_with_their_reason(manager: Browser) -> None:
    table = (
        "Name,Phone,Company,E-mail\n"
        "=1+1,13800138000,,\n"
        "Ann,12,,\n"
        ",13900139000,,\n"
        "Ben,,,nobody\n"
        f"{'x' * 100},,,\n"
        ",,ACME,\n"
    )
    status, found = await uploaded(manager, table.encode())
    assert status == 200
    path = await started(manager, found)
    state = await ended(manager, path)
    assert (state["created"], state["bad"]) == (2, 4)
    headers = {"Origin": manager.site.origin}
    async with manager.client.get(
        f"{manager.site.url}{path}/bad-rows.csv", headers=headers
    ) as answer:
        text = (await answer.read()).decode("utf-8-sig")
        assert "attachment" in answer.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["Name", "Phone", "Company", "E-mail", "Reason"]
    assert [(row[0][:5], row[4]) for row in rows[1:]] == [
        ("Ann", "Phone: no telephone number"),
        ("", "Name: without a name"),
        ("Ben", "E-mail: no e-mail address"),
        ("xxxxx", "Name: too long"),
    ]


@pytest.mark.parametrize(
    ("on_duplicate", "counts", "found"),
    [
        ("skip", (1, 0, 2), ["Ann", "Ben"]),
        ("update", (1, 2, 0), ["Cid", "Ben"]),
        ("create", (3, 0, 0), ["Ann", "Bob", "Ben", "Cid"]),
    ],
)
async def test_known_numbers_are_skipped_updated_or_made_again(
    manager: Browser,
    pool: Pool,
    on_duplicate: str,
    counts: tuple[int, int, int],
    found: list[str],
) -> None:
    """Those of the same table too."""
    await brought_in(manager, b"name,phone,tags\nAnn,13800138000,old")
    table = b"name,phone,tags\nBob,13800138000,new\nBen,13900139000,\nCid,13800138000,new\n"
    state = await brought_in(manager, table, on_duplicate)
    assert (state["created"], state["updated"], state["skipped"]) == counts
    assert await names(pool) == found
    if on_duplicate == "update":
        tags = await pool.fetchval("SELECT tags FROM customers WHERE name = 'Cid'")
        assert tags == ["old", "new"]


async def test_an_import_goes_on_behind_what_a_server_that_ended_has_done(
    manager: Browser, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = "name\n" + "".join(f"customer {number}\n" for number in range(1000))
    monkeypatch.setattr("crm.imports.BATCH_ROWS", 200)
    _, found = await uploaded(manager, table.encode())
    half, gone = asyncio.Event(), asyncio.Event()
    bring_in = running._bring_in

    async def stuck(*given: Any) -> None:
        if given[3] >= 400:
            half.set()
            await gone.wait()
            raise ConnectionResetError
        await bring_in(*given)

    monkeypatch.setattr("crm.imports._bring_in", stuck)
    path = await started(manager, found)
    await half.wait()
    _, state = await manager.send("GET", path)
    assert (state["state"], state["read"]) == ("running", 400)
    assert state["seconds_left"] > 0

    # As after a restart: nobody has heard of it for a while.
    await pool.execute("UPDATE customer_imports SET alive_at = now() - interval '1 minute'")
    _, state = await manager.send("GET", path)
    assert (state["state"], state["error"]) == ("failed", "restarted")
    monkeypatch.setattr("crm.imports._bring_in", bring_in)
    gone.set()
    assert (await ended(manager, await started(manager, found)))["created"] == 1000
    assert sorted(await names(pool)) == sorted(f"customer {number}" for number in range(1000))


async def test_an_import_is_alive_while_its_file_is_read(
    manager: Browser, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large workbook is read for longer than an import may be silent."""
    _, found = await uploaded(manager, TABLE.encode())
    take, go_on = running._take, threading.Event()

    def slow(*given: Any) -> Any:
        go_on.wait(20)
        return take(*given)

    monkeypatch.setattr("crm.imports._take", slow)
    monkeypatch.setattr("crm.imports.BEAT_SECONDS", 0.05)
    path = await started(manager, found)
    for _ in range(2):
        await pool.execute("UPDATE customer_imports SET alive_at = now() - interval '1 hour'")
        await until(lambda: is_running(manager, path))
    go_on.set()
    state = await ended(manager, path)
    assert (state["state"], state["created"]) == ("done", 2)


async def test_one_import_runs_at_a_time(
    manager: Browser, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first = await uploaded(manager, b"name\nAnn\n")
    _, second = await uploaded(manager, b"name\nBen\n")
    bring_in, go_on = running._bring_in, asyncio.Event()

    async def slow(*given: Any) -> None:
        await go_on.wait()
        await bring_in(*given)

    monkeypatch.setattr("crm.imports._bring_in", slow)
    monkeypatch.setattr("web.imports.TURN_SECONDS", 0.1)
    path = await started(manager, first)
    wish = {"mapping": {"name": "name"}, "on_duplicate": "skip"}
    later = f"/api/v1/customer-imports/{second['import_id']}"
    status, problem = await manager.send("POST", f"{later}/start", wish)
    assert (status, problem["code"]) == (409, "import_busy")
    _, state = await manager.send("GET", later)
    assert state["state"] == "uploaded"

    # One who waits for the end of the other need not ask twice; nor is the place lost by an error.
    monkeypatch.setattr("web.imports.TURN_SECONDS", 20)
    waiting = asyncio.create_task(started(manager, second))
    go_on.set()
    assert (await ended(manager, path))["state"] == "done"
    assert (await ended(manager, await waiting))["state"] == "done"
    status, problem = await manager.send("POST", f"{path}/start", wish)
    assert (status, problem["code"]) == (409, "import_started")
    assert (await brought_in(manager, b"name\nCai\n"))["created"] == 1


async def test_an_import_whose_file_lost_rows_fails(manager: Browser, pool: Pool) -> None:
    _, found = await uploaded(manager, b"name\nAnn\nBen\n")
    await pool.execute("UPDATE customer_imports SET read = 5, rows = 9")
    state = await ended(manager, await started(manager, found))
    assert (state["state"], state["error"]) == ("failed", "damaged")
    assert await names(pool) == []


async def test_a_cancelled_import_stops_keeps_what_it_did_and_goes_on_when_started(
    manager: Browser, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = "name\n" + "".join(f"customer {number}\n" for number in range(1000))
    monkeypatch.setattr("crm.imports.BATCH_ROWS", 200)
    _, found = await uploaded(manager, table.encode())
    go_on, half, over = asyncio.Event(), asyncio.Event(), asyncio.Event()
    bring_in = running._bring_in

    async def slow(*given: Any) -> None:
        if given[3] < 400:
            await bring_in(*given)
            return
        half.set()
        await go_on.wait()
        try:
            await bring_in(*given)
        finally:
            over.set()

    monkeypatch.setattr("crm.imports._bring_in", slow)
    path = await started(manager, found)
    await half.wait()
    status, state = await manager.send("POST", f"{path}/cancel")
    assert (status, state["state"]) == (200, "cancelled")
    go_on.set()
    await over.wait()
    _, state = await manager.send("GET", path)
    assert (state["state"], state["read"], state["created"]) == ("cancelled", 400, 400)
    assert len(await names(pool)) == 400

    state = await ended(manager, await started(manager, found))
    assert (state["state"], state["read"], state["created"]) == ("done", 1000, 1000)
    assert await names(pool) == [f"customer {number}" for number in range(1000)]
    wish = {"mapping": {"name": "name"}, "on_duplicate": "skip"}
    status, problem = await manager.send("POST", f"{path}/start", wish)
    assert (status, problem["code"]) == (409, "import_started")


@pytest.mark.parametrize(
    "mapping", [{"nothing": "name"}, {"name": "nothing"}, {"phone": "number"}, {"name": "field:x"}]
)
async def test_a_mapping_has_to_fit(manager: Browser, mapping: dict[str, str]) -> None:
    _, found = await uploaded(manager, b"name,phone\nAnn,13800138000")
    path = f"/api/v1/customer-imports/{found['import_id']}/start"
    wish = {"mapping": mapping, "on_duplicate": "skip"}
    status, problem = await manager.send("POST", path, wish)
    assert (status, problem["code"]) == (422, "invalid")


async def test_agents_neither_import_nor_export(manager: Browser) -> None:
    amy = await manager.site.browser("amy")
    for method, path in (
        ("POST", "/api/v1/customer-imports"),
        ("GET", "/api/v1/customer-imports"),
        ("GET", "/api/v1/customers/export"),
    ):
        status, problem = await amy.send(method, path)
        assert (status, problem["code"]) == (403, "no_right"), path


async def exported(browser: Browser, query: str = "") -> bytes:
    url = f"{browser.site.url}/api/v1/customers/export{query}"
    async with browser.client.get(url) as answer:
        assert answer.status == 200
        return await answer.read()


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_what_is_exported_can_be_brought_in_again(
    manager: Browser, pool: Pool, form: str
) -> None:
    hostile = {"name": "=cmd|' /C calc'!A0", "tags": ["-1", "@x"], "address": "+SUM(1)\x0b"}
    numbers = [{"number": "13800138000"}, {"number": "+442079460123"}]
    await manager.send("POST", "/api/v1/customers", {**hostile, "numbers": numbers})
    await manager.send("POST", "/api/v1/customers", {"name": "王芳", "company": "华通"})
    data = await exported(manager, f"?format={form}")
    rows = table(data, form)
    if form == "xlsx":
        sheet = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
        assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {
            "s",
            "n",
            "inlineStr",
        }
    assert rows[1][0] == "'=cmd|' /C calc'!A0"
    assert "'+8613800138000" in rows[1]
    assert not any(cell[:1] in ("=", "+", "-", "@") for row in rows for cell in row if cell)

    await pool.execute("TRUNCATE customers, customer_terms CASCADE")
    state = await brought_in(manager, data, name=f"list.{form}")
    assert (state["created"], state["bad"]) == (2, 0)
    _, page = await manager.send("GET", "/api/v1/customers?q=2079460123")
    (customer,) = page["items"]
    assert (customer["name"], customer["tags"]) == (hostile["name"], hostile["tags"])
    assert [each["number"] for each in customer["numbers"]] == ["+8613800138000", "+442079460123"]


async def test_an_export_is_filtered_masked_and_logged(manager: Browser, pool: Pool) -> None:
    for name in ("王芳", "李伟"):
        body = {"name": name, "numbers": [{"number": "13800138000"}], "allow_shared": True}
        await manager.send("POST", "/api/v1/customers", body)
    text = (await exported(manager, "?q=王")).decode("utf-8-sig")
    assert "王芳" in text and "李伟" not in text and "+8613800138000" in text
    log = await pool.fetch("SELECT user_name FROM audit_trail WHERE what = 'customers_exported'")
    assert [row["user_name"] for row in log] == ["lea"]


async def test_exports_that_begin_at_once_count_each_other(
    manager: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, asking, go_on = own_fields.load, asyncio.Event(), asyncio.Event()

    async def slow(connection: Any) -> Any:
        asking.set()
        await go_on.wait()
        return await load(connection)

    monkeypatch.setattr("web.customer_export.own_fields.load", slow)
    monkeypatch.setattr("web.customer_export.EXPORTS_AT_ONCE", 1)
    first = asyncio.create_task(exported(manager))
    await asking.wait()
    status, problem = await manager.send("GET", "/api/v1/customers/export")
    assert (status, problem["code"]) == (503, "busy")
    go_on.set()
    await first
    await exported(manager)


async def test_an_export_holds_no_connection_while_it_is_read(
    manager: Browser, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"customer {number}" for number in range(5)]
    for name in names:
        await manager.send("POST", "/api/v1/customers", {"name": name})
    held: list[int] = []
    others = pool.get_size() - pool.get_idle_size()

    async def send(answer: aiohttp.web.StreamResponse, block: bytes) -> None:
        held.append(pool.get_size() - pool.get_idle_size() - others)
        await answer.write(block)

    monkeypatch.setattr("web.customer_export.send", send)
    monkeypatch.setattr("web.customer_export.ROWS_AT_ONCE", 2)
    _, *rows = table(await exported(manager), "csv")
    assert [row[0] for row in rows] == names
    batches = held[1:]
    assert len(batches) == 3 and min(batches) == 0


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_a_download_that_is_not_read_is_cut(
    manager: Browser, pool: Pool, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """There is more of it than the connection's buffers hold, packed too."""
    await pool.execute("""
        INSERT INTO customers (kind, name, created_at, updated_at)
        SELECT 'person', number, now(), now() FROM generate_series(1, 800) AS number
    """)
    noise = random.Random(7)
    monkeypatch.setattr("web.customer_export._line", lambda *_: [noise.randbytes(16_000).hex()])
    monkeypatch.setattr("web.downloads.WRITE_SECONDS", 0.2)
    before = manager.site.connections
    other = await manager.site.browser("lea")
    url = f"{manager.site.url}/api/v1/customers/export?format={form}"
    async with other.client.get(url) as answer:
        assert answer.status == 200
        await until(lambda: manager.site.connections <= before)
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_who_sees_no_numbers_takes_none_away(
    manager: Browser, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """No role of today exports without numbers.see; the file does not lean on that."""
    monkeypatch.setitem(RIGHTS["quality"], "customers.export", "all")  # type: ignore[arg-type]
    title = {"zh-CN": "字段", "en": "Field"}
    fields = [
        {"code": "hint", "title": title, "type": "text"},
        {"code": "second", "title": title, "type": "phone"},
    ]
    ada = await manager.site.browser("ada")
    assert (await ada.send("PUT", "/api/v1/customer-fields", {"items": fields}))[0] == 200
    body = {
        "name": "王芳 13800138000",
        "company": "华通 13800138000",
        "level": "13800138000",
        "tags": ["找 13900139000"],
        "source": "13900139000",
        "email": "13800138000@139.com",
        "address": "收件人 138 0013 8000",
        "fields": {"hint": "打 13900139000", "second": "13900139000"},
        "numbers": [{"number": "13800138000"}, {"number": "13900139000"}],
    }
    status, made = await manager.send("POST", "/api/v1/customers", body)
    assert status == 200, made
    whole = table(await exported(manager, f"?format={form}"), form)
    assert "13900139000" in str(whole) and "138 0013 8000" in str(whole)
    quinn = await manager.site.browser("quinn")
    heads, line = table(await exported(quinn, f"?format={form}"), form)
    assert heads == whole[0]
    assert [cell for cell in line if cell] == [
        *("王芳 138****8000", "person", "华通 138****8000", "138****8000", "找 139****9000"),
        *("138****8000@139.com", "收件人 138****8000", "139****9000"),
        *("'+86138****8000", "'+86139****9000", "打 139****9000", "'+86139****9000"),
    ]


def table(data: bytes, form: str) -> list[list[str]]:
    """The cells of an exported file."""
    if form == "csv":
        return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    sheet = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
    return [[str(cell or "") for cell in row] for row in sheet.iter_rows(values_only=True)]


async def test_downloads_have_our_names_whatever_an_upload_was_called(manager: Browser) -> None:
    hostile = '..\\evil";x=\u202e.exe'
    status, found = await uploaded(manager, b"Name,Phone\nAnn,12\n", hostile)
    assert status == 200
    path = await started(manager, found)
    await ended(manager, path)
    number = path.rpartition("/")[2]
    for asked, name in [
        (f"{path}/bad-rows.csv", rf"bad-rows-{number}\.csv"),
        ("/api/v1/customers/export?format=csv", r"[\w%.-]+\.csv"),
    ]:
        async with manager.client.get(manager.site.url + asked) as answer:
            assert answer.status == 200
            disposition = answer.headers["Content-Disposition"]
        assert re.fullmatch(rf"attachment; filename\*=UTF-8''{name}", disposition)


async def test_what_an_old_import_was_given_is_cleared_away(
    manager: Browser, pool: Pool, serve: Callable[..., Any]
) -> None:
    """Its file, bad rows and sample; by the next server too, whoever ran it before."""
    folder = manager.site.services.uploads
    data = b"name,phone\nAnn,12\nBen,13800138000\n"
    await brought_in(manager, data)
    await until(lambda: not list(folder.iterdir()))
    for _ in range(4):
        await uploaded(manager, data)
    _, page = await manager.send("GET", "/api/v1/customer-imports")
    new, idle, crashed, alive, done = (int(each["import_id"]) for each in page["items"])
    age = "UPDATE customer_imports SET uploaded_at = now() - $2::interval, state = $3,"
    age += " alive_at = now() - $4::interval, ended_at = NULL WHERE import_id = $1"
    week, day = timedelta(days=8), timedelta(days=1)
    await pool.execute(age, new, day, "uploaded", None)
    await pool.execute(age, idle, week, "uploaded", None)
    await pool.execute(age, crashed, week, "running", week)
    await pool.execute(age, alive, week, "running", timedelta())
    await pool.execute(age, done, week, "done", week)
    for name, old in (("0" * 32 + ".xlsx", True), ("1" * 32 + ".upload", False)):
        (folder / name).touch()
        if old:
            os.utime(folder / name, (0, 0))

    await serve(uploads=folder)
    await until(lambda: len(list(folder.iterdir())) <= 3)
    rows = await pool.fetch("""
        SELECT import_id, file, sample <> '[]' AS sampled,
            (SELECT count(*) FROM customer_import_bad_rows b WHERE b.import_id = i.import_id) AS bad
        FROM customer_imports i
    """)
    assert {row["import_id"]: (bool(row["file"]), row["sampled"], row["bad"]) for row in rows} == {
        new: (True, True, 0),
        idle: (False, False, 0),
        crashed: (False, False, 0),
        alive: (True, True, 0),
        done: (False, False, 0),
    }
    kept = {row["file"] for row in rows if row["file"]}
    assert {each.name for each in folder.iterdir()} == kept | {"1" * 32 + ".upload"}


async def test_a_file_that_cannot_be_deleted_keeps_no_other(manager: Browser, pool: Pool) -> None:
    folder = manager.site.services.uploads
    await uploaded(manager, TABLE.encode())
    (folder / "stuck").mkdir()
    await pool.execute("UPDATE customer_imports SET file = 'stuck', state = 'done'")
    stray = next(each for each in folder.iterdir() if each.is_file())
    os.utime(stray, (0, 0))
    assert (await brought_in(manager, TABLE.encode()))["state"] == "done"
    await until(lambda: len(list(folder.iterdir())) <= 1)
    assert (folder / "stuck").is_dir()


async def test_a_database_that_does_not_answer_is_not_told_as_a_slow_upload(
    manager: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(_connection: Any) -> Any:
        raise TimeoutError

    monkeypatch.setattr("web.imports.own_fields.load", late)
    status, problem = await uploaded(manager, TABLE.encode())
    assert (status, problem["code"]) == (503, "database_away")
    assert not list(manager.site.services.uploads.iterdir())

    monkeypatch.setattr("web.imports._receive", lambda *_: late(_))
    status, problem = await uploaded(manager, TABLE.encode())
    assert (status, problem["code"]) == (408, "too_slow")


async def test_no_file_fills_the_disk(manager: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = manager.site.services.uploads
    free = shutil.disk_usage(folder.parent).free
    monkeypatch.setattr("web.imports.ROOM_LEAST", 2 * free)
    status, problem = await uploaded(manager, TABLE.encode())
    assert (status, problem["code"]) == (507, "no_room")
    status, problem = await manager.send("GET", "/api/v1/customers/export?format=xlsx")
    assert (status, problem["code"]) == (507, "no_room")
    assert not list(folder.iterdir())


async def test_one_row_that_the_database_refuses_is_bad_and_no_other(
    manager: Browser, pool: Pool
) -> None:
    """Whatever was not foreseen in a row costs that row."""
    await pool.execute("ALTER TABLE customers ADD CONSTRAINT unforeseen CHECK (name <> 'Eve')")
    rows = [f"customer {number}" for number in range(300)]
    rows[123] = rows[124] = rows[299] = "Eve"
    state = await brought_in(manager, ("name\n" + "\n".join(rows)).encode())
    assert (state["state"], state["read"], state["created"], state["bad"]) == ("done", 300, 297, 3)
    bad = await pool.fetch("SELECT row, reason, cells FROM customer_import_bad_rows ORDER BY row")
    assert [tuple(each.values()) for each in bad] == [
        (row, "not_kept", ["Eve"]) for row in (125, 126, 301)
    ]
    assert await names(pool) == [name for name in rows if name != "Eve"]


async def test_rows_of_one_batch_change_the_customer_one_after_the_other(
    manager: Browser, pool: Pool
) -> None:
    """One who was there, and one whom an earlier row made; each row stands in the history."""
    await brought_in(manager, b"name,phone,tags\nAnn,13800138000,old")
    table = (
        "name,phone,phone2,level,note\n"
        "Ann,13800138000,13800138001,A,first\n"
        "Ben,13900139000,,B,second\n"
        "Anna,13800138001,,,third\n"
        "Ben,13900139000,13900139001,C,fourth\n"
        "Benno,13900139001,,,fifth\n"
        "Ann,,,,sixth\n"
    )
    state = await brought_in(manager, table.encode(), "update")
    assert (state["created"], state["updated"], state["bad"]) == (2, 4, 0)
    found = await pool.fetch("""
        SELECT name, level, array(SELECT number FROM customer_numbers n
            WHERE n.customer_id = c.customer_id ORDER BY position) AS numbers,
            array(SELECT text FROM customer_notes n
            WHERE n.customer_id = c.customer_id ORDER BY note_id) AS notes,
            (SELECT count(*) FROM customer_changes n WHERE n.customer_id = c.customer_id) AS lines
        FROM customers c ORDER BY customer_id
    """)
    assert [tuple(each.values()) for each in found] == [
        ("Anna", "A", ["+8613800138000", "+8613800138001"], ["first", "third"], 3),
        (
            *("Benno", "C", ["+8613900139000", "+8613900139001"]),
            *(["second", "fourth", "fifth"], 3),
        ),
        ("Ann", "", [], ["sixth"], 1),
    ]
    # What search and the hooks know is what is stored, of both.
    for words, name in (("anna", "Anna"), ("13900139001", "Benno")):
        _, page = await manager.send("GET", f"/api/v1/customers?q={words}")
        assert [each["name"] for each in page["items"]] == [name]
    _, page = await manager.send("GET", "/api/v1/customers?q=13900139000&level=B")
    assert page["items"] == []
    known = await pool.fetch("SELECT name, level FROM callers ORDER BY number")
    assert [tuple(each.values()) for each in known] == [("Anna", "A")] * 2 + [("Benno", "C")] * 2


async def test_a_row_gives_nobody_the_number_of_another(manager: Browser, pool: Pool) -> None:
    """Neither of who was there, nor of who an earlier row made."""
    one, two, new = "13800138000", "13900139000", "13700137000"
    await brought_in(manager, f"name,phone\nAnn,{one}\nBen,{two}".encode())
    table = (
        "name,phone,phone2,note\n"
        f"Anna,{one},{two},x\n"
        f"Cid,{new},,\n"
        f"Cid,{new},{two},x\n"
        f"Benno,{two},13600136000,\n"
        f"Benno,13600136000,{two},\n"
    )
    status, found = await uploaded(manager, table.encode())
    assert status == 200
    path = await started(manager, found, "update")
    state = await ended(manager, path)
    assert (state["created"], state["updated"], state["bad"]) == (1, 2, 2)
    assert await names(pool) == ["Ann", "Benno", "Cid"]
    assert await pool.fetchval("SELECT count(*) FROM customer_notes") == 0
    shared = "SELECT number FROM customer_numbers GROUP BY number HAVING count(*) > 1"
    assert await pool.fetch(shared) == []
    async with manager.client.get(f"{manager.site.url}{path}/bad-rows.csv") as answer:
        rows = list(csv.reader(io.StringIO((await answer.read()).decode("utf-8-sig"))))
    reason = "its numbers are different customers'"
    assert [(row[0], row[-1]) for row in rows[1:]] == [("Anna", reason), ("Cid", reason)]


async def test_a_row_finds_who_has_all_of_its_numbers(manager: Browser, pool: Pool) -> None:
    """Though another has one of them too."""
    one, two = "13800138000", "13900139000"
    table = f"name,phone,phone2\nAnn,{one},\nBen,{two},{one}"
    await brought_in(manager, table.encode(), "create")
    state = await brought_in(manager, f"name,phone,phone2\nBenno,{one},{two}".encode(), "update")
    assert (state["updated"], state["bad"]) == (1, 0)
    assert await names(pool) == ["Ann", "Benno"]


async def test_a_number_there_was_no_room_for_is_nobodys(manager: Browser, pool: Pool) -> None:
    full = [f"+86139{place:08}" for place in range(NUMBERS_MOST)]
    await brought_in(manager, f"name,phone\nAnn,{';'.join(full)}".encode())
    table = f"name,phone\nAnn,{full[0]};13800138000\nBen,13800138000"
    state = await brought_in(manager, table.encode(), "update")
    assert (state["created"], state["updated"], state["bad"]) == (1, 1, 0)
    assert await names(pool) == ["Ann", "Ben"]
    assert await pool.fetchval("SELECT count(*) FROM customer_numbers") == NUMBERS_MOST + 1


async def test_a_batch_that_met_a_change_in_a_circle_is_tried_again(
    manager: Browser, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_in, deadlocks = running._bring_in, iter(range(running.TRIES - 1))

    async def unlucky(*given: Any) -> None:
        if next(deadlocks, None) is not None:
            raise asyncpg.DeadlockDetectedError("deadlock detected")
        await bring_in(*given)

    monkeypatch.setattr("crm.imports._bring_in", unlucky)
    state = await brought_in(manager, b"name\nAnn\nBen\n")
    assert (state["state"], state["created"]) == ("done", 2)
    assert await names(pool) == ["Ann", "Ben"]


async def test_an_import_of_many_numbers_takes_few_locks_at_once(
    manager: Browser, pool: Pool
) -> None:
    """Each number of a batch is locked; the database has room for some thousands of locks."""
    rows = [
        f"customer {row}," + ";".join(f"138{row:04}{place:04}" for place in range(30))
        for row in range(500)
    ]
    state = await brought_in(manager, f"name,phone\n{chr(10).join(rows)}\n".encode())
    assert (state["state"], state["created"], state["bad"]) == ("done", 500, 0)
    assert await pool.fetchval("SELECT count(*) FROM callers") == 15_000

    # Of customers who have more numbers than their rows say, the numbers are locked all the same.
    rows = [f"other {row},138{row:04}0000" for row in range(500)]
    state = await brought_in(manager, f"name,phone\n{chr(10).join(rows)}\n".encode(), "update")
    assert (state["state"], state["updated"], state["bad"]) == ("done", 500, 0)
    assert await pool.fetchval("SELECT count(*) FROM callers WHERE name LIKE 'other %'") == 15_000


async def test_fields_that_are_others_are_not_brought_in(site: Site, pool: Pool) -> None:
    ada, sue = await site.browser("ada"), await site.browser("sue")
    title = {"zh-CN": "额度", "en": "Limit"}
    rest = {"type": "text", "visible_to": ["director"]}
    fields = [
        {"code": "lent", "title": title, **rest},
        {"code": "read", "title": {"en": "Read"}, "type": "text", "editable_by": ["director"]},
    ]
    assert (await ada.send("PUT", "/api/v1/customer-fields", {"items": fields}))[0] == 200
    status, found = await uploaded(sue, "姓名,额度,Read\n王芳,1000,x\n".encode())
    assert status == 200
    path = f"/api/v1/customer-imports/{found['import_id']}"
    await pool.execute(
        """UPDATE customer_imports SET mapping = '{"姓名": "name", "额度": "field:lent"}'"""
    )
    _, detail = await sue.send("GET", path)
    assert detail["mapping"] == {"姓名": "name"}
    for shown in (found, detail):
        assert shown["suggested"] == {"姓名": "name", "额度": None, "Read": None}
        assert not [to for to in shown["targets"] if to.startswith("field:")]
    for code in ("lent", "read"):
        wish = {"mapping": {"姓名": "name", "额度": f"field:{code}"}, "on_duplicate": "skip"}
        status, problem = await sue.send("POST", f"{path}/start", wish)
        assert (status, problem["errors"][0]["field"]) == (422, "mapping.额度")
