"""`jorney thoughts` and `jorney analyse` as they are run: what they write, that they go on, and what they say of bad files."""

from __future__ import annotations

import json
import pathlib
import re

import pytest
from countdown_trees import countdown_tree
from memory_store import memory_root
from simulated_model import SimulatedModel
from stub_endpoint import Act, Stub

from jorney import cli, storage
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.domain.domains import state
from jorney.run.stages.derivation import describe
from jorney.run.stages.thoughts import score
from jorney.run.stages.thoughts.talking import AskingCommand
from jorney.thought.care.quality import measure
from jorney.thought.derive import DeriveConfig, shortcuts, walk
from jorney.thought.refine import RefineConfig, compose
from jorney.thought.thought import Piece, Thought, from_json

TREES = [countdown_tree(problem, 0) for problem in sample_problems(Countdown(), "trees", 60, 0)]
THOUGHTS = [
    compose(tree, walk(tree, leaf, DeriveConfig(trials=3), 0), "journey", state, RefineConfig(), 0)
    for tree in TREES
    for leaf in shortcuts(tree, 1)
]
EGGS = {"question": "8 eggs of {n} hens?", "answer": "8 hens lay 8 * {n} = {m} eggs\n#### {m}"}


@pytest.fixture
def run(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]):
    """Runs a command; returns its result, from OUTPUT/summary.json."""

    def one(*arguments: str, code: int = 0) -> str:
        assert cli.main([*arguments, "--output", str(tmp_path / "out")]) == code
        captured = capsys.readouterr()
        return captured.err if code else captured.out

    return one


@pytest.fixture
def journeys(tmp_path: pathlib.Path) -> str:
    file = tmp_path / "journeys.jsonl"
    storage.write_jsonl(file, (thought.to_json() for thought in THOUGHTS))
    return str(file)


@pytest.fixture
def human(tmp_path: pathlib.Path) -> str:
    file = tmp_path / "human.jsonl"
    storage.write_jsonl(file, ({k: v.format(n=n, m=8 * n) for k, v in EGGS.items()} for n in range(3, 40)))
    return str(file)


def _rows(file: pathlib.Path) -> list[dict]:
    return [row for _, row in storage.read_jsonl(file)]


def _summary(tmp_path: pathlib.Path) -> dict:
    found = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert found.pop("about")["settings"]["seed"] == 0
    return found


def test_scores_are_written_beside_thoughts_and_low_ones_left_out(run, journeys, tmp_path) -> None:
    run("thoughts", "score", "--thoughts", journeys)
    rows = _rows(tmp_path / "out" / "scores" / "thoughts.jsonl")
    assert [from_json(row, "row") for row in rows] == THOUGHTS
    assert [row["quality"]["q"] for row in rows] == [measure(thought).q for thought in THOUGHTS]
    least = sorted(row["quality"]["q"] for row in rows)[5]
    run("thoughts", "score", "--thoughts", journeys, "--least", str(least))
    kept = _rows(tmp_path / "out" / "scores" / "thoughts.jsonl")
    assert kept == [row for row in rows if row["quality"]["q"] >= least]
    assert _summary(tmp_path)["below_least"] == len(rows) - len(kept) > 0


