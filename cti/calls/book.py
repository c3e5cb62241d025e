"""The calls as the domain events tell them: the only place where their state changes.

`Book.evolve` knows every event of a call. What it builds depends on the events alone, so the book
of a replayed journal equals the one that was kept live.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

import msgspec

from cti import domain as d
from cti.calls.tables import CALL, LEG, NONE, OFFER, RECORDING, VISIT, Table
from cti.domain import AgentId, CallId, LegId, OfferId, QueueName

ENDED_CALLS_KEPT: Final = 2_000
"""So many ended calls stay known, for dispositions and for events that come late."""
PBX_DIED: Final = "pbx_died"
"""`cause_text` of a leg that ended with the whole PBX."""

LegEvent = (
    d.LegRinging
    | d.LegAnswered
    | d.LegRenamed
    | d.LegJoined
    | d.LegLeft
    | d.LegHeld
    | d.LegResumed
    | d.LegEnded
)
VisitEvent = d.NativeEntered | d.NativeLeft | d.QueueLeft
RecordingEvent = d.RecordingPaused | d.RecordingResumed | d.RecordingStored | d.RecordingFaulty


class Hold(msgspec.Struct, gc=False):
    """A leg's party kept the other side on hold; `until` is None while it lasts."""

    leg_id: LegId
    since: float
    until: float | None = None


class Leg(msgspec.Struct, gc=False):
    """One channel's share of a call.

    :param state: a state of `tables.LEG`.
    :param room: the bridge it stands in, None outside of bridges.
    """

    leg_id: LegId
    kind: d.LegKind
    channel: str
    started_at: float
    agent_id: AgentId | None = None
    extension: str | None = None
    number: str | None = None
    state: str = NONE
    room: str | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    cause: int | None = None
    hung_up: bool = False
    exact: bool = True

    @property
    def live(self) -> bool:
        """Whether its channel exists."""
        return self.ended_at is None


class Visit(msgspec.Struct, gc=False):
    """One wait in one queue. `state`: a state of `tables.VISIT`."""

    visit_id: str
    queue: QueueName
    leg_id: LegId
    entered_at: float
    state: str = NONE
    left_at: float | None = None
    reason: d.VisitEnd | None = None
    waited_seconds: float | None = None
    agent_id: AgentId | None = None


class Offer(msgspec.Struct, gc=False):
    """The call reserved for one agent. `state`: a state of `tables.OFFER`."""

    offer_id: OfferId
    visit_id: str
    agent_id: AgentId
    queue: QueueName
    extension: str
    made_at: float
    state: str = NONE
    ended_at: float | None = None
    end: d.OfferEnd | None = None
    detail: str = ""


class Recording(msgspec.Struct, gc=False):
    """One file. `state`: a state of `tables.RECORDING`."""

    recording_id: str
    file: str
    started_at: float
    queue: QueueName | None = None
    state: str = NONE
    path: str | None = None
    fault: str | None = None


class Transfer(msgspec.Struct, gc=False):
    """A completed transfer. `kind`: "blind" or "attended"."""

    at: float
    kind: str
    by_leg: LegId | None
    to: str | None


