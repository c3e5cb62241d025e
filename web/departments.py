"""Departments and their teams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import asyncpg
from pydantic import Field

from web import audit
from web.database import connected
from web.endpoint import Asked, Endpoint, Input, Output, endpoint
from web.people import Id, number_in
from web.problems import Problem
from web.users import TEAM_NAME_LONGEST

if TYPE_CHECKING:
    from web.database import Connection

Title = Annotated[
    str,
    Field(max_length=TEAM_NAME_LONGEST, pattern=r"^[^\x00-\x1f/]*[^\x00-\x1f/\s][^\x00-\x1f/]*$"),
]
CHANGE_PROBLEMS = ("unknown_team", "name_in_use", "database_away")


class TeamInfo(Output):
    """A team. `members`: users, also disabled ones."""

    team_id: int
    name: str
    members: int


class DepartmentInfo(Output):
    """A department with its teams, by name."""

    department_id: int
    name: str
    teams: list[TeamInfo]


class DepartmentList(Output):
    """All of them, by name."""

    departments: list[DepartmentInfo]


class DepartmentWish(Input):
    """A department's name."""

    name: Title


class NewTeam(Input):
    """A team to be."""

    name: Title
    department_id: Id


class TeamChange(Input):
    """A team's name and department."""

    name: Title
    department_id: Id


@endpoint(
    "GET",
    "/api/v1/people/departments",
    "Departments and teams",
    output=DepartmentList,
    right="people.see",
    problems=("database_away",),
)
async def list_departments(asked: Asked[None]) -> DepartmentList:
    """A leader sees the own team alone."""
    reach = asked.session.reach("people.see")
    async with connected(asked.services.pool) as connection:
        departments = await connection.fetch("SELECT * FROM departments ORDER BY name")
        teams = await connection.fetch(_TEAMS, reach.scope == "all", reach.team_id)
    found = [
        DepartmentInfo(
            department_id=row["department_id"],
            name=row["name"],
            teams=[
                TeamInfo(team_id=team["team_id"], name=team["name"], members=team["members"])
                for team in teams
                if team["department_id"] == row["department_id"]
            ],
        )
        for row in departments
    ]
    return DepartmentList(departments=[d for d in found if reach.scope == "all" or d.teams])


@endpoint(
    "POST",
    "/api/v1/people/departments",
    "Add a department",
    input=DepartmentWish,
    output=DepartmentInfo,
    right="people.manage",
    problems=("name_in_use", "database_away"),
)
async def add_department(asked: Asked[DepartmentWish]) -> DepartmentInfo:
    """Without teams."""
    async with _changing(asked) as connection:
        department_id: int = await connection.fetchval(
            "INSERT INTO departments (name) VALUES ($1) RETURNING department_id",
            asked.input.name.strip(),
        )
        concerned = audit.Object("department", department_id, asked.input.name.strip())
        await audit.record(connection, asked, "department_added", concerned)
    return DepartmentInfo(department_id=department_id, name=concerned.name, teams=[])


@endpoint(
    "PATCH",
    "/api/v1/people/departments/{department_id}",
    "Rename a department",
    input=DepartmentWish,
    right="people.manage",
    problems=CHANGE_PROBLEMS,
)
async def change_department(asked: Asked[DepartmentWish]) -> None:
    """Its teams stay."""
    department_id = number_in(asked, "department_id", "unknown_team")
    async with _changing(asked) as connection:
        before = await _named(connection, _DEPARTMENT, department_id)
        name = asked.input.name.strip()
        await connection.execute(
            "UPDATE departments SET name = $2 WHERE department_id = $1", department_id, name
        )
        facts = audit.changes({"name": before["name"]}, {"name": name})
        concerned = audit.Object("department", department_id, name)
        await audit.record(connection, asked, "department_changed", concerned, facts)


@endpoint(
    "DELETE",
    "/api/v1/people/departments/{department_id}",
    "Remove a department without teams",
    right="people.manage",
    problems=("unknown_team", "still_in_use", "database_away"),
)
async def remove_department(asked: Asked[None]) -> None:
    """One with teams stays."""
    department_id = number_in(asked, "department_id", "unknown_team")
    async with _changing(asked) as connection:
        before = await _named(connection, _DEPARTMENT, department_id)
        await connection.execute("DELETE FROM departments WHERE department_id = $1", department_id)
        concerned = audit.Object("department", department_id, before["name"])
        await audit.record(connection, asked, "department_removed", concerned)


