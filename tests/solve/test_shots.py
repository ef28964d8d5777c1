"""Where shots are read from: each place by hand, and what is missing."""

from __future__ import annotations

import json
import pathlib
import sys

import pytest

from jorney.solve.benchmarks import shots
from jorney.solve.benchmarks.benchmark import named
from jorney.solve.benchmarks.task_protocol import ProtocolConfig, Shot, TaskProtocol

PLAIN = TaskProtocol("Q: {question}\nA:", count=2)
MGSM = '''"""Prompts."""
OTHER = [1]
MGSM_EXEMPLARS = {"de": {
    "1": {"q": "Frage: Wie "
               "viele?", "a": "Schritt-für-Schritt-Antwort: Elf. Die Antwort ist 11."},
    "2": {"q": "Frage: Wer?", "a": "Schritt-für-Schritt-Antwort: Ich. Die Antwort ist 2."}}}
'''
HARNESS = {
    "gsm8k/gsm8k-cot.yaml": """fewshot_config:
  samples:
  - question: One?
    target: It is 1.
  - question: Two?
    target: "2."
process: !function utils.run
""",
    "minerva_math/utils.py": """import nothing_that_is_here
def list_fewshot_samples() -> list:
    return [{"problem": "a", "solution": "b"}, {"problem": "c", "solution": "d"}]
""",
    "bbh/cot_fewshot/web_of_lies.yaml": r"""description: "Lies.\n\n"
fewshot_config:
  samples:
  - {input: "Who?", target: "He. So the answer is No."}
""".replace("\\\\", "\\"),
}


