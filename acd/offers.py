"""Offers: one call reserved for one agent, and how the reservation ended.

The PBX tells the end by UserEvent ZxBack (not answered) or by the agent's leg in the bridge. A
miss counts against an agent only when the phone rang and nothing but the agent was in the way.
"""

from __future__ import annotations

from typing import Final

import msgspec

from cti.domain import AgentId, CallId, LegId, OfferEnd, OfferId, QueueName

GRACE_SECONDS: Final = 4.0
"""So long after the ring time the PBX may be silent about an offer before it is taken back."""
PASS_OVER_SECONDS: Final = 10.0
"""So long a caller is not offered again to an agent who has just missed or refused it."""
HOLD_SECONDS: Final = 2.0
"""So long a caller rests whose channel the PBX could not redirect."""
WITHDRAWN_SECONDS: Final = 2.0
"""So long after we fetched a caller back the PBX may still say that an offer came to an end. Where
the fetching overtook the offer, there was none, and it says nothing."""
REFUSED: Final = "refused"
REJECTED: Final = "rejected_in_panel"
OVERTAKEN: Final = "overtaken"
OVERTAKEN_SECONDS: Final = 2.0
"""So long an offer may show no ringing phone after a stale redirect put its caller back into the
wait. Where the stale one came first, ours is still under way; where it came last, ours is lost."""
SILENT: Final = "no_answer_from_pbx"
SILENT_SECONDS: Final = 30.0
"""So long a caller is left to the dialplan about whose offer nothing was heard."""


class Offer(msgspec.Struct, kw_only=True):
    """A pending offer.

    :param until: epoch seconds at which the phone stops ringing.
    :param leg_id: the agent's leg, None until the PBX has made it.
    :param disturbed: the link broke while it rang, so a miss cannot be the agent's.
    :param record: the dialplan was told to record.
    """

    id: OfferId
    call_id: CallId
    visit_id: str
    agent_id: AgentId
    queue: QueueName
    epoch: int
    made_at: float
    until: float
    leg_id: LegId | None = None
    channel: str | None = None
    disturbed: bool = False
    record: bool = False


class Ending(msgspec.Struct, frozen=True):
    """How an offer ended, in the words of `OfferEnded`."""

    end: OfferEnd
    detail: str
    counts_as_miss: bool = False


BY_REASON: Final[dict[str, Ending]] = {
    "noanswer": Ending("timed_out", "noanswer", counts_as_miss=True),
    "busy": Ending("rejected", "busy", counts_as_miss=True),
    "rejected": Ending("rejected", "rejected", counts_as_miss=True),
    "rescinded": Ending("rescinded", "rescinded"),
    "unavailable": Ending("failed", "unreachable"),
    "agent_lost": Ending("failed", "agent_lost"),
    "stale": Ending("failed", "stale_epoch"),
}
"""ZxBack's Reason -> ending."""

BY_STATUS: Final[dict[str, str]] = {
    "NOANSWER": "noanswer",
    "BUSY": "busy",
    "CHANUNAVAIL": "unavailable",
    "CONGESTION": "unavailable",
    "CANCEL": "rescinded",
}
"""DIALSTATUS -> reason, where the dialplan gave none that we know."""

BY_WITHDRAWAL: Final[dict[str, Ending]] = {
    REJECTED: Ending("rejected", REJECTED, counts_as_miss=True),
    "agent_signed_out": Ending("rescinded", "agent_signed_out"),
    "agent_busy": Ending("rescinded", "agent_busy"),
    "unreachable": Ending("failed", "unreachable"),
}
"""Why we took an offer back -> ending."""


def ending(
    offer: Offer, reason: str, status: str, withdrawn: str | None, reachable: bool
) -> Ending:
    """Judge an offer that came back without an answer.

    :param reason, status: of ZxBack; anything may stand there.
    :param withdrawn: why we took it back, None when we did not.
    :param reachable: whether the agent can be rung at this moment.
    """
    if withdrawn is not None and reason != "stale":
        return BY_WITHDRAWAL[withdrawn]
    found = BY_REASON.get(reason) or BY_REASON.get(BY_STATUS.get(status.upper(), ""))
    if found is None:
        return Ending("failed", "unknown")
    if found.counts_as_miss and not reachable:
        return Ending("failed", "unreachable")
    if found.counts_as_miss and offer.disturbed:
        return Ending(found.end, "link_lost")
    return found
