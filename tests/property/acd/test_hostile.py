"""Whatever the dialplan, a manager or a browser says: no exception, no broken invariant."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cti import inputs as i
from cti.ami import events as ami
from tests.support.centre import Centre, floor

NAMES = ("ZxEnter", "ZxBack", "ZxNative", "ZxWait", "ZxLeave", "ZxEpoch", "ZxRecord", "ZxOther")
HEADERS = (
    *("Queue", "Entered", "CallerPriority", "Skills", "CallerLanguage", "CustomerName", "Level"),
    *("CustomerId", "Sticky", "Offer", "Status", "Reason", "Verb", "Argument", "File", "Node"),
)
TEXT = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["support", "1001", "n1_9", "noanswer", "busy", "rescinded", "stale", "overflow", "hangup"]
    ),
    st.integers().map(str),
    st.floats().map(str),
)
SAID = st.tuples(
    st.sampled_from(NAMES),
    st.integers(0, 5),
    st.dictionaries(st.sampled_from(HEADERS), TEXT, max_size=6),
)


@given(st.lists(SAID, min_size=1, max_size=25))
@settings(max_examples=150, deadline=None)
def test_what_the_dialplan_says(said):
    centre = Centre(floor(agents=2, wrap_up_seconds=1))
    centre.ready("1001")
    callers = [centre.arrive() for _ in range(3)]
    for name, who, headers in said:
        channel = callers[who] if who < 3 else None
        centre.hear(
            ami.UserEvent(
                name=name,
                channel=channel and channel.channel,
                uniqueid=channel.uniqueid if channel else None if who == 3 else "stranger",
                headers=headers,
            )
        )
        centre.wait(0.5)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    i.SignIn,
                    i.SignOut,
                    i.SetReady,
                    i.SetNotReady,
                    i.ClearNextState,
                    i.RejectOffer,
                    i.HangUpCall,
                    i.ExtendWrapUp,
                    i.SaveDisposition,
                    i.PauseRecording,
                    i.ForceState,
                ]
            ),
            st.fixed_dictionaries(
                {
                    "agent_id": st.one_of(st.sampled_from(["1001", "1002"]), st.text(max_size=9)),
                    "extension": st.one_of(st.just("8001"), st.text(max_size=9)),
                    "reason": st.one_of(st.just("lunch"), st.text(max_size=9)),
                    "offer_id": st.text(max_size=9),
                    "call_id": st.text(max_size=9),
                    "seconds": st.integers(-(10**6), 10**6),
                    "code": st.text(max_size=9),
                    "by": st.text(max_size=9),
                    "state": st.sampled_from(["ready", "not_ready", "signed_out"]),
                    "confirm_takeover": st.booleans(),
                }
            ),
        ),
        min_size=1,
        max_size=25,
    )
)
@settings(max_examples=150, deadline=None)
def test_what_browsers_ask(asked):
    centre = Centre(floor(agents=2))
    centre.arrive()
    for kind, values in asked:
        fields = {name: values[name] for name in kind.__struct_fields__ if name in values}
        replies = centre.step(kind(request_id="r", **fields)).replies
        assert [reply.request_id for reply in replies] == ["r"]
        centre.wait(0.5)
