"""Settings: the documented example loads, the environment wins, every error names its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.settings import SettingsError, from_values, load

EXAMPLE = Path(__file__).parents[3] / "config" / "zuoxi.example.toml"


def test_the_documented_example_is_valid():
    settings = load(EXAMPLE)
    assert settings.floor.queues[0].name == "support"
    assert settings.web.host == "127.0.0.1"


def test_environment_overrides_the_file(monkeypatch):
    monkeypatch.setenv("ZUOXI_PBX__AMI_SECRET", "from the environment")
    settings = load(EXAMPLE)
    assert settings.pbx.ami_secret.get_secret_value() == "from the environment"
    assert settings.pbx.sip_domain == "pbx.example.com"


def test_a_secret_does_not_show_in_the_repr():
    settings = from_values({"pbx": {"ami_secret": "s3cret"}}, "test")
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({}, "pbx"),
        ({"pbx": {"ami_secret": "x", "ami_prot": 1}}, "pbx.ami_prot"),
        ({"pbx": {"ami_secret": "x", "ami_port": 70000}}, "pbx.ami_port"),
        ({"pbx": {"ami_secret": "x"}, "web": {"tls_key": "/k"}}, "web"),
        (
            {"pbx": {"ami_secret": "x"}, "floor": {"queues": [{"name": "Bad Name"}]}},
            "floor.queues.0.name",
        ),
        ({"pbx": {"ami_secret": "x"}, "floor": {"country": "China"}}, "floor.country"),
        (
            {
                "pbx": {"ami_secret": "x"},
                "floor": {"agents": [{"id": "1", "name": "a", "queues": [{"queue": "nope"}]}]},
            },
            "floor",
        ),
    ],
)
def test_every_error_names_its_key(values, key):
    with pytest.raises(SettingsError) as caught:
        from_values(values, "zuoxi.toml")
    assert any(problem.startswith(key + ":") for problem in caught.value.problems)


def test_a_missing_or_broken_file_says_what_to_do(tmp_path):
    with pytest.raises(SettingsError, match=r"copy config/zuoxi.example.toml"):
        load(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[pbx\n")
    with pytest.raises(SettingsError, match="not a TOML file"):
        load(tmp_path / "bad.toml")
