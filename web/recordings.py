"""Playing recordings: by right, with seeking, and never unseen: who listened is written first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiohttp import web

from cti.journal import queries
from cti.journal.rows import RecordingRow
from web.database import connected
from web.endpoint import Asked, Endpoint, endpoint
from web.problems import Problem
from web.reach import within

if TYPE_CHECKING:
    from web.database import Connection


@endpoint(
    "GET",
    "/api/v1/recordings/{recording_id}/audio",
    "Play a recording; takes Range",
    right="recording.listen",
    media=("audio/x-wav",),
    problems=("unknown_recording", "not_your_call"),
)
async def play(asked: Asked[None]) -> web.StreamResponse:
    """Every listening is logged before the first byte; without the database nothing is played."""
    async with connected(asked.services.pool) as connection:
        recording_id = asked.part("recording_id", "unknown_recording")
        row = await queries.recording(connection, recording_id)
        file = asked.services.recording_file(row.path) if row and row.path else None
        if row is None or file is None:
            raise Problem("unknown_recording")
        seen = asked.seen("recording.listen")
        if seen is not None and not within(seen, await _agents(connection, row.call_id)):
            raise Problem("not_your_call")
        await connection.execute(_LISTENED, *_listening(asked, row))
    return web.FileResponse(file, headers={"Cache-Control": "private, no-store"})


ENDPOINTS: tuple[Endpoint, ...] = (play,)


async def _agents(connection: Connection, call_id: str) -> list[str]:
    """Who took part in the call, or in the one that it became a part of."""
    call = await queries.call_row(connection, call_id)
    if call and call.merged_into:
        whole = await queries.call_row(connection, call.merged_into)
        return [*call.agents, *(whole.agents if whole else ())]
    return list(call.agents) if call else []


def _listening(asked: Asked[None], row: RecordingRow) -> tuple[object, ...]:
    return (
        row.recording_id,
        row.call_id,
        asked.session.user.name,
        asked.session.key,
        asked.address,
        datetime.fromtimestamp(asked.services.clock(), UTC),
    )


_LISTENED = """
WITH going_on AS (
    UPDATE recording_listened SET last_at = $6, requests = requests + 1
    WHERE listening_id = (
        SELECT listening_id FROM recording_listened
        WHERE recording_id = $1 AND session = $4
            AND last_at > $6::timestamptz - interval '10 minutes'
        ORDER BY last_at DESC LIMIT 1
    )
    RETURNING 1
)
INSERT INTO recording_listened
    (recording_id, call_id, user_name, session, address, started_at, last_at)
SELECT $1, $2, $3, $4, $5, $6, $6 WHERE NOT EXISTS (SELECT FROM going_on)
"""
