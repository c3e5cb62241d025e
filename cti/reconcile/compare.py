"""The three books side by side. Pure: takes what was read, gives the differences.

A call is judged when it began inside the asked time; what the other books tell of it may lie
outside. Moments may differ by the tolerance; where the journal marks a moment inexact, or was deaf,
it is not held to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from cti.calls.channels import is_helper
from cti.reconcile.asterisk import AsteriskRecords, Cdr, Channel, duplicates
from cti.reconcile.journal import JournalCall, JournalLeg, JournalSide
from cti.reconcile.talk import Talks

TOLERANCE_SECONDS = 1.5
"""Asterisk stamps its event, its CEL and its CDR at slightly different moments."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One contradiction between the books.

    :param kind: a stable word: call_missing_in_journal, call_missing_in_pbx,
        leg_missing_in_journal, leg_missing_in_pbx, call_twice, leg_twice, cdr_missing, cdr_twice,
        call_open, moment, talk, billing, outcome, recording_missing, recording_changed,
        recording_unjudged, file_unknown, unreadable.
    :param text: the contradiction in words, with the ids.
    """

    kind: str
    text: str
    call_id: str | None = None
    uniqueid: str | None = None
    recording_id: str | None = None


def compare(
    journal: JournalSide,
    pbx: AsteriskRecords,
    begin: float,
    end: float,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> list[Difference]:
    """All differences between the journal and Asterisk's records of calls begun in [begin, end)."""
    comparison = _Comparison(journal, pbx, begin, end, tolerance_seconds)
    return [
        *comparison.unreadable(),
        *comparison.missing_in_journal(),
        *comparison.calls(),
        *comparison.billing_twice(),
    ]


