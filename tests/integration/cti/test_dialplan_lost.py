"""An agent's phone dies under a conversation: the customer must not be the one who pays."""

from pathlib import Path

import pytest

from tests.support.dialplan import floor, site
from tests.support.sandbox import TestSandbox
from tests.support.sipp import SCENARIOS, start_sipp

pytestmark = pytest.mark.asterisk


async def test_dead_phone_brings_the_customer_back_to_the_wait(
    sandbox: TestSandbox, tmp_path: Path
) -> None:
    """No BYE comes from a browser that crashed, only silence: the RTP timeout ends its leg."""
    async with site(sandbox, floor(), desk_rtp_timeout_seconds=2) as centre:
        # The customer is sipp here: it must live on while the far end with the phones is killed.
        sipp = start_sipp(
            SCENARIOS / "call.xml",
            folder=tmp_path,
            target_port=centre.pbx.ports.sip,
            local_port=centre.pbx.sipp,
            number="100",
            options={"-d": "60000"},
        )
        try:
            entered = await centre.said("ZxEnter")
            await centre.offer(entered, "o1", flags="rs")
            agent = centre.far_end.agent("8001")
            await agent.ringing.wait()
            await agent.answer()
            await centre.far_end.kill()
            back = await centre.said("ZxBack", Offer="o1")
            assert (back["Reason"], back["Status"]) == ("agent_lost", "ANSWER")
            await centre.stands(entered, "zuoxi-wait")
            assert await centre.variable("ZX_STATE", entered["Channel"]) == "waiting"
            assert sipp.running
        finally:
            await sipp.kill()
