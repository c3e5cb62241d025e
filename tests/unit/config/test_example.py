"""The documented example: every key is in it, explained, and what it calls a default is one."""

import re
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from config.floor import Floor, QueueSettings
from config.settings import Settings, from_values

EXAMPLE = Path(__file__).parents[3] / "config" / "zuoxi.example.toml"
LINES = EXAMPLE.read_text(encoding="utf-8").splitlines()
KEY = re.compile(r"(?P<out>#?)(?P<key>[a-z_]+) = .*?(?: # (?P<remark>.*))?")
HEADER = re.compile(r"\[+([a-z.]+)\]+(?: *#.*)?")


class Shown(typing.NamedTuple):
    """A key of the example."""

    table: str
    key: str
    left_out: bool
    remark: str

    @property
    def says_default(self) -> bool:
        """Whether the default is what stands there."""
        return self.left_out and not self.remark.startswith("example")


def shown() -> Iterator[Shown]:
    """All keys of tables, in order."""
    table = ""
    for line in LINES:
        if header := HEADER.fullmatch(line):
            table = header[1]
        elif key := KEY.fullmatch(line):
            yield Shown(table, key["key"], bool(key["out"]), key["remark"] or "")


def in_force() -> dict[str, Any]:
    """The example with everything that is commented out in force."""
    return tomllib.loads("\n".join(re.sub(r"^#(?=[^ ])", "", line) for line in LINES))


def models_of(kind: object) -> Iterator[type[BaseModel]]:
    """The models that stand in an annotation."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in typing.get_args(kind):
        yield from models_of(part)


def rows_of(value: object) -> list[dict[str, Any]]:
    rows = value if isinstance(value, list) else [value]
    return [row for row in rows if isinstance(row, dict)]


def gather(
    model: type[BaseModel], rows: list[dict[str, Any]], found: dict[type[BaseModel], set[str]]
) -> None:
    """Add to `found` which keys the rows of each model show, wherever it stands."""
    found.setdefault(model, set()).update(*rows)
    for name, field in model.model_fields.items():
        below = [each for row in rows if name in row for each in rows_of(row[name])]
        for part in models_of(field.annotation):
            gather(part, below, found)


def missing(values: dict[str, Any]) -> list[str]:
    """The fields of the settings' models that are nowhere shown."""
    found: dict[type[BaseModel], set[str]] = {}
    gather(Settings, [values], found)
    return [
        f"{model.__name__}.{name}"
        for model, keys in found.items()
        for name in model.model_fields
        if name not in keys
    ]


def tables() -> dict[str, BaseModel]:
    """The settings with everything in force, by the names of their tables."""
    settings = from_values(in_force(), str(EXAMPLE))
    floor = settings.floor
    sections = {name: getattr(settings, name) for name in Settings.model_fields}
    rows = {"queues": floor.queues, "agents": floor.agents, "extensions": floor.extensions}
    return sections | {f"floor.{name}": found for name, (found,) in rows.items()}


def test_every_key_is_shown() -> None:
    assert missing(in_force()) == []


def test_a_key_that_is_not_shown_is_found() -> None:
    values = in_force()
    del values["pbx"]["ami_port"]
    del values["floor"]["queues"][0]["overflow"][1]["waiting_over"]
    assert missing(values) == ["PbxSettings.ami_port", "Overflow.waiting_over"]


def test_it_loads_with_everything_in_force() -> None:
    assert tables().keys() >= {"server", "floor.queues"}
    kinds = {type(table) for table in tables().values()}
    assert {Floor, QueueSettings} <= kinds


@pytest.mark.parametrize("each", list(shown()), ids=lambda each: f"{each.table}.{each.key}")
def test_a_key_is_explained_and_its_default_is_true(each: Shown) -> None:
    assert each.remark, "it has no remark"
    table = tables()[each.table]
    field = type(table).model_fields[each.key]
    default = field.get_default(call_default_factory=True)
    is_default = not field.is_required() and getattr(table, each.key) == default
    if each.says_default:
        assert is_default, f"the default is {default!r}"
    else:
        assert is_default or "default" in each.remark, "the remark does not name the default"
    if each.left_out and not each.says_default:
        assert not is_default, "an example that shows the default is none"
