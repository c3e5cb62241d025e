"""Settings: one TOML file plus environment variables, validated before anything starts.

`ZUOXI_PBX__AMI_SECRET=...` overrides `[pbx] ami_secret`. Every error names its key. The documented
example is config/zuoxi.example.toml; a test loads it.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import phonenumbers
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as UnreadableVariableError

from config.floor import Floor, Frozen, MistakesError, Where

Port = Annotated[int, Field(ge=1, le=65535)]
Codec = Literal["opus", "g722", "alaw", "ulaw"]
NAMES = ("id", "number", "code", "name")
"""By what a row of a list is called, in this order."""


class SettingsError(Exception):
    """The settings cannot be used. `problems`: one line per key, with what to do."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.source = source
        self.problems = problems
        super().__init__(f"{source}: " + "; ".join(problems))


class ServerSettings(Frozen):
    """This process."""

    node: str = Field(default="pbx1", pattern=r"^[a-z0-9]{1,16}$", description="one per Asterisk")
    state_folder: Path = Field(default=Path("var/server"), description="journal spool, secrets")
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class PbxSettings(Frozen):
    """Asterisk: where it is and how long we wait for it."""

    ami_host: str = "127.0.0.1"
    ami_port: Port = 5038
    ami_user: str = "zuoxi"
    ami_secret: SecretStr
    agi_host: str = Field(default="127.0.0.1", description="our FastAGI listens here")
    agi_port: Port = 4573
    agi_allowed: list[str] = Field(
        default_factory=lambda: ["127.0.0.1"], description="addresses of Asterisk"
    )
    heartbeat_seconds: float = Field(default=2.0, ge=0.5, le=10)
    heartbeat_limit_seconds: int = Field(
        default=8, ge=3, le=60, description="older than this, callers go to the native queue"
    )
    sip_ws_url: str = Field(
        default="ws://127.0.0.1:8088/ws", description="Asterisk's WebSocket, as browsers reach it"
    )
    sip_domain: str = Field(
        default="127.0.0.1", description="right of the @ in agents' SIP addresses"
    )
    browser_codecs: tuple[Codec, ...] = Field(
        default=("opus", "alaw", "ulaw"),
        min_length=1,
        description="of agents' browsers; opus only where Asterisk can transcode it",
    )
    desk_codecs: tuple[Codec, ...] = Field(
        default=("alaw", "ulaw", "g722"), min_length=1, description="of agents' desk phones"
    )
    secrets_file: Path = Field(
        default=Path("var/server/extension-secrets.json"),
        description="passwords of the extensions, made by `zuoxi pbx install`",
    )
    shared_events: bool = Field(
        default=False,
        description="another program reads this PBX's manager events; none is switched off then",
    )
    show_numbers_on_phones: bool = Field(
        default=False,
        description="agents' phones and browsers get callers' numbers in full, not 138****8000",
    )
    cdr_folder: Path | None = Field(
        default=None, description="where Asterisk writes cdr-csv/ and cel-custom/, for reconcile"
    )


class DatabaseSettings(Frozen):
    """PostgreSQL 15 to 18. Without a DSN the embedded server is started."""

    dsn: SecretStr | None = None
    pool_size: int = Field(default=8, ge=2, le=100)


class WebSettings(Frozen):
    """HTTP and WebSocket for browsers. Loopback unless told otherwise."""

    host: str = "127.0.0.1"
    port: Port = 8080
    origins: list[str] = Field(
        default_factory=list, description="origins of browsers; empty: http(s)://host:port itself"
    )
    trusted_proxies: list[str] = Field(
        default_factory=list,
        description="addresses of proxies in front, whose X-Forwarded-For is believed",
    )
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    session_idle_seconds: int = Field(default=12 * 3600, ge=60)
    session_limit_seconds: int = Field(default=24 * 3600, ge=300)

    @model_validator(mode="after")
    def _key_with_certificate(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            missing = "tls_key" if self.tls_key is None else "tls_certificate"
            raise MistakesError([((missing,), "has to be set: certificate and key go together")])
        return self


class RecordingSettings(Frozen):
    """Recordings."""

    spool_folder: Path = Field(
        default=Path("var/recordings/spool"), description="Asterisk writes here"
    )
    store_folder: Path = Field(default=Path("var/recordings/store"))


class Settings(BaseSettings):
    """All settings of `zuoxi serve`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="ZUOXI_", env_nested_delimiter="__"
    )

    server: ServerSettings = ServerSettings()
    pbx: PbxSettings
    database: DatabaseSettings = DatabaseSettings()
    web: WebSettings = WebSettings()
    recording: RecordingSettings = RecordingSettings()
    floor: Floor = Floor()

    @model_validator(mode="after")
    def _known_country(self) -> Self:
        if self.floor.country not in phonenumbers.SUPPORTED_REGIONS:
            what = f"{self.floor.country!r} is no country, like CN"
            raise MistakesError([(("floor", "country"), what)])
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over file; no .env files and no secrets folder."""
        del dotenv_settings, file_secret_settings
        return env_settings, init_settings


def load(path: Path) -> Settings:
    """Read and validate the TOML file at `path`, overridden by the environment.

    :raises SettingsError: the file is missing, no TOML, or a key is wrong.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            str(path), ["no such file; copy config/zuoxi.example.toml and edit it"]
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), [f"not a TOML file: {error}"]) from None
    return from_values(values, str(path))


def from_values(values: dict[str, Any], source: str) -> Settings:
    """Validate `values` (as TOML gives them); `source` names them in errors."""
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError(source, in_words(error, values)) from None
    except UnreadableVariableError:
        # It names only the table; the variables that may be meant are few.
        given = sorted(name for name in os.environ if name.upper().startswith("ZUOXI_"))
        raise SettingsError(
            "the environment",
            [f'one of {", ".join(given)}: a list or a table is given as JSON, such as ["a"]'],
        ) from None


def in_words(error: ValidationError, values: object) -> list[str]:
    """One line for each mistake in `values`: its key and what to do."""
    return [line for item in error.errors() for line in _lines(item, values)]


def _lines(item: ErrorDetails, values: object) -> list[str]:
    found = item.get("ctx", {}).get("error")
    if isinstance(found, MistakesError):
        return [f"{_key((*item['loc'], *where), values)}: {what}" for where, what in found.found]
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        message = "no such setting; is it misspelt?"
    if item["type"] == "missing":
        message = "has to be set"
    return [f"{_key(item['loc'], values)}: {message}"]


def _key(where: Where, values: Any) -> str:  # noqa: ANN401 - whatever TOML gives
    """Such as `floor.agents[1001].queues[0].queue`: who has a name is called by it."""
    key = ""
    for part in where:
        try:
            values = values[part]
        except (LookupError, TypeError):  # missing, or from the environment
            values = None
        if isinstance(part, int):
            row = values if isinstance(values, dict) else {}
            key += f"[{next((row[name] for name in NAMES if name in row), part)}]"
        else:
            key += f".{part}"
    return key.removeprefix(".")
