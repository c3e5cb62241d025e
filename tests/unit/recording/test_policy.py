"""Which calls are recorded."""

from recording.policy import records


def test_always_and_never() -> None:
    assert records("always", 0.0, "n1-1.1")
    assert not records("never", 1.0, "n1-1.1")


def test_a_share_is_a_share_and_the_same_each_time() -> None:
    calls = [f"n1-{n}.{n}" for n in range(5000)]
    drawn = [call for call in calls if records("share", 0.3, call)]
    assert 0.27 < len(drawn) / len(calls) < 0.33
    assert drawn == [call for call in calls if records("share", 0.3, call)]
    assert set(drawn) <= {call for call in calls if records("share", 0.5, call)}


def test_the_ends_of_the_share() -> None:
    calls = [f"n1-{n}" for n in range(200)]
    assert all(records("share", 1.0, call) for call in calls)
    assert not any(records("share", 0.0, call) for call in calls)
