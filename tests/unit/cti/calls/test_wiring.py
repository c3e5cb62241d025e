from cti.calls.wiring import Wiring
from cti.inputs import ChannelState

ONE, TWO = ("Local/a", 0), ("Local/a", 1)


def test_a_bridge_alone_is_its_own_room():
    assert Wiring().room("b1") == "b1"


def test_a_local_pair_makes_two_bridges_one_room_and_both_names_find_it():
    wiring = Wiring()
    wiring.tie(ONE, "b2")
    assert wiring.room("b2") == "b2"
    wiring.tie(TWO, "b1")
    assert wiring.room("b2") == wiring.room("b1") == "b1"


def test_those_whose_room_changed_are_told():
    wiring = Wiring()
    wiring.enter("u1", "b1")
    wiring.enter("u2", "b2")
    wiring.tie(ONE, "b2")
    assert wiring.tie(TWO, "b1") == {"u1": "b1", "u2": "b1"}
    assert wiring.untie(ONE) == {"u1": "b1", "u2": "b2"}


def test_rooms_reach_over_several_pairs_and_fall_apart_in_the_middle():
    wiring = Wiring()
    for pair, (left, right) in {"p": ("b3", "b2"), "q": ("b2", "b1")}.items():
        wiring.tie((pair, 0), left)
        wiring.tie((pair, 1), right)
    assert wiring.room("b3") == "b1"
    wiring.untie(("q", 1), "b1")
    assert (wiring.room("b3"), wiring.room("b1")) == ("b2", "b1")


def test_two_pairs_between_the_same_bridges_hold_when_one_goes():
    wiring = Wiring()
    for pair in ("p", "q"):
        wiring.tie((pair, 0), "b1")
        wiring.tie((pair, 1), "b2")
    wiring.untie(("p", 0))
    assert wiring.room("b2") == "b1"
    wiring.untie(("q", 0))
    assert wiring.room("b2") == "b2"


def test_a_late_leave_of_another_bridge_does_not_untie():
    wiring = Wiring()
    wiring.tie(ONE, "b1")
    wiring.tie(TWO, "b2")
    assert wiring.untie(ONE, "b9") == {}
    assert wiring.room("b2") == "b1"


def test_a_pair_with_both_halves_in_one_bridge_ties_nothing():
    wiring = Wiring()
    wiring.tie(ONE, "b1")
    wiring.tie(TWO, "b1")
    assert wiring.room("b1") == "b1"
    assert wiring.untie(ONE) == {}


def test_a_snapshot_shows_the_same_wiring():
    def channel(name: str, bridge: str | None, application: str | None = None) -> ChannelState:
        return ChannelState(
            name=name,
            uniqueid=name,
            linkedid="l",
            state=6,
            bridge_id=bridge,
            application=application,
        )

    wiring = Wiring.seen(
        [
            channel("PJSIP/8001-1", "b2"),
            channel("Local/a;1", "b1"),
            channel("Local/a;2", "b2"),
            channel("PJSIP/trunk-1", None),
            channel("PJSIP/trunk-2", "b1", "Park"),
        ]
    )
    assert wiring.room("b2") == "b1"
    assert wiring.bridge_of("PJSIP/8001-1", "b1") == "b2"
    assert wiring.bridge_of("PJSIP/trunk-2", "b1") is None
