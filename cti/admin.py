"""Commands of the engineer who runs a site: users, files for Asterisk, examining, reconciling."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from rich.console import Console
from rich.prompt import Confirm

from config.settings import Settings, SettingsError
from cti import doctor
from cti.journal.database import migrate
from cti.journal.tables import Connection
from cti.pbxfiles import PbxFilesError, PbxFilesInput, extension_secrets, install, render
from cti.process import configure_logging, database_dsn
from cti.reconcile import reconcile
from web import audit
from web.rights import Role
from web.users import (
    Passwords,
    UserError,
    add_user,
    disable_user,
    ensure_team,
    find_id,
    set_password,
)

FAILED, DONE = 1, 0


async def add(
    settings: Settings,
    *,
    name: str,
    full_name: str,
    roles: Sequence[Role],
    agent_id: str | None,
    team: str | None,
    password: str,
) -> int:
    """Add a user; 1 when that cannot be, with the reason.

    :raises SettingsError: the database cannot be reached.
    """
    if agent_id is not None and agent_id not in {agent.id for agent in settings.floor.agents}:
        raise SettingsError("user add", [f"--agent: the floor has no agent {agent_id!r}"])

    async def added(connection: Connection) -> str:
        async with connection.transaction():
            user = await add_user(
                connection,
                Passwords(),
                name=name,
                full_name=full_name,
                password=password,
                roles=roles,
                agent_id=agent_id,
                team_id=None if team is None else await ensure_team(connection, team),
            )
            facts = {"roles": list(roles), "team": team}
            await _record(connection, user.name, "user_added", facts)
        return f"added {user.name} ({', '.join(roles)})" + (f" to {team}" if team else "")

    return await _with_users(settings, added)


async def change_password(settings: Settings, *, name: str, password: str) -> int:
    """Give a user a new password and end his sessions; 1 when that cannot be, with the reason.

    :raises SettingsError: the database cannot be reached.
    """

    async def changed(connection: Connection) -> str:
        async with connection.transaction():
            await set_password(connection, Passwords(), name=name, password=password)
            await _record(connection, name, "password_set")
        return f"{name} has a new password and is signed out everywhere"

    return await _with_users(settings, changed)


async def disable(settings: Settings, *, name: str) -> int:
    """Close a user's account; 1 when that cannot be, with the reason.

    :raises SettingsError: the database cannot be reached.
    """

    async def disabled(connection: Connection) -> str:
        async with connection.transaction():
            await disable_user(connection, name)
            await _record(connection, name, "user_disabled")
        return f"{name} cannot sign in any more; a seat at a desk phone is left on the live floor"

    return await _with_users(settings, disabled)


async def _record(
    connection: Connection, name: str, what: str, facts: Mapping[str, object] | None = None
) -> None:
    """Into the audit trail, as done by who runs the server."""
    actor = audit.Actor(None, f"shell:{getpass.getuser()}", "")
    found = await find_id(connection, name)
    await audit.record_by(connection, actor, what, audit.Object("user", found, name), facts)


async def _with_users(settings: Settings, work: Callable[[Connection], Awaitable[str]]) -> int:
    """Do something with the table of users and say what was done, or why not."""
    async with database_dsn(settings) as dsn:
        connection = await _connected(dsn)
        try:
            said = await work(connection)
        except UserError as error:
            Console(stderr=True).print(f"nothing was changed: {error}", markup=False)
            return FAILED
        finally:
            await connection.close()
    Console().print(said, markup=False)
    return DONE


def examine(settings: Settings, out: Console) -> int:
    """Examine the site and say how to mend what is wrong; 1 when something is bad."""
    configure_logging("error")  # the table says what the link found
    return doctor.show(asyncio.run(doctor.examine(settings)), out)


async def compare(
    settings: Settings, from_at: datetime, to_at: datetime, *, as_json: bool, out: Console
) -> int:
    """Print every difference between journal, Asterisk's records and recordings; 1 if any.

    :raises SettingsError: `pbx.cdr_folder` is not set, or the database cannot be reached.
    """
    folder = settings.pbx.cdr_folder
    if folder is None:
        raise SettingsError("pbx.cdr_folder", ["has to name the folder of Asterisk's CDR and CEL"])
    async with database_dsn(settings) as dsn:
        connection = await _connected(dsn)
        try:
            found = await reconcile(
                from_at,
                to_at,
                connection=connection,
                node=settings.server.node,
                cdr_csv=folder / "cdr-csv" / "Master.csv",
                cel_csv=folder / "cel-custom" / "Master.csv",
                store=settings.recording.store_folder,
            )
        except OSError as error:
            raise SettingsError("pbx.cdr_folder", [str(error)]) from None
        finally:
            await connection.close()
    if as_json:
        out.print_json(msgspec.json.encode(found).decode())
    else:
        for difference in found:
            out.print(f"{difference.kind}: {difference.text}", markup=False)
        out.print(f"{len(found)} differences between {from_at} and {to_at}", markup=False)
    return FAILED if found else DONE


async def _connected(dsn: str) -> asyncpg.Connection[Any]:
    try:
        await migrate(dsn)
        return await asyncpg.connect(dsn)
    except (OSError, asyncpg.PostgresError) as error:
        raise SettingsError("database.dsn", [f"cannot be reached: {error}"]) from None


def install_files(settings: Settings, folder: Path, *, yes: bool, out: Console) -> int:
    """Show what differs in Asterisk's folder; write our own files after a yes."""
    try:
        files = render(pbx_files(settings))
        found = install(folder, files, write=False, out=out)
    except PbxFilesError as error:
        raise SettingsError("pbx install", [str(error)]) from None
    if found.changed and (yes or (sys.stdin.isatty() and Confirm.ask("write these files?"))):
        install(folder, files, write=True, out=Console(quiet=True))
        out.print(f"written to {folder}: {', '.join(found.changed)}", markup=False)
    elif found.changed:
        out.print("nothing was written; --yes writes", markup=False)
    for theirs, line in found.missing_includes.items():
        out.print(f"add to {folder / theirs}:  {line}", markup=False)
    return DONE


def pbx_files(settings: Settings) -> PbxFilesInput:
    """What the files for Asterisk depend on."""
    pbx = settings.pbx
    return PbxFilesInput(
        ami_user=pbx.ami_user,
        ami_secret=pbx.ami_secret.get_secret_value(),
        agi_host=pbx.agi_host,
        agi_port=pbx.agi_port,
        floor=settings.floor,
        extension_secrets=extension_secrets(pbx.secrets_file, settings.floor),
        spool_folder=settings.recording.spool_folder.resolve(),
        heartbeat_limit_seconds=pbx.heartbeat_limit_seconds,
        shared_events=pbx.shared_events,
        browser_codecs=pbx.browser_codecs,
        desk_codecs=pbx.desk_codecs,
        show_numbers_on_phones=pbx.show_numbers_on_phones,
    )
