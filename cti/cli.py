"""The command line: `./zuoxi COMMAND`. Each command imports its room when it is asked for."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console

from config.settings import SettingsError, load

Handler = Callable[[argparse.Namespace], int]
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

ROLES = ("agent", "leader", "supervisor", "quality", "director", "admin")
EPILOG = """\
first steps:
  ./zuoxi demo                        everything on this machine, alive, in one command
  ./zuoxi pbx install --config zuoxi.toml --to /etc/asterisk
  ./zuoxi doctor --config zuoxi.toml  what is missing, and how to mend it
  ./zuoxi serve --config zuoxi.toml   a real site
"""


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    root = argparse.ArgumentParser(
        prog="./zuoxi",
        description="zuoxi (坐席): agent server for Asterisk: queues, screen pop, recording.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True)

    demo = _command(commands, "demo", _demo, "a whole call centre with simulated customers")
    demo.add_argument("--port", type=int, default=8080, help="of the web page (default 8080)")
    demo.add_argument("--agents", type=int, default=6, help="simulated agents (default 6)")
    demo.add_argument("--rate", type=float, default=9.0, help="customers a minute (default 9)")
    demo.add_argument(
        "--state",
        type=_folder,
        metavar="FOLDER",
        help="of its data, for a second demo beside the first (default: in the project)",
    )

    serve = _command(commands, "serve", _serve, "run the server for a real site")
    _config(serve)

    _command(commands, "build", _build, "build the screens, also after an upgrade")

    test = _command(commands, "test", _test, "set up what is missing and run every test")
    test.add_argument("pytest_args", nargs="*", help="only these, as pytest understands them")
    test.add_argument(
        "--asterisk",
        type=Path,
        metavar="FOLDER",
        help="the PBX under test: / is the one of this machine, another folder an unpacked one",
    )
    test.add_argument(
        "--postgres",
        type=Path,
        metavar="FOLDER",
        help="the database under test: a folder of programs, as /usr/lib/postgresql/15/bin",
    )

    bench = _command(commands, "bench", _bench, "measure, side by side with a rival")
    bench.add_argument("name", help="ami, calls, imports, panel, pop, routing, search or wallboard")
    bench.add_argument("--json", action="store_true", help="one JSON object instead of a table")

    sim = _command(commands, "sim", _sim, "the decisions against a simulated Asterisk")
    sim.add_argument("--seeds", type=int, help="this many random fault runs, invariants checked")
    sim.add_argument("--first-seed", type=int, default=1, help="start here (default 1)")
    sim.add_argument("--scenario", type=Path, help="a scenario file: waits, abandons, occupancy")
    sim.add_argument("--json", action="store_true", help="one JSON object")

    doctor = _command(commands, "doctor", _doctor, "examine PBX, hooks, database, folders, TLS")
    _config(doctor)

    pbx = commands.add_parser("pbx", help="files for Asterisk").add_subparsers(
        dest="pbx_command", metavar="COMMAND", required=True
    )
    install = _command(pbx, "install", _pbx_install, "write the files to include; a diff first")
    _config(install)
    install.add_argument("--to", type=Path, default=Path("/etc/asterisk"), help="folder")
    install.add_argument("--yes", action="store_true", help="write without asking")

    _user_commands(commands)

    reconcile = _command(commands, "reconcile", _reconcile, "journal against CDR, CEL, recordings")
    _config(reconcile)
    reconcile.add_argument("--from", dest="from_time", type=_time, required=True, help="ISO time")
    reconcile.add_argument("--to", dest="to_time", type=_time, required=True, help="ISO time")
    reconcile.add_argument("--json", action="store_true")
    return root


def _user_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    user = commands.add_parser("user", help="people who sign in").add_subparsers(
        dest="user_command", metavar="COMMAND", required=True
    )
    add = _command(user, "add", _user_add, "add a user; the password is asked for")
    _config(add)
    add.add_argument("name", help="sign-in name")
    add.add_argument(
        "--role", action="append", required=True, choices=ROLES, help="may be given twice"
    )
    add.add_argument("--agent", help="employee number of [[floor.agents]]")
    add.add_argument("--team", help="DEPARTMENT/TEAM; made when there is none")
    add.add_argument("--full-name", help="shown on screens")
    add.add_argument("--password-stdin", action="store_true", help="read it from standard input")
    password = _command(user, "password", _user_password, "a new password; ends all sessions")
    _config(password)
    password.add_argument("name", help="sign-in name")
    password.add_argument("--password-stdin", action="store_true", help="from standard input")
    disable = _command(
        user, "disable", _user_disable, "close an account; its browsers are out at once"
    )
    _config(disable)
    disable.add_argument("name", help="sign-in name")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    handler: Handler,
    text: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(handler=handler)
    return command


def _config(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config", type=Path, default=Path("zuoxi.toml"), help="settings (default zuoxi.toml)"
    )


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.astimezone()


def _folder(text: str) -> Path:
    return Path(text).resolve()


def _demo(args: argparse.Namespace) -> int:
    from cti.sandbox.demo import run_demo

    return run_demo(
        port=args.port, agents=args.agents, customers_per_minute=args.rate, state=args.state
    )


def _serve(args: argparse.Namespace) -> int:
    from cti.process import serve

    return serve(load(args.config))


def _build(_args: argparse.Namespace) -> int:
    from cti.sandbox.frontend import ensure_frontend
    from cti.sandbox.system import SandboxError, say_on_stderr

    try:
        ensure_frontend(say=say_on_stderr)
    except SandboxError as error:
        say_on_stderr(str(error))
        return 2
    return 0


def _test(args: argparse.Namespace) -> int:
    from cti.sandbox.tests import run_tests

    return run_tests(args.pytest_args, asterisk=args.asterisk, postgres=args.postgres)


def _bench(args: argparse.Namespace) -> int:
    from bench.command import run_named

    return run_named(args.name, as_json=args.json)


def _sim(args: argparse.Namespace) -> int:
    from acd.sim.command import run_scenario, run_seeds

    if args.scenario:
        return run_scenario(args.scenario, as_json=args.json)
    return run_seeds(args.first_seed, args.seeds or 200, as_json=args.json)


def _doctor(args: argparse.Namespace) -> int:
    from cti.admin import examine

    return examine(load(args.config), out)


def _pbx_install(args: argparse.Namespace) -> int:
    from cti.admin import install_files

    return install_files(load(args.config), args.to, yes=args.yes, out=out)


def _user_add(args: argparse.Namespace) -> int:
    from cti.admin import add

    return asyncio.run(
        add(
            load(args.config),
            name=args.name,
            full_name=args.full_name or args.name,
            roles=args.role,
            agent_id=args.agent,
            team=args.team,
            password=_password(args),
        )
    )


def _user_password(args: argparse.Namespace) -> int:
    from cti.admin import change_password

    settings = load(args.config)
    return asyncio.run(change_password(settings, name=args.name, password=_password(args)))


def _user_disable(args: argparse.Namespace) -> int:
    from cti.admin import disable

    return asyncio.run(disable(load(args.config), name=args.name))


def _password(args: argparse.Namespace) -> str:
    return sys.stdin.readline().rstrip("\n") if args.password_stdin else _ask_password()


def _ask_password() -> str:
    password = getpass.getpass("password: ")
    if getpass.getpass("once more: ") != password:
        raise SettingsError("the password", ["the two passwords differ; nothing was changed"])
    return password


def _reconcile(args: argparse.Namespace) -> int:
    from cti.admin import compare

    return asyncio.run(
        compare(load(args.config), args.from_time, args.to_time, as_json=args.json, out=out)
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. 0: done; 1: found something wrong; 2: could not be run; 130: interrupted."""
    args = parser().parse_args(argv)
    try:
        return int(args.handler(args))
    except SettingsError as error:
        err.print(f"[red]{error.source}[/red] cannot be used:")
        for problem in error.problems:
            err.print(f"  - {problem}", markup=False)
        return 2
    except KeyboardInterrupt:
        err.print("stopped")
        return 130


if __name__ == "__main__":
    sys.exit(main())