@pytest.fixture
def harness(tmp_path, monkeypatch) -> None:
    """A package of the harness's name, with task files of its form."""
    for name, text in {
        "__init__.py": "raise RuntimeError",
        **{f"tasks/{name}": text for name, text in HARNESS.items()},
    }.items():
        file = tmp_path / "site" / "lm_eval" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.delitem(sys.modules, "lm_eval", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def protocol(name: str, **more) -> TaskProtocol:
    return TaskProtocol("Q: {question}\nA:", shots=name, **more)


def test_of_the_harness_files_which_are_not_run(harness) -> None:
    found = shots.read(protocol("lm-eval:gsm8k/gsm8k-cot.yaml", count=2), "")
    assert found.worked == (Shot("Q: One?\nA:", "It is 1."), Shot("Q: Two?\nA:", "2."))
    found = shots.read(protocol("lm-eval:minerva_math/utils.py:list_fewshot_samples", count=1), "")
    assert found.worked == (Shot("Q: a\nA:", "b"),)
    with pytest.raises(ValueError, match="2 shots: expected 5"):
        shots.read(protocol("lm-eval:gsm8k/gsm8k-cot.yaml", count=5), "")
    with pytest.raises(FileNotFoundError, match=r"nope.yaml: no such file: expected a version of lm-eval that has it"):
        shots.read(protocol("lm-eval:nope.yaml"), "")


def test_without_the_harness_it_is_said_where_to_get_it(monkeypatch) -> None:
    monkeypatch.setattr(shots.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"pip install 'jorney\[eval\]', or --protocol.shots FILE"):
        shots.read(protocol("lm-eval:gsm8k/gsm8k-cot.yaml"), "")


def test_of_the_training_set_beside_the_test_set(tmp_path) -> None:
    """As it was published: GSM8K's solutions keep what its calculator was told."""
    (tmp_path / "train.jsonl").write_text(json.dumps({"question": "One?", "answer": "1 = <<1=1>>1\n#### 1"}) + "\n")
    (tmp_path / "test.jsonl").write_text("{}\n")
    found = shots.read(protocol("split:train", count=1), str(tmp_path / "test.jsonl"))
    assert found.worked == (Shot("Q: One?\nA:", "1 = <<1=1>>1\n#### 1"),)
    assert shots.sibling("openai/gsm8k:main@test", "train") == "openai/gsm8k:main@train"
    (tmp_path / "train.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match=r"train.jsonl: no such file, of which shots are read: expected it beside"):
        shots.read(protocol("split:train", count=1), str(tmp_path / "test.jsonl"))


def test_of_a_file_of_ones_own(tmp_path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps({"problem": "One?", "solution": "1."}))
    assert shots.read(protocol(str(file)), "").worked == (Shot("Q: One?\nA:", "1."),)
    file.write_text(json.dumps({"problem": "One?"}))
    with pytest.raises(ValueError, match="a row of problem: expected question or problem"):
        shots.read(protocol(str(file)), "")
    file = tmp_path / "deepseek.py"
    file.write_text('import x\nfew_shot_prompt = """\nQ: One?\nA: 1.\n""".strip()\n')
    assert shots.read(protocol(str(file)), "").text(_problem("Two?")) == "Q: One?\nA: 1.\n\nQ: Two?\nA:"


def _problem(question: str):
    from jorney.domain.problem import Problem

    return Problem("p", question, "1")


def test_big_bench_hard_beside_its_problems_or_of_the_harness(tmp_path, harness) -> None:
    asked = named("bbh")[0].task("web_of_lies")
    found = shots.read(asked.__class__(**{**vars(asked), "count": 1}), "", "web_of_lies")
    whole = "Lies.\n\nQ: Who?\nA: Let's think step by step.\nHe. So the answer is No.\n\nQ: I?\nA: Let's think step by step.\n"
    assert found.text(_problem("I?")) == whole
    (tmp_path / "bbh" / "cot-prompts").mkdir(parents=True)
    (tmp_path / "bbh" / "web_of_lies.json").write_text("{}")
    text = "CANARY\n-----\nTruth.\n\nQ: A?\nA: Let's think step by step.\nB.\n\nC.\n\nQ: D?\nA: Let's think step by step.\nE."
    (tmp_path / "bbh" / "cot-prompts" / "web_of_lies.txt").write_text(text)
    two = asked.__class__(**{**vars(asked), "count": 2})
    found = shots.read(two, str(tmp_path / "bbh" / "web_of_lies.json"), "web_of_lies")
    assert [one.solution for one in found.worked] == ["B.\n\nC.", "E."]
    published = text.partition("-----\n")[2]
    assert found.text(_problem("I?")) == f"{published}\n\nQ: I?\nA: Let's think step by step.\n"


@pytest.mark.parametrize("subset", ["boolean_expressions", "multistep_arithmetic_two", "object_counting"])
def test_big_bench_hards_published_prompts_stand_as_they_are(shared_data: pathlib.Path, subset: str) -> None:
    asked, file = named("bbh")[0].task(subset), shared_data / "bbh" / f"{subset}.json"
    published = (shared_data / "bbh" / "cot-prompts" / f"{subset}.txt").read_text().partition("-----\n")[2].rstrip()
    found = shots.read(asked, str(file), subset)
    assert len(found.worked) == 3
    assert found.text(_problem("?")) == f"{published}\n\nQ: ?\nA: Let's think step by step.\n"


def test_mgsms_exemplars_bring_the_words_of_their_language(tmp_path) -> None:
    asked = named("mgsm")[0].task("de")
    (tmp_path / "exemplars.py").write_text(MGSM)
    (tmp_path / "mgsm_de.tsv").write_text("Was?\t3\n")
    found = shots.read(asked.__class__(**{**vars(asked), "count": 2}), str(tmp_path / "mgsm_de.tsv"), "de")
    assert found.text(_problem("Was?")) == (
        "Frage: Wie viele?\nSchritt-für-Schritt-Antwort: Elf. Die Antwort ist 11.\n\n"
        "Frage: Wer?\nSchritt-für-Schritt-Antwort: Ich. Die Antwort ist 2.\n\nFrage: Was?\nSchritt-für-Schritt-Antwort:"
    )
    assert found.cut("Drei.\nFrage: Wie") == 5


def test_what_is_stated_by_hand_stays(tmp_path, harness) -> None:
    """Whatever the shots bring along: BIG-Bench Hard's description, the words of MGSM's languages."""
    config = ProtocolConfig(system="Be good.", count=1)
    found = shots.read(config.over(named("bbh")[0].task("web_of_lies")), "", "web_of_lies", config)
    assert found.text(_problem("I?")).startswith("Be good.\n\nLies.\n\nQ: Who?")
    (tmp_path / "exemplars.py").write_text(MGSM)
    (tmp_path / "mgsm_de.tsv").write_text("Was?\t3\n")
    config = ProtocolConfig(prompt="F: {question}\nA:", stops=("F:",), count=2)
    found = shots.read(config.over(named("mgsm")[0].task("de")), str(tmp_path / "mgsm_de.tsv"), "de", config)
    assert (found.prompt, found.stops) == ("F: {question}\nA:", ("F:",))
