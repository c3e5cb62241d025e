"""What agents do: take a seat, be ready or not, refuse, hang up, note the outcome."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from cti import inputs
from web.endpoint import Asked, Endpoint, Input, Output, endpoint
from web.problems import Problem

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
Notes = Annotated[str, Field(max_length=4000, pattern=r"^[^\x00]*$")]
AGENT_PROBLEMS = ("not_an_agent", "not_signed_in", "wrong_state", "fenced", "no_answer")


class SeatWish(Input):
    """The extension to sit at; `confirm_takeover` after the problem seat_taken was shown."""

    extension: Annotated[str, Field(pattern=r"^[0-9a-z]{2,20}$")]
    confirm_takeover: bool = False


class SipAccount(Output):
    """What the softphone registers with."""

    uri: str
    ws_url: str
    user: str
    password: str


class Seat(Output):
    """The extension one is signed in at. `sip`: for browsers only; desk phones have their own."""

    extension: str
    kind: Literal["browser", "desk"]
    sip: SipAccount | None


class NotReadyWish(Input):
    """The reason, one of those of GET /api/v1/floor."""

    reason: Code


class Outcome(Input):
    """The disposition of a call; `finish` ends wrap-up too."""

    code: Code
    notes: Notes = ""
    finish: bool = False


class MoreTime(Input):
    """Seconds to add."""

    seconds: Annotated[int, Field(ge=1, le=3600)]


@endpoint(
    "POST",
    "/api/v1/agent/sign-in",
    "Take a seat",
    input=SeatWish,
    output=Seat,
    right="desk.use",
    problems=(*AGENT_PROBLEMS, "seat_taken", "unknown_extension", "unknown_agent"),
)
async def sign_in(asked: Asked[SeatWish]) -> Seat:
    """The answer holds the SIP account: only who sits there gets it."""
    wish = asked.input
    await asked.put(
        inputs.SignIn(
            request_id="sign-in",
            agent_id=asked.agent_id,
            extension=wish.extension,
            confirm_takeover=wish.confirm_takeover,
        )
    )
    asked.services.hub.repeat_panel(asked.agent_id)
    return _seat(asked, wish.extension)


@endpoint(
    "GET",
    "/api/v1/agent/seat",
    "The seat one has taken",
    output=Seat,
    right="desk.use",
    problems=("not_an_agent", "not_signed_in"),
)
async def seat(asked: Asked[None]) -> Seat:
    """For a panel that was reloaded: the same answer as signing in."""
    agent = asked.services.hub.view.agent(asked.agent_id)
    if agent is None or agent.extension is None:
        raise Problem("not_signed_in")
    return _seat(asked, agent.extension)


@endpoint(
    "POST", "/api/v1/agent/sign-out", "Leave the seat", right="desk.use", problems=AGENT_PROBLEMS
)
async def sign_out(asked: Asked[None]) -> None:
    """While talking it takes effect after the call."""
    await asked.put(inputs.SignOut(request_id="sign-out", agent_id=asked.agent_id))


@endpoint("POST", "/api/v1/agent/ready", "Be ready", right="desk.use", problems=AGENT_PROBLEMS)
async def ready(asked: Asked[None]) -> None:
    """Ends wrap-up."""
    await asked.put(inputs.SetReady(request_id="ready", agent_id=asked.agent_id))


@endpoint(
    "POST",
    "/api/v1/agent/not-ready",
    "Be not ready, now or after this call",
    input=NotReadyWish,
    right="desk.use",
    problems=(*AGENT_PROBLEMS, "unknown_reason"),
)
async def not_ready(asked: Asked[NotReadyWish]) -> None:
    """While offered or talking it means after this call."""
    await asked.put(
        inputs.SetNotReady(
            request_id="not-ready", agent_id=asked.agent_id, reason=asked.input.reason
        )
    )


@endpoint(
    "DELETE",
    "/api/v1/agent/next-state",
    "Take back not ready after this call",
    right="desk.use",
    problems=AGENT_PROBLEMS,
)
async def clear_next_state(asked: Asked[None]) -> None:
    """No effect when nothing was wished."""
    await asked.put(inputs.ClearNextState(request_id="next-state", agent_id=asked.agent_id))


@endpoint(
    "POST",
    "/api/v1/agent/offers/{offer_id}/reject",
    "Refuse an offer",
    right="desk.use",
    problems=(*AGENT_PROBLEMS, "unknown_offer"),
)
async def reject_offer(asked: Asked[None]) -> None:
    """The caller keeps the place in the queue."""
    await asked.put(
        inputs.RejectOffer(
            request_id="reject",
            agent_id=asked.agent_id,
            offer_id=asked.part("offer_id", "unknown_offer"),
        )
    )


@endpoint(
    "POST",
    "/api/v1/agent/calls/{call_id}/hang-up",
    "End one's call",
    right="desk.use",
    problems=(*AGENT_PROBLEMS, "unknown_call", "not_your_call", "pbx_down"),
)
async def hang_up(asked: Asked[None]) -> None:
    """The live connection tells when it is over."""
    await asked.put(
        inputs.HangUpCall(
            request_id="hang-up",
            agent_id=asked.agent_id,
            call_id=asked.part("call_id", "unknown_call"),
        )
    )


@endpoint(
    "POST",
    "/api/v1/agent/calls/{call_id}/retake",
    "Have the caller back after the page was reloaded in the call",
    right="desk.use",
    problems=(*AGENT_PROBLEMS, "unknown_call", "not_your_call", "pbx_down"),
)
async def retake(asked: Asked[None]) -> None:
    """For a panel whose phone is registered anew: the caller is offered to it again at once."""
    await asked.put(
        inputs.RetakeCall(
            request_id="retake",
            agent_id=asked.agent_id,
            call_id=asked.part("call_id", "unknown_call"),
        )
    )


@endpoint(
    "POST",
    "/api/v1/agent/calls/{call_id}/disposition",
    "Note the outcome of a call",
    input=Outcome,
    right="desk.use",
    problems=(*AGENT_PROBLEMS, "unknown_call", "not_your_call", "unknown_disposition"),
)
async def save_disposition(asked: Asked[Outcome]) -> None:
    """A later one replaces it; both stay in the journal."""
    await asked.put(
        inputs.SaveDisposition(
            request_id="disposition",
            agent_id=asked.agent_id,
            call_id=asked.part("call_id", "unknown_call"),
            code=asked.input.code,
            notes=asked.input.notes,
            finish=asked.input.finish,
        )
    )


RECORDING_PROBLEMS = (
    *("unknown_call", "not_your_call", "no_recording", "recording_unchanged", "pbx_down"),
)


@endpoint(
    "POST",
    "/api/v1/agent/calls/{call_id}/recording/pause",
    "Write silence while card data are spoken",
    right="desk.use",
    problems=(*AGENT_PROBLEMS, *RECORDING_PROBLEMS),
)
async def pause_recording(asked: Asked[None]) -> None:
    """Logged with the call."""
    await asked.put(
        inputs.PauseRecording(
            request_id="pause",
            agent_id=asked.agent_id,
            call_id=asked.part("call_id", "unknown_call"),
        )
    )


@endpoint(
    "POST",
    "/api/v1/agent/calls/{call_id}/recording/resume",
    "Write sound again",
    right="desk.use",
    problems=(*AGENT_PROBLEMS, *RECORDING_PROBLEMS),
)
async def resume_recording(asked: Asked[None]) -> None:
    """Logged with the call."""
    await asked.put(
        inputs.ResumeRecording(
            request_id="resume",
            agent_id=asked.agent_id,
            call_id=asked.part("call_id", "unknown_call"),
        )
    )


@endpoint(
    "POST",
    "/api/v1/agent/wrap-up/extend",
    "More time for wrap-up",
    input=MoreTime,
    right="desk.use",
    problems=(*AGENT_PROBLEMS, "limit_reached"),
)
async def extend_wrap_up(asked: Asked[MoreTime]) -> None:
    """Up to the queue's limit."""
    await asked.put(
        inputs.ExtendWrapUp(
            request_id="extend", agent_id=asked.agent_id, seconds=asked.input.seconds
        )
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    sign_in,
    seat,
    sign_out,
    ready,
    not_ready,
    clear_next_state,
    reject_offer,
    hang_up,
    retake,
    save_disposition,
    pause_recording,
    resume_recording,
    extend_wrap_up,
)


def _seat(asked: Asked[Any], extension: str) -> Seat:
    kinds = {known.number: known.kind for known in asked.services.floor.extensions}
    kind = kinds.get(extension)
    if kind is None:
        raise Problem("unknown_extension")
    return Seat(extension=extension, kind=kind, sip=_sip(asked, extension, kind))


def _sip(asked: Asked[Any], extension: str, kind: str) -> SipAccount | None:
    services = asked.services
    password = services.sip_password(extension) if kind == "browser" else None
    if password is None:
        return None
    return SipAccount(
        uri=f"sip:{extension}@{services.sip_domain}",
        ws_url=services.sip_ws_url,
        user=extension,
        password=password,
    )
