"""Prompts of benchmarks to the letter as lm-evaluation-harness renders them, shots and all."""

from __future__ import annotations

import json
import pathlib

import pytest

from jorney.rows.readers.rules import RowRules
from jorney.solve.benchmarks.benchmark import tasks
from jorney.solve.benchmarks.task_protocol import ProtocolConfig

pytest.importorskip("lm_eval")

GSM8K = [{"question": f"What is {n} + 1?", "answer": f"{n} + 1 = <<{n}+1={n + 1}>>{n + 1}\n#### {n + 1}"} for n in range(3)]
BBH = [{"input": f"I have {n} pears. How many fruits do I have?", "target": str(n)} for n in range(2, 5)]
CHOICES = {"text": ["rain", "sand", "ash", "wood"], "label": ["A", "B", "C", "D"]}
ARC = [{"id": "M_1", "question": "What is wet?", "choices": CHOICES, "answerKey": "A"}]
FIVE = {"text": [*CHOICES["text"], "sky"], "label": ["A", "B", "C", "D", "E"]}
CSQA = [{"id": "q", "question": "What is wet?", "question_concept": "wet", "choices": FIVE, "answerKey": "A"}]
MGSM = [{"question": "Wie viele?", "answer": None, "answer_number": 3, "equation_solution": None}]
# Ours, a task file of theirs, rows as published, and which of our settings make it the same.
PAIRS = [
    ("gsm8k-cot", "gsm8k/gsm8k-cot.yaml", GSM8K, {}),
    ("bbh/object_counting", "bbh/cot_fewshot/object_counting.yaml", BBH, {}),
    ("bbh/word_sorting", "bbh/cot_fewshot/word_sorting.yaml", BBH, {}),
    ("gsm8k", "gsm8k/gsm8k.yaml", GSM8K, {"shots": "none"}),
    ("arc-challenge", "arc/arc_challenge.yaml", ARC, {}),
    ("commonsense-qa", "commonsense_qa/default.yaml", CSQA, {}),
    ("mgsm/de", "mgsm/native_cot/mgsm_native_cot_de.yaml", MGSM, {"shots": "none"}),
]


@pytest.mark.parametrize(("name", "file", "rows", "otherwise"), PAIRS, ids=[name for name, *_ in PAIRS])
@pytest.mark.filterwarnings("ignore")
def test_prompts_are_the_harnesss(tmp_path: pathlib.Path, name: str, file: str, rows: list, otherwise: dict) -> None:
    import lm_eval.tasks

    data = tmp_path / "rows.jsonl"
    data.write_text("\n".join(json.dumps(row) for row in rows))
    (tmp_path / "mine.yaml").write_text(
        f"include: {pathlib.Path(lm_eval.tasks.__file__).parent / file}\ntask: mine\ndataset_path: json\ndataset_name: null\n"
        f"dataset_kwargs:\n  data_files:\n    test: {data}\ntest_split: test\ntraining_split: null\nvalidation_split: null\n"
        "fewshot_split: null\n"
    )
    theirs = lm_eval.tasks.TaskManager(include_path=str(tmp_path)).load(["mine"])["tasks"]["mine"]
    shots = 0 if otherwise else theirs.config.num_fewshot or 0
    expected = [theirs.fewshot_context(doc, num_fewshot=shots) for doc in theirs.test_docs()]
    (own,) = tasks(name, str(data), None, ProtocolConfig(**otherwise), RowRules())
    assert [own.protocol.text(problem) for problem in own.problems] == expected
