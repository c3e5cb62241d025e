"""What the demo says when it does not come to be."""

import signal

import pytest

from cti.sandbox import demo
from cti.sandbox.system import Place, Say


def test_ctrl_c_during_the_set_up_is_no_error(
    ctrl_c: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def interrupted(*, say: Say) -> Place:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError

    monkeypatch.setattr(demo, "prepare_place", interrupted)
    assert demo.run_demo(port=8080, agents=3, customers_per_minute=1) == 130
    assert "the next start goes on" in capsys.readouterr().err
