"""What the run found beside accuracy: the numbers in the tables, and one tree and one thought as they are shown."""

from __future__ import annotations

import itertools
import re

import pytest
from random_trees import random_tree

from jorney.show import Sample, SampleOutput, exhibits, figures, findings, markdown, page, report_page, tree_drawing
from jorney.thought.thought import Piece, Thought
from jorney.tree.tree import Node, Tree


def _model(accuracy: float, tokens: float, **more: object) -> dict:
    return {
        "accuracy": accuracy,
        "n": 1000,
        "ci_low": accuracy - 0.03,
        "ci_high": accuracy + 0.03,
        "mean_tokens": tokens,
    } | more


@pytest.fixture
def full(report) -> dict:
    report["models"] |= {"phase2_shortcut": _model(0.33, 39.0), "phase2_journey": _model(0.41, 82.5, token_limit=192)}
    report["controls"] = {
        "resampled_until_target": _model(0.35, 82.4, token_limit=97),
        "pass_at_n": _model(0.5, 82.3, token_limit=88),
        "placebo_journey": _model(0.3, 80.0, token_limit=192),
    }
    report["comparisons"] = [
        {"a": "phase2_journey", "b": "phase2_shortcut", "difference": 0.08, "mcnemar_p": 0.0004, "only_a": 130, "only_b": 50},
        {"a": "phase2_journey", "b": "pass_at_n", "difference": -0.09, "mcnemar_p": 0.2, "only_a": 10, "only_b": 100},
    ]
    report["behaviour"] = {
        "base": dict.fromkeys(("first_attempt_accuracy", "justified_backtracks", "recovery_rate", "true_equations")),
        "phase2_journey": {
            "first_attempt_accuracy": 0.301,
            "justified_backtracks": 0.972,
            "recovery_rate": 0.155,
            "true_equations": 0.998,
        },
    }
    report["trees"] = {
        "count": 500,
        "nodes": 6123,
        "share_wrong": 0.712,
        "generated_tokens": 151234,
        "true_equations": 0.987,
        "first_step_accuracy": 0.58,
        "with_shortcut": 0.66,
    }
    report["thoughts"] = {
        "shortcut": {"count": 330, "mean_tokens": 39.0, "mean_lines": 4.0, "mean_excursions": 0.0, "keywords": {}},
        "journey": {
            "count": 330,
            "mean_tokens": 81.2,
            "mean_lines": 6.6,
            "mean_excursions": 0.75,
            "with_excursion": 0.54,
            "keywords": {"Wait": 248, "Go back": 247},
        },
    }
    report["prm"] = {"f1_step": 0.7123, "f1_solution": 0.65, "processbench_f1": None, "held_out_solutions": 180}
    return report


def test_controls_are_named_and_explained(full) -> None:
    table = findings.controls_table(full)
    assert table is not None
    assert table.rows[0] == ("Asked again", "35.0%", "32.0–38.0%", "1,000", "82.4", "97")
    assert table.note.count(".") == 3
    assert "a bound, not a method" in table.note


def test_behaviour_with_nothing_to_count(full) -> None:
    table = findings.behaviour_table(full)
    assert table is not None
    assert table.rows == (("Base model", "–", "–", "–", "–"), ("Journey", "30.1%", "97.2%", "15.5%", "99.8%"))


def test_health_says_what_holds(full) -> None:
    table = findings.trees_table(full)
    assert table is not None
    assert [row[1:] for row in table.rows] == [
        ("71.2%", "30% to 70%", "no"),
        ("98.7%", "95% or more", "yes"),
        ("58.0%", "20% to 80%", "yes"),
        ("66.0%", "–", "–"),
    ]
    assert "500 trees of 6,123 nodes together; 151,234 tokens" in table.note


def test_thoughts_and_keywords(full) -> None:
    table, words = findings.thoughts_table(full), findings.keywords_table(full)
    assert table is not None
    assert words is not None
    assert table.rows[1] == ("Journey", "330", "81.2", "6.6", "0.75", "54.0%")
    assert words.rows == (("Go back", "0", "247"), ("Wait", "0", "248"))