class Call(msgspec.Struct):
    """One customer's contact from first ring to last hang-up.

    :param state: a state of `tables.CALL`.
    :param last_at: the latest moment known of it; its clock never runs backwards.
    :param talk_seconds: talk time up to `talking_since`, or all of it when nobody talks.
    :param agent_id: who talked first to the customer.
    :param talk_ended_by: who left the last talk first; None while it runs and after a transfer.
    :param transferring: a transfer is taking the agent out of the talk that runs.
    :param conversed: two legs of any kinds stood in one bridge.
    :param merged: ids of the calls that became part of this one.
    """

    call_id: CallId
    direction: d.Direction
    started_at: float
    linkedid: str
    caller_number: str | None = None
    caller_name: str | None = None
    called_number: str | None = None
    adopted: bool = False
    state: str = NONE
    last_at: float = 0.0
    legs: dict[LegId, Leg] = {}
    visits: dict[str, Visit] = {}
    offers: dict[OfferId, Offer] = {}
    recordings: dict[str, Recording] = {}
    holds: list[Hold] = []
    transfers: list[Transfer] = []
    merged: list[CallId] = []
    linkedids: list[str] = []
    talk_seconds: float = 0.0
    talking_since: float | None = None
    talked: bool = False
    conversed: bool = False
    agent_id: AgentId | None = None
    talk_ended_by: d.Party | None = None
    transferring: bool = False
    lost: bool = False
    outcome: d.Outcome | None = None
    ended_by: d.Party | None = None
    ended_at: float | None = None
    exact: bool = True
    consent: bool | None = None
    refused: bool = False
    survey_score: int | None = None
    callback_number: str | None = None
    disposition: str | None = None
    notes: str = ""

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return self.ended_at is None

    def live_legs(self) -> Iterator[Leg]:
        """Legs whose channels exist, in the order in which they came."""
        return (leg for leg in self.legs.values() if leg.ended_at is None)

    def customer(self) -> Leg | None:
        """The customer's live leg."""
        return next((leg for leg in self.live_legs() if leg.kind == "customer"), None)

    def leg_of(self, agent_id: AgentId) -> Leg | None:
        """The agent's live leg, the newest where there are several."""
        legs = [leg for leg in self.live_legs() if leg.agent_id == agent_id]
        return legs[-1] if legs else None

    def in_talk(self, leg: Leg, besides: Collection[LegId | None] = ()) -> bool:
        """Whether the leg shares its room with another of the call, these left aside."""
        others = (
            other.room
            for other in self.live_legs()
            if other is not leg and other.leg_id not in besides
        )
        return leg.room is not None and leg.room in others

    def open_visit(self) -> Visit | None:
        """The visit in which the caller waits now."""
        return next((v for v in self.visits.values() if v.left_at is None), None)

    def recording(self) -> Recording | None:
        """The newest recording that is written now."""
        running = [r for r in self.recordings.values() if r.state in ("running", "paused")]
        return running[-1] if running else None


class Dump(msgspec.Struct):
    """A book at one moment: calls as they started, and the ids of the ended ones as they ended."""

    calls: list[Call]
    ended: list[CallId]


