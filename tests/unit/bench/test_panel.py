"""Figures of the screens."""

from bench.panel import Load, crowd, panel_figures


def test_figures_are_medians_with_their_goals() -> None:
    quick = [Load(300_000, 0.5), Load(310_000, 0.7), Load(900_000, 9.0)]
    size, near, far, update = panel_figures(quick, [Load(310_000, 2.0)], 0.006)
    assert (size.value, size.ok) == (310.0, True)
    assert (near.value, far.value) == (700.0, 2000.0)
    assert (update.value, update.ok) == (6.0, False)


def test_everybody_has_a_phone() -> None:
    floor = crowd()
    assert len(floor.agents) == len(floor.extensions) == 501
