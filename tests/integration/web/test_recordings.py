"""Playing recordings: in pieces, by right, and every listening on record before the first byte."""

import time
import wave

import pytest

from cti import domain

AT = time.time() - 600


@pytest.fixture
async def recording(site, journalled):
    """Store a recording of one second and journal it; return its bytes."""
    path = site.recordings / "2026" / "r1.wav"
    path.parent.mkdir()
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(range(256)) * 125)
    data = path.read_bytes()
    await journalled(
        domain.RecordingStarted(at=AT, call_id="c1", recording_id="r1", file="r1.wav"),
        domain.RecordingStored(
            at=AT + 60,
            call_id="c1",
            recording_id="r1",
            path="2026/r1.wav",
            sha256="",
            bytes=len(data),
            duration_seconds=1,
        ),
        domain.RecordingStarted(at=AT, call_id="c2", recording_id="r2", file="r2.wav"),
    )
    return data


def get(site, browser, recording_id="r1", **headers):
    return browser.client.get(f"{site.url}/api/v1/recordings/{recording_id}/audio", headers=headers)


async def listenings(pool):
    return [
        tuple(row)
        for row in await pool.fetch(
            "SELECT recording_id, call_id, user_name, requests FROM recording_listened"
        )
    ]


async def test_playing_whole_and_in_pieces_is_one_listening(site, pool, recording):
    browser = await site.browser("sue")
    async with get(site, browser) as answer:
        assert (answer.status, await answer.read()) == (200, recording)
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["Content-Type"].startswith("audio/")
        assert "no-store" in answer.headers["Cache-Control"]
    async with get(site, browser, Range="bytes=100-199") as answer:
        assert (answer.status, await answer.read()) == (206, recording[100:200])
        assert answer.headers["Content-Range"] == f"bytes 100-199/{len(recording)}"
    async with get(site, browser, Range="bytes=-10") as answer:
        assert (answer.status, await answer.read()) == (206, recording[-10:])
    async with get(site, browser, Range=f"bytes={len(recording)}-") as answer:
        assert answer.status == 416
    assert await listenings(pool) == [("r1", "c1", "sue", 4)]


async def test_another_session_and_a_later_time_are_listenings_of_their_own(
    serve, pool, journalled
):
    now = [time.time()]
    site = await serve(clock=lambda: now[0])
    (site.recordings / "r1.wav").write_bytes(b"RIFF")
    await journalled(
        domain.RecordingStarted(at=AT, call_id="c1", recording_id="r1", file="r1.wav"),
        domain.RecordingStored(
            at=AT,
            call_id="c1",
            recording_id="r1",
            path="r1.wav",
            sha256="",
            bytes=4,
            duration_seconds=0,
        ),
    )
    first, second = await site.browser("sue"), await site.browser("quinn")
    for browser in (first, second):
        async with get(site, browser) as answer:
            assert answer.status == 200
    now[0] += 601
    async with get(site, first) as answer:
        assert answer.status == 200
    assert sorted(name for _, _, name, _ in await listenings(pool)) == ["quinn", "sue", "sue"]


async def test_without_the_right_or_a_session_nothing_is_played(site, pool, recording):
    for user in ("amy", "ada"):
        async with get(site, await site.browser(user)) as answer:
            assert (answer.status, (await answer.json())["code"]) == (403, "no_right")
    async with get(site, site.anonymous()) as answer:
        assert answer.status == 401
    assert await listenings(pool) == []


async def test_what_cannot_be_logged_is_not_played(site, pool, recording):
    browser = await site.browser("sue")
    await pool.execute("ALTER TABLE recording_listened RENAME TO gone")
    async with get(site, browser) as answer:
        assert answer.status == 503
        assert recording not in await answer.read()
    site.pool.away = True
    async with get(site, browser) as answer:
        assert (answer.status, (await answer.json())["code"]) == (503, "database_away")


@pytest.mark.parametrize("recording_id", ["r2", "r3", "..", "%2e%2e%2fr1", "%00", "r1%0d%0a"])
async def test_unknown_and_unfinished_recordings(site, pool, recording, recording_id):
    browser = await site.browser("sue")
    async with get(site, browser, recording_id) as answer:
        assert answer.status == 404
    assert await listenings(pool) == []


async def test_a_file_that_is_gone_is_a_problem_and_no_listening(site, pool, recording):
    (site.recordings / "2026" / "r1.wav").unlink()
    async with get(site, await site.browser("sue")) as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "unknown_recording")
    assert await listenings(pool) == []