class _Comparison:
    def __init__(
        self,
        journal: JournalSide,
        pbx: AsteriskRecords,
        begin: float,
        end: float,
        tolerance_seconds: float,
    ) -> None:
        self._journal = journal
        self._pbx = pbx
        self._begin = begin
        self._end = end
        self._tolerance = tolerance_seconds
        self._talks = Talks(journal, pbx)
        self._cdrs: dict[str, list[Cdr]] = {}
        for cdr in pbx.cdrs:
            for key in {cdr.uniqueid, cdr.linkedid}:
                self._cdrs.setdefault(key, []).append(cdr)

    def unreadable(self) -> Iterator[Difference]:
        """Lines of the files that are no records."""
        for line in self._pbx.unreadable:
            yield Difference(
                kind="unreadable",
                text=f"{line.file}, line {line.number} is no record: {line.text!r}",
            )

    # --- from the PBX to the journal -------------------------------------------------------------

    def missing_in_journal(self) -> Iterator[Difference]:
        """Channels that no leg tells of, by call where the whole call is missing."""
        missing: dict[str, list[Channel]] = {}
        for channel in self._pbx.channels.values():
            if self._should_be_known(channel) and channel.uniqueid not in self._journal.legs:
                missing.setdefault(min(channel.linkedids), []).append(channel)
        known = {
            linkedid
            for leg_id in self._journal.legs
            if leg_id in self._pbx.channels
            for linkedid in self._pbx.channels[leg_id].linkedids
        }
        for linkedid, channels in missing.items():
            names = ", ".join(f"{channel.name} ({channel.uniqueid})" for channel in channels)
            if linkedid in known:
                for channel in channels:
                    yield Difference(
                        kind="leg_missing_in_journal",
                        uniqueid=channel.uniqueid,
                        text=f"Asterisk had {channel.name} ({channel.uniqueid}) in the call "
                        f"{linkedid}; the journal knows the call but not this leg",
                    )
            else:
                yield Difference(
                    kind="call_missing_in_journal",
                    uniqueid=linkedid,
                    text=f"Asterisk had the call {linkedid} with {names}; "
                    "the journal does not know it",
                )

    def _should_be_known(self, channel: Channel) -> bool:
        started = channel.started_at
        return (
            started is not None
            and self._begin <= started < self._end
            and not is_helper(channel.name)
            and not self._unheard(
                started, started if channel.ended_at is None else channel.ended_at
            )
        )

    def _unheard(self, begin: float, end: float) -> bool:
        """Whether we were deaf all that time, give or take the tolerance at both ends."""
        inside = (begin + self._tolerance, max(begin + self._tolerance, end - self._tolerance))
        return self._journal.is_deaf(begin, end) or self._journal.is_deaf(*inside)

    # --- from the journal to the PBX -------------------------------------------------------------

    def calls(self) -> Iterator[Difference]:
        """Every call of the journal, looked at from all sides."""
        for call in self._journal.calls.values():
            if self._begin <= call.started_at < self._end:
                yield from self._twice(call)
                yield from self._missing_in_pbx(call)
                for leg_id in sorted(call.leg_ids):
                    leg = self._journal.legs[leg_id]
                    if leg.roles[0].call_id == call.call_id and leg_id in self._pbx.channels:
                        yield from self._moments(call, leg, self._pbx.channels[leg_id])
                if call.merged_into is None and not call.handed_over:
                    yield from self._end_of(call)

    def _twice(self, call: JournalCall) -> Iterator[Difference]:
        if call.starts > 1 or len(call.ended) > 1:
            yield Difference(
                kind="call_twice",
                call_id=call.call_id,
                text=f"call {call.call_id} started {call.starts} and ended {len(call.ended)} times "
                "in the journal",
            )
        for leg_id in sorted(call.leg_ids):
            leg = self._journal.legs[leg_id]
            if (leg.starts > 1 or leg.ends > 1) and leg.roles[0].call_id == call.call_id:
                yield Difference(
                    kind="leg_twice",
                    call_id=call.call_id,
                    uniqueid=leg_id,
                    text=f"leg {leg_id} of call {call.call_id} started {leg.starts} and ended "
                    f"{leg.ends} times in the journal",
                )

    def _missing_in_pbx(self, call: JournalCall) -> Iterator[Difference]:
        legs = [
            leg
            for leg in map(self._journal.legs.__getitem__, sorted(call.leg_ids))
            if leg.roles[0].call_id == call.call_id
        ]
        missing = [leg for leg in legs if leg.leg_id not in self._pbx.channels]
        if missing and len(missing) == len(legs):
            yield Difference(
                kind="call_missing_in_pbx",
                call_id=call.call_id,
                text=f"the journal has call {call.call_id}; Asterisk's CEL knows none of its legs "
                + ", ".join(leg.leg_id for leg in missing),
            )
            return
        for leg in missing:
            yield Difference(
                kind="leg_missing_in_pbx",
                call_id=call.call_id,
                uniqueid=leg.leg_id,
                text=f"the journal has leg {leg.leg_id} ({leg.channel}) in call {call.call_id}; "
                "Asterisk's CEL does not know it",
            )

    def _moments(
        self, call: JournalCall, leg: JournalLeg, channel: Channel
    ) -> Iterator[Difference]:
        """Start, answer and end of a leg by both books."""
        moments = []
        if not leg.handed_over:
            moments.append(("ended", leg.ended_at if leg.exact else None, channel.ended_at))
        if not call.adopted:
            moments.append(("started", leg.started_at, channel.started_at))
            if not self._talks_unheard(channel):
                moments.append(("answered", leg.answered_at, channel.answered_at))
        for what, ours, theirs in moments:
            if ours is None and theirs is not None and what == "ended" and not leg.exact:
                continue
            if self._differ(ours, theirs):
                yield Difference(
                    kind="moment",
                    call_id=call.call_id,
                    uniqueid=leg.leg_id,
                    text=f"leg {leg.leg_id} of call {call.call_id} {what} at "
                    f"{_moment(ours)} by the journal, at {_moment(theirs)} by Asterisk",
                )

    def _talks_unheard(self, channel: Channel) -> bool:
        """Whether the answer may have come while we were deaf."""
        at = channel.answered_at
        return at is not None and self._unheard(at, at)

    def _differ(self, ours: float | None, theirs: float | None) -> bool:
        if ours is None or theirs is None:
            present = ours if ours is not None else theirs
            return present is not None and not self._unheard(present, present)
        return abs(ours - theirs) > self._tolerance and not self._unheard(theirs, theirs)

    def _end_of(self, call: JournalCall) -> Iterator[Difference]:
        channels = [
            self._pbx.channels[leg_id] for leg_id in call.leg_ids if leg_id in self._pbx.channels
        ]
        over = bool(channels) and all(channel.ended_at is not None for channel in channels)
        if not call.ended:
            if over and not self._unheard_end(channels):
                yield Difference(
                    kind="call_open",
                    call_id=call.call_id,
                    text=f"call {call.call_id} lasts by the journal; all its legs ended by "
                    "Asterisk's CEL",
                )
            return
        if call.ended[0].outcome != "lost":
            yield from self._no_cdr(call)
        if call.ended[0].exact and not call.adopted and channels:
            yield from self._talk(call)
            yield from self._billing(call)

    def _unheard_end(self, channels: Iterable[Channel]) -> bool:
        last = max(channel.ended_at or 0.0 for channel in channels)
        return self._unheard(last, last)

    def _talk(self, call: JournalCall) -> Iterator[Difference]:
        """Talk time and outcome against the bridges of the CEL.

        Of a talk inside a gap the journal may know all, if it was found going on, or nothing.
        """
        ended = call.ended[0]
        heard, talked = self._talks.talked(call)
        if not heard - self._tolerance <= ended.talk_seconds <= talked + self._tolerance:
            yield Difference(
                kind="talk",
                call_id=call.call_id,
                text=f"call {call.call_id} talked {ended.talk_seconds:.1f} s by the journal, "
                f"{talked:.1f} s by the bridges of Asterisk's CEL ({heard:.1f} s of it heard)",
            )
        met = talked if self._talks.has_customer(call) else self._talks.shared(call)
        if ended.outcome == "answered" and not met:
            yield Difference(
                kind="outcome",
                call_id=call.call_id,
                text=f"call {call.call_id} was answered by the journal; by Asterisk's CEL no agent "
                "stood in a bridge with the customer",
            )
        if ended.outcome not in ("answered", "lost") and talked > self._tolerance:
            yield Difference(
                kind="outcome",
                call_id=call.call_id,
                text=f"call {call.call_id} is {ended.outcome} by the journal; by Asterisk's CEL "
                f"the customer talked {talked:.1f} s with an agent",
            )

    # --- CDR -------------------------------------------------------------------------------------

    def _linkedids(self, call: JournalCall) -> set[str]:
        return {call.linkedid} | {
            linkedid
            for leg_id in call.leg_ids
            if leg_id in self._pbx.channels
            for linkedid in self._pbx.channels[leg_id].linkedids
        }

    def _cdrs_of(self, call: JournalCall) -> list[Cdr]:
        found = {
            (cdr.uniqueid, cdr.sequence, cdr.line): cdr
            for key in self._linkedids(call) | call.leg_ids
            for cdr in self._cdrs.get(key, ())
        }
        return list(found.values())

    def _no_cdr(self, call: JournalCall) -> Iterator[Difference]:
        if not self._cdrs_of(call) and not self._unheard(call.started_at, call.ended[0].at):
            yield Difference(
                kind="cdr_missing",
                call_id=call.call_id,
                text=f"call {call.call_id} ended; Asterisk's CDR has no line for it",
            )

    def _billing(self, call: JournalCall) -> Iterator[Difference]:
        """No call may have talked longer than its CDR bills.

        The CDR bills ringing too once the caller is answered, and leaves out fractions of seconds,
        so it only bounds the talk. With Local channels its lines overlap and bound nothing.
        """
        cdrs = self._cdrs_of(call)
        if not cdrs or any(
            is_helper(name) for cdr in cdrs for name in (cdr.channel, cdr.other_channel) if name
        ):
            return
        billed = sum(cdr.billed_seconds for cdr in cdrs)
        talked = call.ended[0].talk_seconds
        if talked > billed + len(cdrs) + self._tolerance:
            yield Difference(
                kind="billing",
                call_id=call.call_id,
                text=f"call {call.call_id} talked {talked:.1f} s by the journal; Asterisk's CDR "
                f"bills {billed} s in {len(cdrs)} lines",
            )

    def billing_twice(self) -> Iterator[Difference]:
        """Lines of the CDR that stand there twice."""
        for cdr in duplicates(self._pbx.cdrs):
            yield Difference(
                kind="cdr_twice",
                uniqueid=cdr.uniqueid,
                text=f"Asterisk's CDR has the line {cdr.sequence} of {cdr.uniqueid} twice",
            )


def _moment(at: float | None) -> str:
    return "no time" if at is None else f"{at:.3f}"
