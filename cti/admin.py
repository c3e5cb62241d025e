"""Commands of the engineer who runs a site: users, files for Asterisk, examining, reconciling."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.prompt import Confirm

from config.settings import Settings, SettingsError
from cti.journal.database import migrate
from cti.pbxfiles import PbxFilesError, PbxFilesInput, extension_secrets, install, render
from cti.process import database_dsn
from web.rights import Role
from web.users import Passwords, UserError, add_user

FAILED, DONE = 1, 0


async def add(
    settings: Settings,
    *,
    name: str,
    full_name: str,
    roles: Sequence[Role],
    agent_id: str | None,
    password: str,
) -> int:
    """Add a user; 1 when he cannot be added, with the reason.

    :raises SettingsError: the database cannot be reached.
    """
    if agent_id is not None and agent_id not in {agent.id for agent in settings.floor.agents}:
        raise SettingsError("user add", [f"--agent: the floor has no agent {agent_id!r}"])
    async with database_dsn(settings) as dsn:
        try:
            await migrate(dsn)
            connection = await asyncpg.connect(dsn)
        except (OSError, asyncpg.PostgresError) as error:
            raise SettingsError("database.dsn", [f"cannot be reached: {error}"]) from None
        try:
            user = await add_user(
                connection,
                Passwords(),
                name=name,
                full_name=full_name,
                password=password,
                roles=roles,
                agent_id=agent_id,
            )
        except UserError as error:
            Console(stderr=True).print(f"not added: {error}", markup=False)
            return FAILED
        finally:
            await connection.close()
    Console().print(f"added {user.name} ({', '.join(roles)})", markup=False)
    return DONE


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
    )