def test_reward_model_and_pairs(full) -> None:
    table, pairs = findings.prm_table(full), findings.comparisons_table(full)
    assert table is not None
    assert pairs is not None
    assert table.rows == (("F1 over steps", "0.712"), ("F1 over solutions", "0.650"))
    assert pairs.rows[0] == ("Journey against Shortcut", "+8.0", "130", "50", "<\N{NO-BREAK SPACE}0.001")
    assert pairs.rows[1][-1] == "0.200"


@pytest.mark.parametrize("part", ["controls", "behaviour", "trees", "thoughts", "prm"])
@pytest.mark.parametrize("value", [None, {}, [], "x", {"a": None}, {"a": {"accuracy": "x"}}])
def test_no_shape_of_a_part_breaks_the_page(full, part, value) -> None:
    full[part] = value
    assert "<h1>" in page.html(report_page.document(full, ()))
    assert markdown.text(report_page.document(full, ())).startswith("# ")


def test_points_of_the_token_figure(full) -> None:
    points = figures.token_points(full)
    assert [(p.label, p.tokens, p.control) for p in points][2:] == [
        ("Shortcut", 39.0, False),
        ("Journey", 82.5, False),
        ("Asked again", 82.4, True),
        ("Pass@n (oracle)", 82.3, True),
        ("Placebo journey", 80.0, True),
    ]
    for width in (328, 720):
        drawing = figures.draw_tokens(points, width)
        drawing.canvas.draw()
        (axes,) = drawing.axes
        boxes = [text.get_window_extent() for text in axes.texts]
        assert [text.get_text() for text in axes.texts] == [point.label for point in points]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        assert all(box.x0 >= 0 and box.x1 <= width for box in boxes)


def test_a_name_is_never_nearer_to_another_point() -> None:
    """Of two points that nearly cover each other, each has its name on its own side."""
    near = [
        figures.ModelResult(name, 0.36, (0.33, 0.39), "9", tokens=at) for name, at in (("Shortcut", 33.0), ("Matched", 34.0))
    ]
    far = figures.ModelResult("Journey", 0.49, (0.46, 0.52), "9", tokens=90.0)
    for width in (328, 720):
        (axes,) = figures.draw_tokens([*near, far], width).axes
        places = [axes.transData.transform((one.tokens, one.accuracy))[0] for one in near]
        names = [axes.transData.transform(text.get_position())[0] for text in axes.texts[:2]]
        assert names[0] < places[0] < places[1] < names[1]


def test_files_of_the_run_are_linked(full) -> None:
    full["files"] = {"settings": "settings.yaml", "trees": "stages/trees-1a2b"}
    full["command"] = "jorney quickstart --seed '<1>'"
    shown = page.html(report_page.document(full, ()))
    assert '<a href="stages/trees-1a2b">Trees</a>' in shown
    assert "jorney quickstart --seed &#x27;&lt;1&gt;&#x27;" in shown
    text = markdown.text(report_page.document(full, ()))
    assert "- Trees: `stages/trees-1a2b`" in text
    assert "jorney quickstart --seed '<1>'" in text


def test_groups_of_problems_are_told_once(full) -> None:
    said = ["Solved by Journey, not by Shortcut:"] * 2 + ["Solved by both:"]
    shown = page.html(
        report_page.document(full, [Sample("q", "a", {"base": SampleOutput("x", True)}, group) for group in said])
    )
    assert re.findall(r"<p>(Solved[^<]*)</p>|<h3>(Problem \d)</h3>", shown) == [
        *[(said[0], ""), ("", "Problem 1"), ("", "Problem 2")],
        *[(said[2], ""), ("", "Problem 3")],
    ]


TREE = Tree(
    "t",
    "Make <9> & more.",
    "9",
    "abel",
    (
        Node(None),
        Node(0, "1. <script>alert(1)</script>", sibling=0, rating=1),
        Node(0, "1. b", sibling=1, rating=-1, status="pruned", justification='seen "that"'),
        Node(0, "1. c", sibling=2, rating=None, status="kept", excursion=True),
        Node(1, "2. d\n#### 9", sibling=0, rating=1, status="leaf-correct"),
        Node(3, "2. e", sibling=0, rating=-1, status="unfinished", excursion=True),
    ),
)


