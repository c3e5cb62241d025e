"""Playing recordings: by right, with seeking, and never unseen: who listened is written first."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from cti.journal import queries
from cti.journal.rows import RecordingRow
from web.database import connected
from web.endpoint import Asked, Endpoint, endpoint
from web.problems import Problem


@endpoint(
    "GET",
    "/api/v1/recordings/{recording_id}/audio",
    "Play a recording; takes Range",
    right="recording.listen",
    media="audio/x-wav",
    problems=("unknown_recording",),
)
async def play(asked: Asked[None]) -> web.StreamResponse:
    """Every listening is logged before the first byte; without the database nothing is played."""
    async with connected(asked.services.pool) as connection:
        recording_id = asked.part("recording_id", "unknown_recording")
        row = await queries.recording(connection, recording_id)
        file = asked.services.recording_file(row.path) if row and row.path else None
        if row is None or file is None:
            raise Problem("unknown_recording")
        await connection.execute(_LISTENED, *_listening(asked, row))
    return web.FileResponse(file, headers={"Cache-Control": "private, no-store"})


ENDPOINTS: tuple[Endpoint, ...] = (play,)


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
