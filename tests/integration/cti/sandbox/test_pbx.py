"""The sandbox PBX starts, carries calls and ends without a trace."""

from pathlib import Path

import pytest

from cti.sandbox.far_end import FarEndError
from cti.sandbox.remote import ConnectionLostError
from tests.support.sandbox import TestSandbox

pytestmark = pytest.mark.asterisk

ANSWER = """
[from-trunk]
exten => 4001,1,Answer()
 same => n,MusicOnHold()
exten => 4002,1,Answer()
 same => n,Wait(60)
exten => 4003,1,Dial(PJSIP/1001,30)
exten => 4004,1,Answer()
 same => n,Read(DIGITS,,2,,,10)
 same => n,UserEvent(Digits,Digits: ${DIGITS})
 same => n,Wait(60)
"""
PHONE = """
[1001]
type = endpoint
context = default
disallow = all
allow = ulaw
auth = 1001
aors = 1001
direct_media = no
[1001]
type = aor
max_contacts = 1
[1001]
type = auth
username = 1001
password = secret
"""
EXTRA = {"extensions.conf": ANSWER, "pjsip.conf": PHONE}


def alive(pid: int) -> bool:
    return Path("/proc", str(pid)).exists()


async def test_starts_without_complaint_and_leaves_no_process(sandbox: TestSandbox):
    pbx = await sandbox.pbx()
    pid = pbx.pid
    assert alive(pid)
    assert "ERROR" not in pbx.messages
    assert "WARNING" not in pbx.messages
    await pbx.stop()
    assert not alive(pid)


async def test_two_stand_beside_one_another(sandbox: TestSandbox):
    one, other = await sandbox.pbx(), await sandbox.pbx()
    assert one.pid != other.pid
    assert one.running
    assert other.running


async def test_starts_again_after_kill(sandbox: TestSandbox):
    pbx = await sandbox.pbx()
    await pbx.kill()
    assert not pbx.running
    await pbx.start()
    assert pbx.running


async def test_customer_hears_music_through_the_trunk(sandbox: TestSandbox):
    pbx = await sandbox.pbx(extra=EXTRA)
    far_end = await sandbox.far_end(pbx)
    caller = await far_end.call("4001", "+8613800138000")
    await caller.answered.wait()
    await caller.hears()
    await caller.hang_up()


async def test_customer_who_loses_patience_hangs_up(sandbox: TestSandbox):
    pbx = await sandbox.pbx(extra=EXTRA)
    far_end = await sandbox.far_end(pbx)
    caller = await far_end.call("4002", "+8613800138000", patience_seconds=0.3)
    await caller.ended.wait()
    assert caller.answered.is_set()
    assert not caller.connected.is_set()


async def test_agent_registers_answers_and_both_hear(sandbox: TestSandbox):
    pbx = await sandbox.pbx(extra=EXTRA)
    far_end = await sandbox.far_end(pbx, phones={"1001": "secret"})
    agent = far_end.agent("1001")
    caller = await far_end.call("4003", "+8613800138000")
    await agent.ringing.wait()
    assert agent.caller_number == "+8613800138000"
    assert not caller.answered.is_set()
    await agent.answer()
    await caller.answered.wait()
    await caller.hears()
    await agent.hears()
    await agent.hang_up()
    await caller.ended.wait()


async def test_agent_answers_alone_and_customer_learns_it(sandbox: TestSandbox):
    pbx = await sandbox.pbx(extra=EXTRA)
    far_end = await sandbox.far_end(pbx, phones={"1001": "secret"})
    far_end.agent("1001").auto_answer(0.1, talk_seconds=0.5)
    caller = await far_end.call("4003", "+8613800138000", patience_seconds=30)
    await caller.connected.wait()
    await caller.ended.wait()


async def test_agent_rejects(sandbox: TestSandbox):
    pbx = await sandbox.pbx(extra=EXTRA)
    far_end = await sandbox.far_end(pbx, phones={"1001": "secret"})
    agent = far_end.agent("1001")
    caller = await far_end.call("4003", "+8613800138000")
    await agent.ringing.wait()
    await agent.reject()
    await caller.ended.wait()
    assert caller.cause == "17"


async def test_phone_leaves_the_network_and_comes_back(sandbox: TestSandbox):
    pbx = await sandbox.pbx(extra=EXTRA)
    far_end = await sandbox.far_end(pbx, phones={"1001": "secret"})
    agent = far_end.agent("1001")
    await agent.unregister()
    caller = await far_end.call("4003", "+8613800138000")
    await caller.ended.wait()
    await agent.register()
    caller = await far_end.call("4003", "+8613800138000")
    await agent.ringing.wait()


async def test_keys_arrive(sandbox: TestSandbox):
    pbx = await sandbox.pbx(extra=EXTRA)
    far_end = await sandbox.far_end(pbx)
    remote = await sandbox.remote(pbx)
    caller = await far_end.call("4004", "+8613800138000")
    await caller.answered.wait()
    await caller.send_dtmf("42")
    event = await remote.event("UserEvent", UserEvent="Digits")
    assert event["Digits"] == "42"


async def test_sipp_calls_through_the_trunk(sandbox: TestSandbox, sipp):
    pbx = await sandbox.pbx(extra=EXTRA)
    result = await sipp(pbx, "call", number="4002", calls=5, options={"-d": "100"})
    assert result.code == 0, result.output


async def test_a_wrong_password_is_told_at_once(sandbox: TestSandbox, monkeypatch):
    monkeypatch.setattr("cti.sandbox.far_end.REGISTER_SECONDS", 0.5)
    pbx = await sandbox.pbx(extra=EXTRA)
    with pytest.raises(FarEndError, match="1001"):
        await sandbox.far_end(pbx, phones={"1001": "guess"})


async def test_an_action_fails_when_asterisk_is_gone(sandbox: TestSandbox):
    pbx = await sandbox.pbx()
    remote = await sandbox.remote(pbx)
    await pbx.kill()
    for _ in range(2):  # while the connection breaks, and after it broke
        with pytest.raises(ConnectionLostError):
            await remote.act("Ping")


async def test_a_number_that_the_trunk_refuses_ends_the_call(sandbox: TestSandbox):
    pbx = await sandbox.pbx(extra=EXTRA)
    far_end = await sandbox.far_end(pbx)
    caller = await far_end.call("9999", "+8613800138000")
    await caller.ended.wait()
    assert not caller.answered.is_set()


async def test_a_busy_phone_takes_no_second_call(sandbox: TestSandbox):
    pbx = await sandbox.pbx(extra=EXTRA)
    far_end = await sandbox.far_end(pbx, phones={"1001": "secret"})
    agent = far_end.agent("1001")
    first = await far_end.call("4003", "+8613800138000")
    await agent.ringing.wait()
    second = await far_end.call("4003", "+8613900139000")
    await second.ended.wait()
    assert agent.ringing.is_set()
    assert agent.caller_number == "+8613800138000"
    await agent.answer()
    await first.answered.wait()
