"""The format of figures."""

import io
import json

import pytest

from bench.report import Better, figure, report, to_json, write_table


@pytest.mark.parametrize(
    ("value", "rival_value", "goal", "better", "ok"),
    [
        (50.0, 10.0, 5.0, "higher", True),
        (49.0, 10.0, 5.0, "higher", False),
        (0.85, 1.0, 0.85, "lower", True),
        (0.86, 1.0, 0.85, "lower", False),
        (1.0, 0.0, 5.0, "higher", False),
    ],
)
def test_goal_beside_a_rival_is_one_of_the_ratio(
    value: float, rival_value: float, goal: float, better: Better, ok: bool
) -> None:
    made = figure("f", value, "u", better=better, rival="r", rival_value=rival_value, goal=goal)
    assert made.ok is ok
    assert made.ratio == (value / rival_value if rival_value else None)


@pytest.mark.parametrize(("value", "ok"), [(0.2, True), (0.21, False)])
def test_goal_without_a_rival_is_one_of_the_value(value: float, ok: bool) -> None:
    assert figure("f", value, "ms", better="lower", goal=0.2).ok is ok


def test_figure_without_a_goal_is_only_told() -> None:
    assert figure("f", 1.0, "u", better="lower").ok


def test_json_has_the_agreed_fields() -> None:
    made = report("ami", 1.5, [figure("f", 10.0, "u", better="higher", rival="r", rival_value=2.0)])
    told = json.loads(to_json(made))
    assert set(told) == {"name", "seconds", "machine", "figures"}
    assert set(told["machine"]) == {"cores", "memory"}
    assert told["machine"]["memory"] > 2**27
    assert told["figures"] == [
        {
            "name": "f",
            "value": 10.0,
            "unit": "u",
            "rival": "r",
            "rival_value": 2.0,
            "ratio": 5.0,
            "goal": None,
            "better": "higher",
            "ok": True,
        }
    ]


def test_one_missed_goal_is_a_missed_report() -> None:
    met, missed = (figure("f", value, "u", better="higher", goal=2.0) for value in (3.0, 1.0))
    assert report("x", 0.0, [met]).ok
    assert not report("x", 0.0, [met, missed]).ok


def test_table_tells_every_figure() -> None:
    made = report(
        "x",
        0.0,
        [
            figure(
                "alpha", 12_345.0, "events/s", better="higher", rival="r", rival_value=1.0, goal=5
            ),
            figure("beta", 0.3, "ms", better="lower", goal=0.2),
        ],
    )
    text = io.StringIO()
    write_table(made, text)
    for part in ("alpha", "12,345", "≥ 5x", "ok", "beta", "0.3", "≤ 0.2", "missed"):
        assert part in text.getvalue()
