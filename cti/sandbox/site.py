"""A whole site on this machine: the PBX with the product's files in it, and settings that fit it.

The demo and the integration tests stand on this; a real site has its own Asterisk and its own file.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from config.floor import Floor
from config.settings import Settings, from_values
from cti.pbxfiles import PbxFilesInput, extension_secrets, install, render
from cti.sandbox.pbx import Asterisk, Ports, Tree
from cti.sandbox.ports import LOOPBACK, PortBlock
from cti.sandbox.system import Place

AMI_USER = "zuoxi"
TRUNK = """
[from-trunk]
exten => _[a-z].,1,Goto(zuoxi-enter,${EXTEN},1)
exten => _X.,1,Goto(zuoxi-enter,@@first,1)
"""
"""What a site's engineer writes: which number leads to which queue. Here the name is the number."""


@dataclass
class Site:
    """One site.

    :param trunk: the engineer's dialplan of calls from the carrier; `@@first` is the first queue.
    :param extensions_conf: further dialplan of his.
    :param files: replaces values of PbxFilesInput, e.g. to look more often.
    """

    name: str
    place: Place
    tree: Tree
    block: PortBlock
    floor: Floor
    dsn: str
    rtp: int = 200
    web_port: int | None = None
    ami_port: int | None = None
    trunk: str = TRUNK
    extensions_conf: str = ""
    files: Mapping[str, Any] = field(default_factory=dict)
    server: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.place.folder("sites", self.name)
        self.spool = self.place.folder("sites", self.name, "recordings")
        self.secrets_file = self.folder / "extension-secrets.json"
        self.carrier = self.block.take()
        self.sipp = self.block.take(10)
        self.agi_port = self.block.take()
        self.web_port = self.web_port or self.block.take()
        self.ami_secret = secrets.token_urlsafe(24)
        self.phones = extension_secrets(self.secrets_file, self.floor)
        self.pbx = self._pbx()

    def _pbx(self) -> Asterisk:
        peers = [self.carrier, *range(self.sipp, self.sipp + 10)]
        trunk = self.trunk.replace("@@first", self.floor.queues[0].name)
        return Asterisk(
            self.name,
            tree=self.tree,
            place=self.place,
            ports=Ports.of(self.block, rtp=self.rtp),
            extra={"extensions.conf": trunk + self.extensions_conf},
            values={
                "carrier": str(self.carrier),
                "trunk_peers": ",".join(f"{LOOPBACK}:{port}" for port in peers),
            },
            install=self._put,
        )

    def _put(self, etc: Path) -> None:
        """Install the product's files and do what the engineer does: include them."""
        source = PbxFilesInput(
            **{
                "ami_user": AMI_USER,
                "ami_secret": self.ami_secret,
                "agi_host": LOOPBACK,
                "agi_port": self.agi_port,
                "floor": self.floor,
                "extension_secrets": self.phones,
                "spool_folder": self.spool,
                **self.files,
            }
        )
        done = install(etc, render(source), write=True, out=Console(quiet=True))
        for theirs, line in done.missing_includes.items():
            with (etc / theirs).open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")

    def values(self) -> dict[str, Any]:
        """The settings as a TOML file would give them."""
        ports = self.pbx.ports
        return {
            "server": {
                "node": "pbx1",
                "state_folder": str(self.folder / "server"),
                **self.server,
            },
            "pbx": {
                "ami_port": self.ami_port or ports.ami,
                "ami_user": AMI_USER,
                "ami_secret": self.ami_secret,
                "agi_port": self.agi_port,
                "sip_ws_url": f"ws://{LOOPBACK}:{ports.http}/ws",
                "sip_domain": LOOPBACK,
                "secrets_file": str(self.secrets_file),
                "cdr_folder": str(self.pbx.log),
            },
            "database": {"dsn": self.dsn},
            "web": {"port": self.web_port},
            "recording": {
                "spool_folder": str(self.spool),
                "store_folder": str(self.folder / "store"),
            },
            "floor": self.floor.model_dump(mode="json"),
        }

    def settings(self) -> Settings:
        """The settings, validated."""
        return from_values(self.values(), self.name)

    def write_settings(self) -> Path:
        """The settings as a file for `zuoxi serve --config`; its name is given."""
        path = self.folder / "zuoxi.toml"
        self.place.write(path, to_toml(self.values()), mode=0o600)
        return path


def to_toml(values: Mapping[str, Any]) -> str:
    """A TOML document: one inline value for each key; None is left out."""
    return "".join(f"{json.dumps(key)} = {_toml(value)}\n" for key, value in values.items())


def _toml(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items() if v is not None)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
