"""Only the edges of a panel's life reach the core."""

from cti.inputs import PanelAlive, PanelLost
from web.panels import RETURN_SECONDS, SILENT_SECONDS, Panels

ALIVE, LOST = [PanelAlive(agent_id="1")], [PanelLost(agent_id="1")]


def test_the_first_sign_of_life_and_the_close_are_told_once():
    panels = Panels()
    assert panels.heard("1", "a", 0.0) == ALIVE
    assert panels.heard("1", "a", 2.0) == []
    assert panels.closed("1", "a") == LOST
    assert panels.closed("1", "a") == []
    assert not panels.alive("1")


def test_silence_is_a_loss_and_the_next_heartbeat_a_return():
    panels = Panels()
    panels.heard("1", "a", 0.0)
    assert panels.sweep(SILENT_SECONDS) == []
    assert panels.sweep(SILENT_SECONDS + 0.1) == LOST
    assert panels.sweep(SILENT_SECONDS + 1) == []
    assert panels.heard("1", "a", 9.0) == ALIVE


def test_one_of_two_panels_is_enough():
    panels = Panels()
    panels.heard("1", "a", 0.0)
    assert panels.heard("1", "b", 5.0) == []
    assert panels.sweep(7.0) == []
    assert panels.closed("1", "a") == []
    assert panels.closed("1", "b") == LOST


def test_panels_that_do_not_come_back_after_a_restart_are_lost():
    panels = Panels()
    panels.await_return(["1", "2"], 0.0)
    assert panels.heard("2", "a", 1.0) == [PanelAlive(agent_id="2")]
    panels.heard("2", "a", RETURN_SECONDS)
    assert panels.sweep(RETURN_SECONDS - 0.1) == []
    assert panels.sweep(RETURN_SECONDS) == LOST
    assert panels.sweep(RETURN_SECONDS + 1) == []
