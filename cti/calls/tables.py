"""Every legal transition of a call and of its parts, and nothing else.

A step that is not in its table is illegal: AMI is hostile and has gaps, so such a step is counted
and changes nothing. docs/states.md is drawn from these tables.
"""

from __future__ import annotations

from typing import Final

from cti import domain as d

NONE: Final = "none"
"""Before the first event."""

Table = dict[str, dict[type[d.Event], str]]

CALL: Final[Table] = {
    NONE: {d.CallStarted: "live"},
    "live": {
        d.CallTransferred: "live",
        d.CallMerged: "live",
        d.CallEnded: "ended",
        d.CallHandedOver: NONE,
    },
    "ended": {},
}
"""A call that became part of another one is gone; its id finds the other call from then on.
One that another server has is forgotten, and may come back."""

LEG: Final[Table] = {
    NONE: {d.LegStarted: "down"},
    "down": {
        d.LegRinging: "ringing",
        d.LegAnswered: "up",
        d.LegRenamed: "down",
        d.LegEnded: "ended",
    },
    "ringing": {d.LegAnswered: "up", d.LegRenamed: "ringing", d.LegEnded: "ended"},
    "up": {d.LegJoined: "joined", d.LegRenamed: "up", d.LegEnded: "ended"},
    "joined": {
        d.LegJoined: "joined",
        d.LegLeft: "up",
        d.LegHeld: "holding",
        d.LegRenamed: "joined",
        d.LegEnded: "ended",
    },
    "holding": {
        d.LegJoined: "holding",
        d.LegLeft: "up",
        d.LegResumed: "joined",
        d.LegRenamed: "holding",
        d.LegEnded: "ended",
    },
    "ended": {},
}
"""joined: in a bridge; holding: in a bridge, and its party has put the other side on hold."""

VISIT: Final[Table] = {
    NONE: {d.QueueEntered: "waiting"},
    "waiting": {d.NativeEntered: "native", d.QueueLeft: "left"},
    "native": {d.NativeLeft: "waiting", d.QueueLeft: "left"},
    "left": {d.QueueEntered: "waiting"},
}
"""A caller whose agent was lost comes back into the same visit."""

OFFER: Final[Table] = {
    NONE: {d.OfferMade: "pending"},
    "pending": {d.OfferEnded: "ended"},
    "ended": {},
}

RECORDING: Final[Table] = {
    NONE: {d.RecordingStarted: "running", d.RecordingFaulty: "faulty"},
    "running": {
        d.RecordingPaused: "paused",
        d.RecordingStored: "stored",
        d.RecordingFaulty: "faulty",
    },
    "paused": {
        d.RecordingResumed: "running",
        d.RecordingStored: "stored",
        d.RecordingFaulty: "faulty",
    },
    "stored": {d.RecordingFaulty: "faulty"},
    "faulty": {d.RecordingStored: "stored"},
}
"""A file may be found after it was missed, and be found wrong after it was stored. What never began
is faulty at once."""

TABLES: Final[dict[str, Table]] = {
    "call": CALL,
    "leg": LEG,
    "queue visit": VISIT,
    "offer": OFFER,
    "recording": RECORDING,
}
