"""Settings: the documented example loads, the environment wins, every error names its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config.settings import SettingsError, from_values, load

EXAMPLE = Path(__file__).parents[3] / "config" / "zuoxi.example.toml"


def test_the_documented_example_is_valid():
    settings = load(EXAMPLE)
    assert settings.floor.queues[0].name == "support"
    assert settings.web.host == "127.0.0.1"


@pytest.mark.parametrize("name", ["ZUOXI_FLOOR", "ZUOXI_WEB__ORIGINS"])
def test_a_list_in_the_environment_has_to_be_json(monkeypatch, name):
    monkeypatch.setenv(name, "no json")
    with pytest.raises(SettingsError) as refused:
        load(EXAMPLE)
    assert name in refused.value.problems[0]
    assert "JSON" in refused.value.problems[0]


def test_environment_overrides_the_file(monkeypatch):
    monkeypatch.setenv("ZUOXI_PBX__AMI_SECRET", "from the environment")
    settings = load(EXAMPLE)
    assert settings.pbx.ami_secret.get_secret_value() == "from the environment"
    assert settings.pbx.sip_domain == "pbx.example.com"


def test_a_secret_does_not_show_in_the_repr():
    settings = from_values({"pbx": {"ami_secret": "s3cret"}}, "test")
    assert "s3cret" not in repr(settings)


def floor(**values: Any) -> dict[str, Any]:
    """Settings with one queue and this."""
    queue = {"name": "support", **values.pop("queue", {})}
    return {"pbx": {"ami_secret": "x"}, "floor": {"queues": [queue], **values}}


def web(**values: Any) -> dict[str, Any]:
    return {"pbx": {"ami_secret": "x"}, "web": values}


def agent(agent_id: str, *queues: str) -> dict[str, Any]:
    return {"id": agent_id, "name": "a", "queues": [{"queue": queue} for queue in queues]}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "pbx: has to be set"),
        ({"pbx": {}}, "pbx.ami_secret: has to be set"),
        ({"pbx": {"ami_secret": "x", "ami_prot": 1}}, "pbx.ami_prot: no such setting"),
        ({"pbx": {"ami_secret": "x", "ami_port": 70000}}, "pbx.ami_port: "),
        (web(tls_key="/k"), "web.tls_certificate: has to be set"),
        (web(tls_certificate="/c"), "web.tls_key: has to be set"),
        (floor(queue={"name": "Bad Name"}), "floor.queues[Bad Name].name: "),
        (floor(queue={"ring_seconds": 1}), "floor.queues[support].ring_seconds: "),
        (floor(country="China"), "floor.country: "),
        (floor(country="XX"), "floor.country: 'XX' is no country"),
        (floor(time_zone="Mars"), "floor.time_zone: 'Mars' is no time zone"),
        (floor(time_zone="../etc/passwd"), "floor.time_zone: "),
        (
            floor(agents=[agent("1001", "support", "nope")]),
            "floor.agents[1001].queues[1].queue: no queue is named 'nope'",
        ),
        (floor(agents=[agent("1001"), agent("1001")]), "floor.agents[1001].id: given twice"),
        (floor(extensions=[{"number": "81"}] * 2), "floor.extensions[81].number: given twice"),
        (
            floor(queues=[{"name": "a"}, {"name": "a"}]),
            "floor.queues[a].name: given twice",
        ),
        (
            floor(queue={"when_closed": {"kind": "queue", "target": "nope"}}),
            "floor.queues[support].when_closed.target: no queue is named 'nope'",
        ),
        (
            floor(queue={"when_no_agents": {"kind": "number"}}),
            "floor.queues[support].when_no_agents.target: has to be set",
        ),
        (
            floor(queue={"overflow": [{"to": {"kind": "queue", "target": "nope"}}]}),
            "floor.queues[support].overflow[0].to.target: no queue is named 'nope'",
        ),
    ],
)
def test_every_error_names_its_key(values: dict[str, Any], problem: str):
    with pytest.raises(SettingsError) as caught:
        from_values(values, "zuoxi.toml")
    [line] = caught.value.problems
    assert line.startswith(problem)


def test_all_errors_are_told_at_once():
    values = floor(agents=[agent("1001", "nope"), agent("1001", "none")])
    with pytest.raises(SettingsError) as caught:
        from_values(values, "zuoxi.toml")
    assert len(caught.value.problems) == 3


def test_a_missing_or_broken_file_says_what_to_do(tmp_path):
    with pytest.raises(SettingsError, match=r"copy config/zuoxi.example.toml"):
        load(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[pbx\n")
    with pytest.raises(SettingsError, match="not a TOML file"):
        load(tmp_path / "bad.toml")
