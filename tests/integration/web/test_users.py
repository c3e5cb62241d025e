"""Users in the table: what may be added, and what is refused."""

import pytest

from web.users import Passwords, UserError, add_user


async def test_adding_a_user(pool):
    async with pool.acquire() as connection:
        user = await add_user(
            connection,
            Passwords(),
            name="Mei.Lin",
            full_name="林梅",
            password="purple-Window-9",
            roles=["agent", "leader"],
            agent_id="2001",
        )
    assert (user.name, user.full_name, user.roles) == ("mei.lin", "林梅", ("agent", "leader"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "short"}, "at least 10"),
        ({"password": "aaaaaaaaaaaaaa"}, "repeats"),
        ({"password": "Password123"}, "everybody"),
        ({"password": "xx-mei.lin-xx"}, "name or number"),
        ({"name": "a b"}, "user name"),
        ({"roles": []}, "roles"),
        ({"roles": ["king"]}, "roles"),
        ({"agent_id": None}, "employee number"),
        ({"language": "fr"}, "languages"),
    ],
)
async def test_what_is_refused(pool, changes, words):
    wish = {
        "name": "mei.lin",
        "password": "purple-Window-9",
        "roles": ["agent"],
        "agent_id": "2001",
        **changes,
    }
    async with pool.acquire() as connection:
        with pytest.raises(UserError, match=words):
            await add_user(connection, Passwords(), **wish)


async def test_names_and_employee_numbers_are_unique(pool):
    wish = {"password": "purple-Window-9", "roles": ["agent"]}
    async with pool.acquire() as connection:
        await add_user(connection, Passwords(), name="mei", agent_id="2001", **wish)
        with pytest.raises(UserError, match="name exists"):
            await add_user(connection, Passwords(), name="MEI", agent_id="2002", **wish)
        with pytest.raises(UserError, match="employee number exists"):
            await add_user(connection, Passwords(), name="lin", agent_id="2001", **wish)
