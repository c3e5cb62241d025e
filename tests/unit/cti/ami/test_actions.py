"""Actions on the wire."""

import pytest

from cti.ami import actions
from cti.ami.actions import Action
from cti.ami.wire import encode_action

CASES: list[tuple[Action, list[tuple[str, str]]]] = [
    (actions.Ping(), []),
    (actions.Challenge(), [("AuthType", "MD5")]),
    (
        actions.Login(username="u", auth_type="MD5", key="k", events="call"),
        [("Username", "u"), ("AuthType", "MD5"), ("Key", "k"), ("Events", "call")],
    ),
    (
        actions.Login(username="u", secret="s"),
        [("Username", "u"), ("Secret", "s"), ("Events", "on")],
    ),
    (actions.Status(), []),
    (actions.Status(channel="c", variables=("A", "B")), [("Channel", "c"), ("Variables", "A,B")]),
    (
        actions.Redirect(channel="c", context="x", exten="e"),
        [("Channel", "c"), ("Context", "x"), ("Exten", "e"), ("Priority", "1")],
    ),
    (actions.Hangup(channel="c"), [("Channel", "c"), ("Cause", "16")]),
    (actions.Setvar(variable="V", value="v"), [("Variable", "V"), ("Value", "v")]),
    (
        actions.MixMonitorMute(channel="c", mute=True),
        [("Channel", "c"), ("Direction", "both"), ("State", "1")],
    ),
    (
        actions.QueueAdd(queue="q", interface="i", member_name="m", paused=True),
        [
            *(("Queue", "q"), ("Interface", "i"), ("MemberName", "m")),
            *(("Penalty", "0"), ("Paused", "true")),
        ],
    ),
    (
        actions.QueuePause(interface="i", paused=False, reason="lunch"),
        [("Interface", "i"), ("Paused", "false"), ("Reason", "lunch")],
    ),
    (
        actions.QueueWithdrawCaller(queue="zx-support", caller="PJSIP/trunk-1"),
        [("Queue", "zx-support"), ("Caller", "PJSIP/trunk-1")],
    ),
    (
        actions.UserEvent(user_event="ZxEpoch", fields={"Epoch": "7"}),
        [("UserEvent", "ZxEpoch"), ("Epoch", "7")],
    ),
]


@pytest.mark.parametrize(("action", "headers"), CASES)
def test_headers(action: Action, headers: list[tuple[str, str]]) -> None:
    assert action.headers() == headers
    assert encode_action(type(action).__name__, action.headers())


def test_originate_is_always_asynchronous_and_names_its_channel() -> None:
    """Without Async, Asterisk answers nothing else on this connection until the call ends."""
    action = actions.Originate(
        channel="PJSIP/1", channel_id="zx-1", context="c", exten="e", variables={"A": "1", "B": "2"}
    )
    headers = action.headers()
    assert ("Async", "true") in headers
    assert ("ChannelId", "zx-1") in headers
    assert [value for name, value in headers if name == "Variable"] == ["A=1", "B=2"]
    assert "async" not in {field.lower() for field in action.__struct_fields__}
