"""An experiment's findings and its page, from made-up measurements."""

from __future__ import annotations

import json
import random

import pytest

from jorney.config import to_json
from jorney.run.recipes.experiment.measure import LEARNED
from jorney.run.recipes.experiment.pooled import MODELS, findings
from jorney.run.recipes.journey import quickstart
from jorney.show.experiment import experiment_page as page
from jorney.show.experiment import experiment_tables as tables
from jorney.show.names import BUDGETS, JOURNEY, PASS, PHASE1, PLACEBO, SHORTCUT, UNTIL

SUMMARY = {
    "n": 40,
    "accuracy": 0.5,
    "ci_low": 0.4,
    "ci_high": 0.6,
    "mean_tokens": 40.0,
    "first_attempt_accuracy": 0.5,
    "justified_backtracks": None,
    "recovery_rate": 0.0,
    "true_equations": 1.0,
}


def _found(lead: float, seeds=(0, 1), problems: int = 120):
    """Measurements in which journeys solve `lead` more of the problems than all others, which solve half."""
    rng = random.Random(0)
    outcomes = []
    for seed in seeds:
        for number in range(problems):
            drawn = rng.random()
            correct = dict.fromkeys(MODELS, drawn < 0.5) | {JOURNEY: drawn < 0.5 + lead}
            outcomes.append(
                {
                    "seed": seed,
                    "id": f"p{number}",
                    "cluster": str(number % 30),
                    "correct": correct,
                    "tokens": dict.fromkeys(MODELS, 40),
                }
            )
    curve = [[float(budget), 0.5] for budget in BUDGETS]
    learned = {name: {"examples": 10, "completion_tokens": 500, "tokens": 1000, "steps": 7} for name in LEARNED}
    spent = {"accuracy": 0.6, "mean_tokens": 90.0, "exhausted": 0.25}
    one = {
        "models": dict.fromkeys((PHASE1, *LEARNED), SUMMARY),
        "controls": {UNTIL: spent, PASS: spent},
        "trainings": learned,
        "trees": {"count": 9, "share_wrong": 0.5, "first_step_accuracy": 0.5, "true_equations": 0.99, "generated_tokens": 500},
        "thoughts": {"journey": {"count": 7, "mean_excursions": 0.8}},
        "curves": dict.fromkeys((SHORTCUT, JOURNEY, PLACEBO, UNTIL, PASS), curve),
    }
    dose = {"group": "K", "examples": 10, "trained_tokens": 100, **SUMMARY}
    return {
        "name": "experiment",
        "set": "tuning",
        "margin": 0.08,
        "protocol": "abc",
        "opened": [{"set": "tuning", "protocol": "abc", "at": "2026-01-01T00:00:00+00:00", "code": "0123abc"}],
        "settings": json.loads(to_json({"run": quickstart()})),
        "seeds": [{"seed": seed, **one} for seed in seeds],
        "outcomes": outcomes,
        "doses": [{**dose, "dose": str(k), "kind": kind} for k in (2, 3) for kind in ("journey", "shortcut")],
        "abroad": [{"problems": "five <numbers>", "model": JOURNEY, **SUMMARY}],
        "small": {
            "parameters": 1000,
            "models": {name: {**SUMMARY, "trained_tokens": 1000} for name in (SHORTCUT, JOURNEY)},
            "equal": {
                "limit": 60,
                "mean_tokens": 50.0,
                "accuracy": 0.4,
                "ci_low": 0.3,
                "ci_high": 0.5,
                "lead": -0.1,
                "lead_interval": [-0.2, 0.0],
            },
        },
        "costs": {
            "parameters": 2000,
            "trees": 1e9,
            "models": {name: {"training": 1e12, "inference": 1e8, "gained": 0.1} for name in (*LEARNED, UNTIL, PASS)},
        },
        "environment": {"jax": "0"},
    }


def test_a_lead_is_pooled_over_seeds_and_judged_by_the_protocols_bars() -> None:
    made = findings(_found(0.2))
    main = made["comparisons"][0]
    assert (main["a"], main["b"], main["only_b"]) == (JOURNEY, SHORTCUT, 0)
    assert main["difference"] == pytest.approx(main["only_a"] / 240)
    assert main["difference"] == pytest.approx(sum(one["difference"] for one in main["by_seed"].values()) / 2)
    assert main["only_a"] == sum(one["only_a"] for one in main["by_seed"].values())
    assert main["p"] == 1 / 10_001  # no draw of signs is as far
    first, second = (one["difference"] for one in main["by_seed"].values())
    assert main["sd_over_seeds"] == pytest.approx(abs(first - second) / 2**0.5)
    assert made["sample"] == {"results": 240, "problems": 120, "clusters": 30}
    assert main["ci_low"] < main["difference"] < main["ci_high"]
    assert made["verdict"] == {"mean": True, "every_seed": True, "interval": True}
    assert tables.headline(made).startswith("Journeys solved ")
    assert "more of the problems than shortcuts" in tables.headline(made)
    assert tables.plain_words(made)[0].startswith("Journeys beat: Shortcut (+")


def test_no_lead_is_said_to_be_none() -> None:
    made = findings(_found(0.0))
    assert made["verdict"] == {"mean": False, "every_seed": False, "interval": False}
    assert [line.split(":")[0] for line in tables.plain_words(made)] == ["Journeys cannot be told from"]


def test_a_loss_is_said_to_be_one() -> None:
    made = findings(_found(-0.2))
    assert "fewer of the problems" in tables.headline(made)
    assert made["verdict"] == {"mean": False, "every_seed": False, "interval": False}
    assert [line.split(":")[0] for line in tables.plain_words(made)] == ["Journeys are beaten by"]


def test_the_page_holds_every_part_and_no_markup_of_its_data() -> None:
    found = _found(0.2)
    made = findings(found)
    html, text = page.html(found, made, ("First <b>this</b>.",)), page.text(found, made, ("First <b>this</b>.",))
    for heading in ("Accuracy", "On the way", "Doses", "Elsewhere", "Size", "Cost", "Protocol", "What was tried"):
        assert f">{heading}</h2>" in html
        assert f"## {heading}\n" in text
    assert "Met: every seed above 0." in html
    assert "the only one that has looked at it from this folder: on 2026-01-01 at 00:00 UTC, with the code of commit 0" in html
    assert "240 results of 120 problems in 30 clusters" in html
    assert "-10.0 points" in html.replace("\u2212", "-")
    assert "five &lt;numbers&gt;" in html
    assert "<b>" not in html
    assert html.count("<svg ") == 2 * 3  # accuracy, curves, one dose: each at two widths
    assert page.html(found, made, ("First <b>this</b>.",)) == html
