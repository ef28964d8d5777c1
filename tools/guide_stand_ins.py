"""What a reader of the guides would have, in small: files in their published forms, a model, an endpoint's answers."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
from collections.abc import Iterable, Sequence
from typing import Any

ROOT = pathlib.Path(__file__).parent.parent


def _jsonl(file: pathlib.Path, rows: Iterable[Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def gsm8k(first: int, count: int) -> list[dict[str, str]]:
    """Problems in the form of GSM8K's published files, each another one."""
    rows = []
    for n in range(first, first + count):
        bags, apples, eaten = 3 + n % 7, 4 + n % 11, 1 + n % 5
        total = bags * apples
        question = f"On day {n} Ann has {bags} bags of {apples} apples and eats {eaten} apples. How many apples are left?"
        steps = [
            f"Ann has {bags} * {apples} = <<{bags}*{apples}={total}>>{total} apples.",
            f"After eating there are {total} - {eaten} = <<{total}-{eaten}={total - eaten}>>{total - eaten} apples left.",
            f"#### {total - eaten}",
        ]
        rows.append({"question": question, "answer": "\n".join(steps)})
    return rows


def _benchmarks(folder: pathlib.Path) -> None:
    """Files of benchmarks in their published forms."""
    for name in ("object_counting", "web_of_lies"):
        examples = [{"input": f"I have {n} pears. How many?", "target": str(n)} for n in range(6)]
        (folder / "bbh" / "cot-prompts").mkdir(parents=True, exist_ok=True)
        (folder / "bbh" / f"{name}.json").write_text(json.dumps({"canary": "", "examples": examples}))
        shots = "".join(f"Q: {n} pears?\nA: Let's think step by step.\nSo the answer is {n}.\n\n" for n in range(3))
        (folder / "bbh" / "cot-prompts" / f"{name}.txt").write_text(f"canary\n-----\nCount.\n\n{shots.rstrip()}")
    choices = {"text": ["rain", "sand", "ash"], "label": ["A", "B", "C"]}
    rows = ({"id": f"M_{n}", "question": f"What is wet on day {n}?", "choices": choices, "answerKey": "A"} for n in range(6))
    _jsonl(folder / "arc.jsonl", rows)
    _jsonl(
        folder / "HumanEval.jsonl",
        (
            {
                "task_id": f"HumanEval/{n}",
                "prompt": f"def add_{n}(x):\n",
                "entry_point": f"add_{n}",
                "canonical_solution": f"    return x + {n}\n",
                "test": f"def check(candidate):\n    assert candidate(1) == {n + 1}\n",
            }
            for n in range(4)
        ),
    )


TEMPLATE = (
    "{% for message in messages %}{{ message.role }}:\n{{ message.content }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:\n{% endif %}"
)


def stand_ins(folder: pathlib.Path) -> None:
    """Files, a model and links to the checkout."""
    from datasets import Dataset, disable_progress_bars

    from jorney.domain.countdown.sets import Countdown, sample_problems
    from jorney.text.step_format import ABEL

    for name in ("configs", "tools", "tpu_scripts", "tests"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("path/or/hub-id", "path/to/SmolLM2", "path/to/SmolLM2-135M-Instruct"):
        shutil.copytree(ROOT / "jorney" / "embedded", folder / name)
        file = folder / name / "tokenizer_config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "chat_template": TEMPLATE}))
    names = ("train", "train_rest", "test", "gsm8k_train", "gsm8k_test", "abel_train", "gsm8k/train", "gsm8k/test")
    for number, name in enumerate(names):
        _jsonl(folder / f"{name}.jsonl", gsm8k(100 * number, 40))

    _benchmarks(folder)
    problems = sample_problems(Countdown(), "tuning", 24, 0)
    rows = []
    for problem in problems[:8]:
        steps = [line.split(". ", 1)[1] for line in problem.solution.splitlines()[:-1]]
        steps[-1] += f"\n\n# Answer\n\n{problem.answer}"
        both = [[{"text": step, "rating": 1}, {"text": f"9 + {number} = 0", "rating": -1}] for number, step in enumerate(steps)]
        made = [{"completions": own, "human_completion": None, "chosen_completion": 0} for own in both]
        question = {"problem": problem.question, "ground_truth_answer": problem.answer}
        rows.append({"question": question, "label": {"steps": made, "finish_reason": "solution"}})
    _jsonl(folder / "prm800k.jsonl", rows)
    for name, some in (("processbench", problems[:12]), ("tuning", problems[12:])):
        solutions = [(problem, ABEL.split(problem.solution)) for problem in some]
        _jsonl(
            folder / f"{name}.jsonl",
            (
                {"id": str(i), "generator": "g", "problem": problem.question, "steps": steps, "label": i % 3 - 1}
                for i, (problem, steps) in enumerate(solutions)
            ),
        )
    chats = [
        {"messages": [{"role": "user", "content": row["question"]}, {"role": "assistant", "content": row["answer"]}]}
        for row in gsm8k(900, 12)
    ]
    _jsonl(folder / "chats.jsonl", chats)
    _jsonl(folder / "prompts.jsonl", ({"prompt": row["question"]} for row in gsm8k(900, 4)))
    disable_progress_bars()
    pairs = [{"prompt": row["question"] + "\n", "chosen": row["answer"], "rejected": "#### 1"} for row in gsm8k(950, 8)]
    Dataset.from_list(pairs).to_parquet(str(folder / "pairs.parquet"))
    for number in (1, 2):
        _jsonl(folder / f"round{number}.jsonl", ({"text": row["answer"]} for row in gsm8k(1000 * number, 20)))
    puzzles = ("1 2 3 4", "2 3 4 6", "3 4 5 9", "1 1 4 6", "4 4 6 8", "2 2 2 3")
    lines = [f"{901 + i},{puzzle}" for i, puzzle in enumerate(puzzles)]
    (folder / "24.csv").write_text("\n".join(["Rank,Puzzles", *lines]) + "\n")


def answer(model: Any, chat: Sequence[Any]) -> str:
    """What the endpoint says: a judge's verdict, a refinement, or a turn in a dialogue."""
    told, asked = chat[0]["content"], chat[-1]["content"]
    if "strict examiner" in told:
        last = asked.split("Step ")[-1]
        return json.dumps({"correct": len(last) % 3 != 0, "justification": "this does not help"})
    if "<thought>" in told:
        draft, _, rest = asked.partition("Draft:\n")[2].partition("\n\nEnd the text with this line:\n")
        lines = (re.sub(r"^\d+\. ", "", line) for line in draft.splitlines())
        steps = ["Wait, this is wrong." if "here they notice" in line else line for line in lines if "(wrong:" not in line]
        return f"<thought>Consider {chr(10).join(steps)}\nTherefore\n{rest.strip()}</thought>"
    if question := re.search(r"On day (\d+) Ann", told):
        (row,) = gsm8k(int(question[1]), 1)
        if "next step" in told:
            shown = told.partition("Steps so far:")[2]
            lines = re.sub(r"<<.*?>>", "", row["answer"]).splitlines()
            return lines[0] if not re.search(r"^1\. ", shown, re.MULTILINE) else "\n".join(lines[1:])
        if "teacher who watches" in told:
            return "Verdict: go on\nGood."
    return model([chat])[0] or "I do not know."