def test_scoring_goes_on_from_its_parts(run, journeys, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(score, "TOGETHER", 10)
    scored: list[str] = []

    def scorer(thoughts):
        if len(scored) == 20 and "stopped" not in scored:
            scored.append("stopped")
            raise KeyboardInterrupt
        scored.extend(thought.id for thought in thoughts)
        return [measure(thought) for thought in thoughts]

    monkeypatch.setattr(score, "measure_all", scorer)
    assert "the same command goes on" in run("thoughts", "score", "--thoughts", journeys, code=130)
    run("thoughts", "score", "--thoughts", journeys)
    assert [name for name in scored if name != "stopped"] == [thought.id for thought in THOUGHTS]
    assert len(_rows(tmp_path / "out" / "scores" / "thoughts.jsonl")) == len(THOUGHTS)


def test_duplicates_are_left_out_and_named(run, tmp_path) -> None:
    file = tmp_path / "texts.jsonl"
    words = " ".join(f"word{i}" for i in range(60))
    texts = ["a b c d e f g h", words, "A  b c d e f g h", words + " more", "x y z x y z"]
    storage.write_jsonl(file, ({"id": str(i), "text": text} for i, text in enumerate(texts)))
    run("thoughts", "dedupe", "--data", str(file))
    assert [row["id"] for row in _rows(tmp_path / "out" / "unique" / "thoughts.jsonl")] == ["0", "1", "4"]
    first, second = _rows(tmp_path / "out" / "unique" / "duplicates.jsonl")
    assert (first["id"], first["exact"], first["of"]) == ("2", True, f"{file}: line 1")
    assert (second["id"], second["exact"], second["of"]) == ("3", False, f"{file}: line 2")
    assert second["similarity"] == pytest.approx(56 / 57)
    assert _summary(tmp_path) == {"rows": 5, "kept": 3, "exact_duplicates": 1, "near_duplicates": 1}


def test_mixtures_are_thoughts_at_the_stated_share(run, journeys, human, tmp_path) -> None:
    run("thoughts", "mix", "--thoughts", journeys, "--human", human, "--mix.share", "0.25")
    thoughts = [from_json(row, "row") for row in _rows(tmp_path / "out" / "mixture" / "thoughts.jsonl")]
    ours = sum(thought.construction == "human" for thought in thoughts)
    assert len(thoughts) - ours == len(THOUGHTS)
    assert ours == round(len(THOUGHTS) / 3)
    assert _summary(tmp_path)["share"] == pytest.approx(0.25, abs=0.01)
    written = {f"1. 8 hens lay 8 * {n} = {8 * n} eggs\n#### {8 * n}" for n in range(3, 40)}
    assert {thought.text for thought in thoughts if thought.construction == "human"} <= written


def test_variety_and_the_next_temperature(run, tmp_path) -> None:
    for name, kinds in (("a", 400), ("b", 12)):
        rows = ({"text": " ".join(f"w{(7 * i * j + j) % kinds}" for j in range(40))} for i in range(30))
        storage.write_jsonl(tmp_path / f"{name}.jsonl", rows)
    rounds = [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]
    said = run("thoughts", "diversity", "--rounds", *rounds, "--temperatures", "0.7", "0.7")
    assert re.search(r"next temperature +0\.8$", said, re.MULTILINE)
    found = _summary(tmp_path)
    assert "entropy" in found["collapsed"]
    assert found["trend"]["entropy"] == pytest.approx(found["rounds"][1]["entropy"] - found["rounds"][0]["entropy"])


def test_sets_side_by_side(run, journeys, human, tmp_path, capsys) -> None:
    parts = tmp_path / "model" / "evaluate" / "parts"
    for number in range(2):
        rows = [{"id": f"{number}-{i}", "text": "Wait, 3.", "tokens": 9, "correct": True} for i in range(3)]
        storage.write_jsonl(parts / f"{number:06d}.jsonl", rows)
    figure = tmp_path / "figure.png"
    said = run("analyse", journeys, human, str(tmp_path / "model"), "--figure", str(figure))
    assert figure.read_bytes().startswith(b"\x89PNG")
    found = json.loads((tmp_path / "out" / "analysis.json").read_text())
    assert [one["texts"] for one in found.values()] == [len(THOUGHTS), 37, 6]
    *_, outputs = found.values()
    assert outputs["tokens"]["histogram"] == [[9, 6]]
    assert outputs["keywords"]["reflection"]["share_of_texts"] == 1.0
    assert "analysis: already done" not in said
    assert run("analyse", journeys, str(tmp_path / "model")).count("analysis: already done") == 2
    assert (tmp_path / "out" / "analysis.svg").exists()


def test_difficulty_comes_from_trees_and_problems(run, journeys, tmp_path) -> None:
    storage.write_jsonl(tmp_path / "trees.jsonl", (tree.to_json() for tree in TREES))
    problems = [{"id": tree.id, "question": tree.question, "answer": tree.answer, "level": "Level 2"} for tree in TREES[:5]]
    storage.write_jsonl(tmp_path / "problems.jsonl", problems)
    run("analyse", journeys, "--trees", str(tmp_path / "trees.jsonl"))
    (found,) = json.loads((tmp_path / "out" / "analysis.json").read_text()).values()
    assert found["difficulty"]["by"] == "solve rate"
    assert sum(one["texts"] for one in found["difficulty"]["values"]) == len(THOUGHTS)
    assert all(0 <= one["value"] <= 1 for one in found["difficulty"]["values"])
    run("analyse", journeys, "--problems", str(tmp_path / "problems.jsonl"))
    (found,) = json.loads((tmp_path / "out" / "analysis.json").read_text()).values()
    assert found["difficulty"]["by"] == "own steps"  # for most; five have a level


def test_tokens_of_a_models_tokenizer(run, journeys, tmp_path) -> None:
    run("analyse", journeys, "--analyse.tokenizer", "embedded")
    (found,) = json.loads((tmp_path / "out" / "analysis.json").read_text()).values()
    assert found["tokens_counted_by"] == "embedded"


def test_constructions_as_commands(run, human, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(AskingCommand, "asked", lambda self, bench, model: (SimulatedModel, ["simulated"], lambda stage: stage))
    run("thoughts", "student-teacher", "--limit", "12", "--dialogue.max-turns", "12")
    thoughts = [from_json(row, "row") for row in _rows(tmp_path / "out" / "student-teacher" / "thoughts.jsonl")]
    assert _summary(tmp_path)["kept"] == len(thoughts) >= 8
    run("thoughts", "propose-critique", "--limit", "5")
    run("thoughts", "human", "--problems", human)
    assert _summary(tmp_path)["problems"] == 37
    row = _rows(tmp_path / "out" / "human" / "thoughts.jsonl")[0]
    assert row["longCOT"].startswith("1. Hm, let me think.\n2. Now comes the next thing.\n3. 8 hens lay 8 * 3 = 24 eggs")


def test_an_endpoint_speaks_in_the_models_place(run, tmp_path) -> None:
    model = SimulatedModel()
    with Stub(lambda number, body: Act(text=model([body["messages"]])[0])) as stub:
        told = run(
            *("thoughts", "student-teacher", "--limit", "6", "--dialogue.max-turns", "12"),
            *("--llm.model", "teacher", "--llm.base-url", stub.url, "--llm.cache", str(tmp_path / "llm")),
        )
    rows = _rows(tmp_path / "out" / "student-teacher" / "thoughts.jsonl")
    assert rows
    assert {row["refiner"] for row in rows} == {"teacher"}
    assert len(stub.asked) == len(set(model.chats))
    assert f"teacher: {len(stub.asked)} calls paid" in told


def test_a_model_scores_in_place_of_the_measure(run, journeys, tmp_path, monkeypatch) -> None:
    ratings = "consistency: 10\ncompleteness: 10\nrelevance: 5\nredundancy: 0"

    def ask(chats):
        return [None if THOUGHTS[1].text in chat[0]["content"] else ratings for chat in chats]

    monkeypatch.setattr(AskingCommand, "asked", lambda self, bench, model: (lambda: ask, ["rater"], lambda stage: stage))
    run("thoughts", "score", "--thoughts", journeys, "--by", "model")
    rows = _rows(tmp_path / "out" / "scores" / "thoughts.jsonl")
    assert len(rows) == len(THOUGHTS) - 1
    assert {row["quality"]["q"] for row in rows} == {0.5}
    assert _summary(tmp_path)["without_score"] == 1


def test_everything_may_lie_in_a_store(capsys) -> None:
    root = memory_root()
    storage.write_jsonl(f"{root}/journeys.jsonl", (thought.to_json() for thought in THOUGHTS))
    places = ["--thoughts", f"{root}/journeys.jsonl", "--output", f"{root}/out"]
    assert cli.main(["thoughts", "score", *places]) == 0
    place = capsys.readouterr().out.splitlines()[-1].removeprefix("thoughts score: ")
    assert len(_rows(storage.path(place) / "thoughts.jsonl")) == len(THOUGHTS)
    assert cli.main(["analyse", f"{place}/thoughts.jsonl", "--output", f"{root}/analysis"]) == 0
    assert storage.path(f"{root}/analysis/analysis.svg").exists()


GOOD = json.dumps(THOUGHTS[0].to_json()) + "\n"


@pytest.mark.parametrize(
    ("arguments", "content", "message"),
    [
        (["thoughts", "score", "--thoughts"], GOOD + "{\n", "bad.jsonl: line 2: expected a JSON object"),
        (["thoughts", "score", "--thoughts"], GOOD + '{"id": "x"}\n', "bad.jsonl: line 2: the field 'question' is missing"),
        (["thoughts", "dedupe", "--data"], GOOD + '{"id": "x"}\n', "bad.jsonl: line 2: the fields are id: expected a text"),
        (["thoughts", "mix", "--human", "{human}", "--thoughts"], '{"text": "x"}\n', "bad.jsonl: line 1: the field 'pieces'"),
        (["thoughts", "mix", "--human"], GOOD, "journey.jsonl: no such file"),
        (["thoughts", "diversity", "--rounds"], GOOD, "round 0: holds 1 texts: expected 2 at least"),
        (["thoughts", "diversity", "--temperatures", "0.5", "0.6", "--rounds"], GOOD, "temperatures: 2 of them"),
        (["thoughts", "student-teacher", "--problems"], GOOD, "embedded: its tokenizer has no chat template"),
        (["thoughts", "human", "--problems"], '{"question": "q", "answer": "1"}\n', "bad.jsonl: the problem "),
        (["thoughts", "score", "--by", "luck", "--thoughts"], GOOD, "by = 'luck': expected one of measured, model"),
        (["analyse"], GOOD + '{"id": "x"}\n', "bad.jsonl: line 2: the fields are id"),
        (["analyse"], "", "bad.jsonl: holds no rows: expected at least one"),
        (["analyse", "{folder}"], GOOD, ", or the folder that `jorney evaluate` wrote (OUTPUT/evaluate)"),
        (["analyse", "--figure", "x.jpg", "--files"], GOOD, "figure = 'x.jpg': expected a file that ends in .svg"),
    ],
)
def test_bad_files_are_named_and_nothing_is_written(run, human, tmp_path, arguments, content, message) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text(content)
    (tmp_path / "folder").mkdir()
    given = [argument.format(human=human, folder=tmp_path / "folder") for argument in arguments]
    error = run(*given, str(bad), code=2)
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["thoughts"], "jorney thoughts: one word is missing (expected jorney thoughts tree|"),
        (["thoughts", "dream"], "jorney thoughts: 'dream' is no kind of thoughts (expected jorney thoughts tree|"),
        (["thoughts", "mix"], "human = ''"),
        (["thoughts", "human"], "problems = '': expected a file"),
        (["thoughts", "tree", "--trees", "/nowhere"], "/nowhere: no such file or folder"),
        (["analyse"], "FILE is missing: expected jorney analyse FILE... [OPTIONS]"),
        (["analyse", "/nowhere.jsonl"], "/nowhere.jsonl: no such file"),
    ],
)
def test_what_is_expected_is_said(run, arguments, message) -> None:
    assert message in run(*arguments, code=2)


@pytest.mark.parametrize("command", ["thoughts score", "thoughts human", "thoughts propose-critique", "analyse"])
def test_help(command, capsys) -> None:
    assert cli.main([*command.split(), "--help"]) == 0
    assert "--seed" in capsys.readouterr().out
    assert cli.main(["thoughts", "--help"]) == 0
    assert "propose-critique" in capsys.readouterr().out


def test_keywords_are_whole_words() -> None:
    def of(text: str) -> Thought:
        return Thought("t", "q", "9", "journey", 1, (Piece(text, "step", 1),))

    told = describe([of("If it is different or impossible, Waiting, Considered. Wait, see if that is possible. Wait: if")])
    assert told["keywords"] == {"Wait": 2, "if": 2, "possible": 1}
