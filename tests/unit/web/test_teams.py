"""Teams are followed over a connection of their own, also when its other end goes silently."""

import asyncio

from web import teams
from web.reach import Teams


class Connection:
    """One that answers until it is `silent`, and then never again, nor is it ever lost."""

    def __init__(self, team: str) -> None:
        self.team = team
        self.silent = False
        self.ended = False
        self.asked = 0

    def add_termination_listener(self, _tell: object) -> None:
        pass

    async def add_listener(self, _channel: str, _tell: object) -> None:
        pass

    def is_closed(self) -> bool:
        return self.ended

    async def fetch(self, statement: str) -> list[dict[str, object]]:
        self.asked += 1
        if self.silent:
            await asyncio.Event().wait()
        if "FROM teams" in statement:
            return [{"team_id": 1, "name": self.team}]
        return [{"agent_id": "1001", "team_id": 1}]

    def terminate(self) -> None:
        self.ended = True


async def test_a_connection_whose_other_end_is_gone_is_left_for_another(monkeypatch):
    monkeypatch.setattr(teams, "REREAD_SECONDS", 0.01)
    monkeypatch.setattr(teams, "ANSWER_SECONDS", 0.01)
    opened: list[Connection] = []
    taken: asyncio.Queue[str] = asyncio.Queue()

    async def connect() -> Connection:
        opened.append(Connection(f"red{len(opened)}"))
        return opened[-1]

    following = asyncio.create_task(
        teams.follow(connect, lambda order: taken.put_nowait(order.name_of("1001")))
    )
    async with asyncio.timeout(20):
        assert [await taken.get(), await taken.get()] == ["red0", "red0"], "read anew by itself"
        opened[0].silent = True
        while await taken.get() != "red1":
            pass
    assert opened[0].ended
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert opened[-1].ended


async def test_a_server_starts_without_the_database() -> None:
    async def refused() -> Connection:
        raise ConnectionRefusedError

    assert await teams.first(refused) == Teams()


async def test_a_server_knows_the_teams_from_its_start() -> None:
    connection = Connection("red")

    async def connect() -> Connection:
        return connection

    assert (await teams.first(connect)).name_of("1001") == "red"
    assert connection.ended