def test_the_tree_is_drawn_in_shapes_as_well_as_colours() -> None:
    drawing = tree_drawing.draw(TREE)
    assert drawing.count('<circle class="node right"') == 2
    assert drawing.count('<rect class="node wrong"') == 2
    assert drawing.count('class="node neutral"') == 2  # the root is not judged
    assert drawing.count('class="inner') == 1
    assert drawing.count('stroke-dasharray="3 2"') == 1
    assert drawing.count('class="edge"') == 5
    assert re.findall(r">(\d+,\d+)</text>", drawing) == ["0,0", "1,0", "1,1", "1,2", "2,0", "2,1"]
    assert "<script>" not in drawing
    assert "seen &quot;that&quot;" in drawing


def test_nothing_of_a_tree_lies_over_anything_else() -> None:
    for seed in range(30):
        tree = random_tree(seed)
        columns = tree_drawing._columns(tree)
        for level in range(6):
            row = sorted(columns[i] for i in range(len(tree.nodes)) if tree.level(i) == level)
            assert all(b - a >= 1 for a, b in itertools.pairwise(row))


def test_nodes_are_listed_level_by_level() -> None:
    table = exhibits.nodes_table(TREE)
    assert [row[:2] for row in table.rows] == [("1,0", "0,0"), ("1,1", "0,0"), ("1,2", "0,0"), ("2,0", "1,0"), ("2,1", "1,2")]
    assert table.rows[1][3:] == ("wrong", "pruned", 'seen "that"')


JOURNEY = Thought(
    "t",
    "Make 9.",
    "9",
    "journey",
    4,
    (
        Piece("1. <b>x</b>\n", "excursion"),
        Piece("Wait, 3 is not 9. Go back to the question.\n", "reflection"),
        Piece("1. y\n", "step"),
        Piece("#### 9", "conclusion"),
    ),
)


def test_excursions_and_reflections_are_marked(full) -> None:
    text = page.html(report_page.document(full, (), TREE, (JOURNEY, JOURNEY)))
    assert '<div class="piece excursion"><span class="mark" title="left again" aria-label="left again">✗</span>' in text
    assert "<span>1. &lt;b&gt;x&lt;/b&gt;</span>" in text
    assert text.count('class="piece reflection"') == 2
    for heading in ("Controls", "Behaviour", "A reasoning tree", "All trees", "A long thought", "All thoughts", "Reward model"):
        anchor = heading.lower().replace(" ", "-")
        assert f'<h2 id="{anchor}">{heading}</h2>' in text
        assert f'<a href="#{anchor}">{heading}</a>' in text  # the contents
    flat = markdown.text(report_page.document(full, thoughts=(JOURNEY, JOURNEY)))
    assert "## A long thought" in flat
    assert "Wait, 3 is not 9. Go back to the question." in flat


def test_without_tree_and_thoughts_the_sections_are_left_out(report) -> None:
    text = page.html(report_page.document(report, ()))
    for heading in ("Controls", "Behaviour", "A reasoning tree", "A long thought", "Reward model"):
        assert heading not in text


def test_what_is_not_judged_is_not_neutral() -> None:
    ratings = (1, -1, 0, None)
    nodes = [Node(0, f"1. {rating}", sibling=place, rating=rating) for place, rating in enumerate(ratings)]
    tree = Tree("t", "?", "9", "abel", (Node(None), *nodes))
    assert [row[3] for row in exhibits.nodes_table(tree).rows] == ["right", "wrong", "neutral", "not judged"]
    drawing = tree_drawing.draw(tree)
    assert drawing.count('class="node neutral"') == 3  # the root, and both
    assert "1. 0 [neutral, kept]" in drawing
    assert "1. None [not judged, kept]" in drawing


@pytest.mark.parametrize(
    ("oracle", "words"),
    [
        (False, "; the question names that answer, so no oracle is asked."),
        (True, "; the question does not name that answer, so this is an oracle's: a bound, not a method."),
        (None, "at the journey model's mean tokens."),
    ],
)
def test_the_report_says_who_asks_an_oracle(full, oracle, words) -> None:
    if oracle is not None:
        full["controls"]["resampled_until_target"]["oracle"] = oracle
    note = findings.controls_table(full).note
    assert words in note
    assert ("no oracle is asked" in note) == (oracle is False)