class Book:
    """All live calls and the last ended ones, with what finds them.

    :ivar illegal: (thing, its state, event) -> how often the tables forbade it.
    """

    __slots__ = (
        "_ended",
        "_handlers",
        "_legs_of_extension",
        "calls",
        "illegal",
        "linkedids",
        "names",
        "owners",
        "rooms",
    )

    def __init__(self) -> None:
        self.calls: dict[CallId, Call] = {}
        """Call id, also that of a merged call -> the call."""
        self.owners: dict[LegId, Call] = {}
        self.names: dict[str, LegId] = {}
        self.linkedids: dict[str, Call] = {}
        self.rooms: dict[str, set[LegId]] = {}
        self.illegal: Counter[tuple[str, str, str]] = Counter()
        self._legs_of_extension: dict[str, list[LegId]] = {}
        self._ended: deque[CallId] = deque()
        self._handlers: dict[type[d.Event], Callable[[Any], None]] = {
            d.CallStarted: self._call_started,
            d.LegStarted: self._leg_started,
            d.LegRinging: self._leg_ringing,
            d.LegAnswered: self._leg_answered,
            d.LegRenamed: self._leg_renamed,
            d.LegJoined: self._leg_joined,
            d.LegLeft: self._leg_left,
            d.LegHeld: self._leg_held,
            d.LegResumed: self._leg_resumed,
            d.LegEnded: self._leg_ended,
            d.CallTransferred: self._call_transferred,
            d.CallMerged: self._call_merged,
            d.CallHandedOver: self._call_handed_over,
            d.CallEnded: self._call_ended,
            d.QueueEntered: self._queue_entered,
            d.QueueLeft: self._queue_left,
            d.NativeEntered: self._native,
            d.NativeLeft: self._native,
            d.OfferMade: self._offer_made,
            d.OfferEnded: self._offer_ended,
            d.RecordingStarted: self._recording_started,
            d.RecordingPaused: self._recording_changed,
            d.RecordingResumed: self._recording_changed,
            d.RecordingStored: self._recording_stored,
            d.RecordingFaulty: self._recording_faulty,
            d.ConsentGiven: self._consent,
            d.CallRefused: self._refused,
            d.SurveyAnswered: self._survey,
            d.CallbackRequested: self._callback,
            d.DispositionSaved: self._disposition,
        }

    def evolve(self, event: d.DomainEvent) -> None:
        """Apply one event; an illegal one is counted and changes nothing."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def legs_at(self, extension: str) -> list[LegId]:
        """The live legs of live calls that stand at the extension."""
        return list(self._legs_of_extension.get(extension, ()))

    def busy(self, extension: str) -> bool:
        """Whether a live leg of a live call stands at the extension."""
        return extension in self._legs_of_extension

    def dump(self) -> dict[str, Any]:
        """The book in plain values, for a checkpoint."""
        state: dict[str, Any] = msgspec.to_builtins(
            Dump([c for i, c in self.calls.items() if i == c.call_id], list(self._ended))
        )
        return state

    @classmethod
    def loaded(cls, dump: dict[str, Any]) -> Book:
        """The book that was dumped.

        :raises msgspec.ValidationError: it is no dump of a book.
        """
        state, book = msgspec.convert(dump, Dump), cls()
        for call in state.calls:
            for call_id in (call.call_id, *call.merged):
                book.calls[call_id] = call
            if call.live:
                book.linkedids.update(dict.fromkeys(call.linkedids, call))
            for leg in call.legs.values():
                book.owners[leg.leg_id] = call
                if leg.live:
                    book._find_by_name(leg)
                    if leg.room is not None:
                        book.rooms.setdefault(leg.room, set()).add(leg.leg_id)
        book._ended.extend(state.ended)
        return book

    # --- steps -----------------------------------------------------------------------------------

    def _step(self, thing: str, table: Table, state: str, event: d.Event) -> str | None:
        """The next state; None, and counted, where the table knows no such step."""
        after = table[state].get(type(event))
        if after is None:
            self._refuse(thing, state, event)
        return after

    def _refuse(self, thing: str, state: str, event: d.Event) -> None:
        self.illegal[thing, state, type(event).__name__] += 1

    def _live_call(self, event: d.CallEvent) -> Call | None:
        call = self.calls.get(event.call_id)
        if call is None or not call.live:
            self._refuse("call", NONE if call is None else call.state, event)
            return None
        return call

    def _call_step(self, event: d.CallEvent) -> Call | None:
        call = self.calls.get(event.call_id)
        after = self._step("call", CALL, NONE if call is None else call.state, event)
        if call is None or after is None:
            return None
        call.state = after
        call.last_at = max(call.last_at, event.at)
        return call

    def _leg_step(self, event: LegEvent) -> tuple[Call, Leg] | None:
        call = self._live_call(event)
        if call is None:
            return None
        leg = call.legs.get(event.leg_id)
        state = NONE if leg is None else leg.state
        after = LEG[state].get(type(event))
        if leg is None or after is None:
            self._refuse("leg", state, event)
            return None
        leg.state = after
        call.last_at = max(call.last_at, event.at)
        return call, leg

    # --- the call and its legs -------------------------------------------------------------------

    def _call_started(self, event: d.CallStarted) -> None:
        known = self.calls.get(event.call_id)
        after = self._step("call", CALL, NONE if known is None else known.state, event)
        if after is None:
            return
        call = self.calls[event.call_id] = Call(
            call_id=event.call_id,
            direction=event.direction,
            started_at=event.at,
            linkedid=event.linkedid,
            caller_number=event.caller_number,
            caller_name=event.caller_name,
            called_number=event.called_number,
            adopted=event.adopted,
            exact=not event.adopted,
            state=after,
            last_at=event.at,
            linkedids=[event.linkedid],
        )
        self.linkedids[event.linkedid] = call

    def _leg_started(self, event: d.LegStarted) -> None:
        call = self._live_call(event)
        if call is None:
            return
        owner = self.owners.get(event.leg_id)
        state = NONE if owner is None else owner.legs[event.leg_id].state
        after = self._step("leg", LEG, state, event)
        if after is None:
            return
        leg = call.legs[event.leg_id] = Leg(
            leg_id=event.leg_id,
            kind=event.kind,
            channel=event.channel,
            started_at=event.at,
            agent_id=event.agent_id,
            extension=event.extension,
            number=event.number,
            state=after,
        )
        call.last_at = max(call.last_at, event.at)
        self.owners[event.leg_id] = call
        self._find_by_name(leg)

    def _find_by_name(self, leg: Leg) -> None:
        self.names[leg.channel] = leg.leg_id
        if leg.extension is not None:
            self._legs_of_extension.setdefault(leg.extension, []).append(leg.leg_id)

    def _leg_ringing(self, event: d.LegRinging) -> None:
        self._leg_step(event)

    def _leg_answered(self, event: d.LegAnswered) -> None:
        if (found := self._leg_step(event)) is not None:
            found[1].answered_at = event.at

    def _leg_renamed(self, event: d.LegRenamed) -> None:
        if (found := self._leg_step(event)) is None:
            return
        call, leg = found
        self._forget_name(leg)
        self.names[event.channel] = leg.leg_id
        leg.channel, leg.kind, leg.agent_id = event.channel, event.kind, event.agent_id
        self._tell_talk(call, None)

    def _forget_name(self, leg: Leg) -> None:
        if self.names.get(leg.channel) == leg.leg_id:
            del self.names[leg.channel]

    def _leg_joined(self, event: d.LegJoined) -> None:
        if (found := self._leg_step(event)) is not None:
            call, leg = found
            self._leave_room(leg)
            leg.room = event.bridge_id
            self.rooms.setdefault(event.bridge_id, set()).add(leg.leg_id)
            self._tell_talk(call, leg)

    def _leg_left(self, event: d.LegLeft) -> None:
        if (found := self._leg_step(event)) is not None:
            call, leg = found
            self._leave_room(leg)
            self._end_hold(call, leg)
            self._tell_talk(call, leg)

    def _leave_room(self, leg: Leg) -> None:
        if leg.room is not None:
            legs = self.rooms[leg.room]
            legs.discard(leg.leg_id)
            if not legs:
                del self.rooms[leg.room]
            leg.room = None

    def _leg_held(self, event: d.LegHeld) -> None:
        if (found := self._leg_step(event)) is not None:
            call, leg = found
            call.holds.append(Hold(leg.leg_id, call.last_at))

    def _leg_resumed(self, event: d.LegResumed) -> None:
        if (found := self._leg_step(event)) is not None:
            self._end_hold(*found)

    def _end_hold(self, call: Call, leg: Leg) -> None:
        for hold in call.holds:
            if hold.until is None and hold.leg_id == leg.leg_id:
                hold.until = call.last_at

    def _leg_ended(self, event: d.LegEnded) -> None:
        if (found := self._leg_step(event)) is None:
            return
        call, leg = found
        leg.ended_at, leg.cause = call.last_at, event.cause
        leg.hung_up, leg.exact = event.hung_up, event.exact
        call.exact = call.exact and event.exact
        call.lost = call.lost or event.cause_text == PBX_DIED
        self._leave_room(leg)
        self._end_hold(call, leg)
        self._tell_talk(call, leg)
        self._lose(leg)

    def _lose(self, leg: Leg) -> None:
        """Find the leg by its channel or its extension no more."""
        self._forget_name(leg)
        if leg.extension is not None:
            legs = self._legs_of_extension[leg.extension]
            legs.remove(leg.leg_id)
            if not legs:
                del self._legs_of_extension[leg.extension]

    def _tell_talk(self, call: Call, mover: Leg | None) -> None:
        """Start or stop the talk time after legs moved; `mover` is the one that did."""
        customers, agents, rooms = set[str](), dict[str, Leg](), set[str]()
        for leg in call.legs.values():
            room = leg.room
            if room is None:
                continue
            call.conversed = call.conversed or room in rooms
            rooms.add(room)
            if leg.kind == "customer":
                customers.add(room)
            elif leg.kind == "agent":
                agents.setdefault(room, leg)
        shared = customers.intersection(agents)
        if shared and call.talking_since is None:
            call.talking_since, call.talked, call.talk_ended_by = call.last_at, True, None
            if call.agent_id is None:
                call.agent_id = agents[min(shared)].agent_id
        elif not shared and call.talking_since is not None:
            call.talk_seconds += call.last_at - call.talking_since
            call.talking_since = None
            call.talk_ended_by = None if call.transferring else _party(mover)
            call.transferring = False

    def _call_transferred(self, event: d.CallTransferred) -> None:
        if (call := self._call_step(event)) is None:
            return
        call.transfers.append(Transfer(event.at, event.kind, event.by_leg, event.to))
        by, customer = call.legs.get(event.by_leg or ""), call.customer()
        if call.talking_since is None:
            call.talk_ended_by = None
        elif by is not None and customer is not None:
            call.transferring = by.room == customer.room

    def _call_merged(self, event: d.CallMerged) -> None:
        other = self.calls.get(event.merged_call_id)
        if other is None or not other.live or other is self.calls.get(event.call_id):
            self._refuse("call", NONE if other is None else other.state, event)
            return
        if (call := self._call_step(event)) is None:
            return
        for call_id in (other.call_id, *other.merged):
            self.calls[call_id] = call
            call.merged.append(call_id)
        for linkedid in other.linkedids:
            self.linkedids[linkedid] = call
            call.linkedids.append(linkedid)
        for leg_id in other.legs:
            self.owners[leg_id] = call
        _take_over(call, other)
        self._tell_talk(call, None)

    def _call_handed_over(self, event: d.CallHandedOver) -> None:
        """Nothing is kept of it, so that it may start anew when it comes back."""
        if (call := self._call_step(event)) is None:
            return
        for leg in call.live_legs():
            self._leave_room(leg)
            self._lose(leg)
        self._forget_linkedids(call)
        self._forget(call)

    def _call_ended(self, event: d.CallEnded) -> None:
        if (call := self._call_step(event)) is None:
            return
        call.ended_at, call.outcome, call.ended_by = event.at, event.outcome, event.ended_by
        call.talk_seconds, call.talking_since = event.talk_seconds, None
        self._forget_linkedids(call)
        self._ended.append(call.call_id)
        if len(self._ended) > ENDED_CALLS_KEPT:
            self._forget(self.calls[self._ended.popleft()])

    def _forget_linkedids(self, call: Call) -> None:
        for linkedid in call.linkedids:
            if self.linkedids.get(linkedid) is call:
                del self.linkedids[linkedid]

    def _forget(self, call: Call) -> None:
        for call_id in (call.call_id, *call.merged):
            del self.calls[call_id]
        for leg_id in call.legs:
            del self.owners[leg_id]

    # --- queue visits and offers -----------------------------------------------------------------

    def _queue_entered(self, event: d.QueueEntered) -> None:
        call = self._live_call(event)
        if call is None:
            return
        known = call.visits.get(event.visit_id)
        after = self._step("queue visit", VISIT, NONE if known is None else known.state, event)
        if after is not None:
            call.visits[event.visit_id] = Visit(
                visit_id=event.visit_id,
                queue=event.queue,
                leg_id=event.leg_id,
                entered_at=event.entered_at,
                state=after,
            )

    def _visit_step(self, event: VisitEvent) -> Visit | None:
        call = self._live_call(event)
        visit = None if call is None else call.visits.get(event.visit_id)
        if visit is None:
            self._refuse("queue visit", NONE, event)
            return None
        after = self._step("queue visit", VISIT, visit.state, event)
        if after is None:
            return None
        visit.state = after
        return visit

    def _native(self, event: d.NativeEntered | d.NativeLeft) -> None:
        self._visit_step(event)

    def _queue_left(self, event: d.QueueLeft) -> None:
        if (visit := self._visit_step(event)) is not None:
            visit.left_at, visit.reason, visit.agent_id = event.at, event.reason, event.agent_id
            visit.waited_seconds = event.waited_seconds

    def _offer_made(self, event: d.OfferMade) -> None:
        call = self._live_call(event)
        if call is None:
            return
        known = call.offers.get(event.offer_id)
        after = self._step("offer", OFFER, NONE if known is None else known.state, event)
        if after is not None:
            call.offers[event.offer_id] = Offer(
                offer_id=event.offer_id,
                visit_id=event.visit_id,
                agent_id=event.agent_id,
                queue=event.queue,
                extension=event.extension,
                made_at=event.at,
                state=after,
            )

    def _offer_ended(self, event: d.OfferEnded) -> None:
        call = self.calls.get(event.call_id)
        offer = None if call is None else call.offers.get(event.offer_id)
        if offer is None:
            self._refuse("offer", NONE, event)
            return
        after = self._step("offer", OFFER, offer.state, event)
        if after is not None:
            offer.state, offer.ended_at = after, event.at
            offer.end, offer.detail = event.end, event.detail

    # --- what stays of the call, also after its end ----------------------------------------------

    def _recording_started(self, event: d.RecordingStarted) -> None:
        call = self._live_call(event)
        if call is None:
            return
        known = call.recordings.get(event.recording_id)
        state = NONE if known is None else known.state
        after = self._step("recording", RECORDING, state, event)
        if after is not None:
            call.recordings[event.recording_id] = Recording(
                event.recording_id, event.file, event.at, event.queue, after
            )

    def _recording_step(self, event: RecordingEvent) -> Recording | None:
        call = self.calls.get(event.call_id)
        recording = None if call is None else call.recordings.get(event.recording_id)
        if recording is None:
            self._refuse("recording", NONE, event)
            return None
        after = self._step("recording", RECORDING, recording.state, event)
        if after is None:
            return None
        recording.state = after
        return recording

    def _recording_changed(self, event: d.RecordingPaused | d.RecordingResumed) -> None:
        self._recording_step(event)

    def _recording_stored(self, event: d.RecordingStored) -> None:
        if (recording := self._recording_step(event)) is not None:
            recording.path, recording.fault = event.path, None

    def _recording_faulty(self, event: d.RecordingFaulty) -> None:
        call = self.calls.get(event.call_id)
        if call is not None and event.recording_id not in call.recordings:
            call.recordings[event.recording_id] = Recording(event.recording_id, "", event.at)
        if (recording := self._recording_step(event)) is not None:
            recording.fault = event.fault

    def _kept_call(self, event: d.CallEvent) -> Call | None:
        call = self.calls.get(event.call_id)
        if call is None:
            self._refuse("call", NONE, event)
        return call

    def _consent(self, event: d.ConsentGiven) -> None:
        if (call := self._kept_call(event)) is not None:
            call.consent = event.consent

    def _refused(self, event: d.CallRefused) -> None:
        if (call := self._kept_call(event)) is not None:
            call.refused = True

    def _survey(self, event: d.SurveyAnswered) -> None:
        if (call := self._kept_call(event)) is not None:
            call.survey_score = event.score

    def _callback(self, event: d.CallbackRequested) -> None:
        if (call := self._kept_call(event)) is not None:
            call.callback_number = event.number

    def _disposition(self, event: d.DispositionSaved) -> None:
        if (call := self._kept_call(event)) is not None:
            call.disposition, call.notes = event.code, event.notes


def _party(leg: Leg | None) -> d.Party:
    if leg is None:
        return "system"
    if not leg.exact:
        return "unknown"
    if leg.kind == "customer":
        return "customer"
    return "agent" if leg.kind in ("agent", "consult") else "system"


def _take_over(call: Call, other: Call) -> None:
    """What the other call had is this call's now, but for its talk time and its conversations."""
    call.legs.update(other.legs)
    call.visits.update(other.visits)
    call.offers.update(other.offers)
    call.recordings.update(other.recordings)
    call.holds.extend(other.holds)
    call.transfers.extend(other.transfers)
    call.last_at = max(call.last_at, other.last_at)
    call.lost = call.lost or other.lost
