"""What is kept of sessions in memory."""

import contextlib
from datetime import UTC, datetime

import pytest

from web.sessions import Session, Sessions
from web.users import User


class Database:
    """A pool whose connections take everything."""

    async def __call__(self):
        return self

    @contextlib.asynccontextmanager
    async def acquire(self, **_options):
        yield self

    async def execute(self, *_statement):
        pass

    async def fetch(self, *_query):
        return []


@pytest.fixture
def sessions():
    return Sessions(Database(), lambda: 1000.0, idle_seconds=60.0, limit_seconds=600.0)


def session(key=b"key"):
    user = User(1, "amy", "Amy", ("agent",), "1001", "en", datetime.fromtimestamp(0, UTC))
    return Session(key, user, 900.0, 1600.0, 900.0)


async def test_of_a_session_that_ended_nothing_is_kept(sessions):
    """One for each sign-out would be kept for the life of the process."""
    ended = session()
    sessions.touch(ended)
    await sessions.end(ended, lambda _: None)
    assert sessions._seen == sessions._revoked == set()
    sessions.touch(ended)  # its page's last heartbeat was on its way
    await sessions.refresh()
    assert sessions._seen == set()
