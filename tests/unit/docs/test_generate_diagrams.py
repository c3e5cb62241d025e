from docs.generate_diagrams import FILE, diagram, states


def test_the_committed_diagrams_are_those_of_the_tables():
    assert FILE.read_text() == states(), "run python -m docs.generate_diagrams"


def test_a_diagram_has_start_steps_and_end():
    steps = [("none", "Born", "alive"), ("alive", "Fed", "alive"), ("alive", "Shot", "dead")]
    assert diagram([*steps, ("alive", "Died", "dead")]).splitlines() == [
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> alive: Born",
        "    alive --> alive: Fed",
        "    alive --> dead: Shot, Died",
        "    dead --> [*]",
        "```",
    ]
