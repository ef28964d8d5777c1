"""PRM800K (Lightman et al., arXiv 2305.20050): rows of labelled steps -> problems with one right solution each.

This is the paper's phase 1 set `prm800k`: one correct step-by-step solution a question, left out if it misses the answer.
"""

from __future__ import annotations

from typing import Any

from jorney.rows.sources import Row, Rows
from jorney.text.step_format import ABEL

_ANSWER = "# Answer"  # in a solution's last step, the answer below it


def is_prm800k(row: Row) -> bool:
    """Whether a row has the published schema."""
    return isinstance(row.get("question"), dict) and isinstance(row.get("label"), dict) and "steps" in row["label"]


def solved(rows: Rows) -> Rows:
    """Rows of question, answer and solution (in Abel's format): of each question the first solution that is right.

    Right is one that was labelled to its end, none of its steps bad, and that states the known answer.

    Args:
      rows: as published, (place, row).

    Raises:
      ValueError: a row has another form; names its place and the field.
    """
    from jorney.domain.grading import Grader  # it reads problems itself
    from jorney.domain.problem import Problem, hash_id

    done: set[str] = set()
    with Grader() as grader:
        for place, row in rows:
            try:
                question, answer = row["question"]["problem"], row["question"]["ground_truth_answer"]
                steps = _chosen(row["label"]) if question not in done else None
            except (KeyError, TypeError, IndexError) as error:
                raise ValueError(
                    f"{place}: expected PRM800K's question and label, got {type(error).__name__}: {error}"
                ) from None
            if steps is None:
                continue
            last, mark, stated = steps[-1].partition(_ANSWER)
            if not mark or not answer or not grader.grade(Problem("", question, answer), f"#### {stated.strip()}").correct:
                continue
            done.add(question)
            solution = ABEL.write([" ".join(step.split()) for step in (*steps[:-1], last)], answer)
            yield place, {"id": hash_id(question), "question": question, "answer": answer, "solution": solution}


def _chosen(label: dict[str, Any]) -> list[str] | None:
    """The texts of the steps that were taken; None where they lead nowhere, or one of them is bad."""
    if label["finish_reason"] != "solution":
        return None
    texts = []
    for step in label["steps"]:
        at = step["chosen_completion"]
        chosen = step["completions"][at] if at is not None else step["human_completion"]
        if chosen is None or chosen["rating"] == -1:
            return None
        texts.append(chosen["text"])
    return texts or None