@endpoint(
    "POST",
    "/api/v1/people/teams",
    "Add a team",
    input=NewTeam,
    output=TeamInfo,
    right="people.manage",
    problems=CHANGE_PROBLEMS,
)
async def add_team(asked: Asked[NewTeam]) -> TeamInfo:
    """Without members."""
    given = asked.input
    async with _changing(asked) as connection:
        department = await _named(connection, _DEPARTMENT, given.department_id)
        team_id: int = await connection.fetchval(
            "INSERT INTO teams (department_id, name) VALUES ($1, $2) RETURNING team_id",
            given.department_id,
            given.name.strip(),
        )
        concerned = audit.Object("team", team_id, given.name.strip())
        facts = {"department": department["name"]}
        await audit.record(connection, asked, "team_added", concerned, facts)
    return TeamInfo(team_id=team_id, name=concerned.name, members=0)


@endpoint(
    "PATCH",
    "/api/v1/people/teams/{team_id}",
    "Rename a team or move it to another department",
    input=TeamChange,
    right="people.manage",
    problems=CHANGE_PROBLEMS,
)
async def change_team(asked: Asked[TeamChange]) -> None:
    """Its members stay."""
    team_id, given = number_in(asked, "team_id", "unknown_team"), asked.input
    async with _changing(asked) as connection:
        before = await _named(connection, _TEAM, team_id)
        department = await _named(connection, _DEPARTMENT, given.department_id)
        name = given.name.strip()
        await connection.execute(
            "UPDATE teams SET name = $2, department_id = $3 WHERE team_id = $1",
            team_id,
            name,
            given.department_id,
        )
        facts = audit.changes(
            {"name": before["name"], "department": before["department"]},
            {"name": name, "department": department["name"]},
        )
        concerned = audit.Object("team", team_id, name)
        await audit.record(connection, asked, "team_changed", concerned, facts)


@endpoint(
    "DELETE",
    "/api/v1/people/teams/{team_id}",
    "Remove a team without members",
    right="people.manage",
    problems=("unknown_team", "still_in_use", "database_away"),
)
async def remove_team(asked: Asked[None]) -> None:
    """One with members stays."""
    team_id = number_in(asked, "team_id", "unknown_team")
    async with _changing(asked) as connection:
        before = await _named(connection, _TEAM, team_id)
        await connection.execute("DELETE FROM teams WHERE team_id = $1", team_id)
        concerned = audit.Object("team", team_id, before["name"])
        facts = {"department": before["department"]}
        await audit.record(connection, asked, "team_removed", concerned, facts)


ENDPOINTS: tuple[Endpoint, ...] = (
    list_departments,
    add_department,
    change_department,
    remove_department,
    add_team,
    change_team,
    remove_team,
)


@asynccontextmanager
async def _changing(asked: Asked[Any]) -> AsyncIterator[Connection]:
    """A transaction; what the tables refuse is a problem.

    :raises Problem: name_in_use, still_in_use.
    """
    try:
        async with connected(asked.services.pool) as connection, connection.transaction():
            yield connection
    except asyncpg.UniqueViolationError:
        raise Problem("name_in_use") from None
    except asyncpg.ForeignKeyViolationError:
        raise Problem("still_in_use") from None


async def _named(connection: Connection, query: str, number: int) -> asyncpg.Record:
    row: asyncpg.Record | None = await connection.fetchrow(query, number)
    if row is None:
        raise Problem("unknown_team")
    return row


_TEAMS = """
SELECT team_id, department_id, name,
    (SELECT count(*) FROM users WHERE users.team_id = teams.team_id) AS members
FROM teams WHERE $1 OR team_id = $2 ORDER BY name
"""
_DEPARTMENT = "SELECT name FROM departments WHERE department_id = $1 FOR UPDATE"
_TEAM = """
SELECT teams.name, departments.name AS department
FROM teams JOIN departments USING (department_id) WHERE team_id = $1 FOR UPDATE OF teams
"""
