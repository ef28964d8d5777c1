"""Worked examples of a protocol: of lm-evaluation-harness's task files, of a benchmark's own files, or of a file of yours.

None is written down here: a shot that was typed anew is another protocol. Files of Python code are read, never run.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import itertools
import os
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jorney import storage
from jorney.domain.choice_of_options import LETTERS
from jorney.domain.problem import Problem
from jorney.rows import published_sets
from jorney.rows.readers.rules import RowRules
from jorney.rows.sources import read_rows
from jorney.solve.benchmarks.task_protocol import LIKELIHOOD, ProtocolConfig, Shot, TaskProtocol

HARNESS = "lm-eval:"  # a task's YAML, or file.py:FUNCTION, below lm-evaluation-harness's tasks
SPLIT = "split:"  # of the benchmark itself
PROMPTS = "cot-prompts"  # BIG-Bench Hard's
EXEMPLARS = "exemplars"  # MGSM's
_QUESTION = ("question", "problem", "input", "text", "prompt")
_SOLUTION = ("target", "solution", "code", "answer")
_STEP_BY_STEP = "\nA: Let's think step by step.\n"


def read(protocol: TaskProtocol, source: str, subset: str = "", otherwise: ProtocolConfig | None = None) -> TaskProtocol:
    """The protocol with its shots.

    Args:
      source: where the problems lie: their own files stand beside them.
      subset: of the problems.
      otherwise: what was stated by hand, and stays whatever the shots bring along.

    Raises:
      FileNotFoundError, ValueError: there are none, or not as many; says where they can be had.
    """
    if not protocol.shots:
        return dataclasses.replace(protocol, worked=())
    name = protocol.shots
    if name == PROMPTS:
        protocol, found = _prompts(protocol, source, subset)
    elif name == EXEMPLARS:
        protocol, found = _exemplars(protocol, source, subset, otherwise or ProtocolConfig())
    elif name.endswith(".py"):
        return _written_out(protocol, name)
    else:
        found = [_shot(protocol, row, name) for row in itertools.islice(_rows(name, source, subset), protocol.count)]
    if not found or (protocol.count is not None and len(found) < protocol.count):
        raise ValueError(f"{name}: {len(found)} shots: expected {protocol.count or 'at least one'} (--protocol.count)")
    return dataclasses.replace(protocol, worked=tuple(found[: protocol.count]))


def _rows(name: str, source: str, subset: str) -> Iterator[Mapping[str, Any]]:
    if name.startswith(HARNESS):
        return iter(_of_harness(name.removeprefix(HARNESS).replace("{subset}", subset)))
    place = sibling(source, name.removeprefix(SPLIT)) if name.startswith(SPLIT) else name
    return (row for _, row in read_rows(place))


def sibling(source: str, split: str) -> str:
    """Where another split of the same set lies."""
    if source.startswith("tfds:") or not storage.follow(source).exists():
        return f"{source.rpartition('@')[0] or source}@{split}"
    path = pathlib.PurePosixPath(source)
    own = path.name.split(".")[0]
    for name in (split, path.name.replace("test", split)):
        beside = path.with_name(name if "." in name else path.name.replace(own, name, 1))
        if beside != path and storage.follow(os.fspath(beside)).exists():
            return os.fspath(beside)
    raise FileNotFoundError(
        f"{path.with_name(path.name.replace(own, split, 1))}: no such file, of which shots are read: expected it beside "
        f"{path.name}, or --protocol.shots FILE (none for no shots)"
    )


def _shot(protocol: TaskProtocol, row: Mapping[str, Any], place: str) -> Shot:
    """The shot of a row: as its problem would be asked, and its solution as it was published."""
    if published_sets.is_choice(dict(row)):
        return _choice(protocol, dict(row), place)
    question = next((row[name] for name in _QUESTION if isinstance(row.get(name), str)), None)
    solution = next((str(row[name]) for name in _SOLUTION if isinstance(row.get(name), str | int | float)), None)
    if question is None or solution is None:
        raise ValueError(f"{place}: a row of {', '.join(row)}: expected {' or '.join(_QUESTION)}, and {' or '.join(_SOLUTION)}")
    meta: dict[str, Any] = {name: value for name, value in row.items() if isinstance(value, str)}
    if isinstance(row.get("test_list"), list):
        meta["tests"] = "\n".join(row["test_list"])
        solution += "\n[DONE]"
    return Shot(protocol.ask(Problem("shot", question, "", meta=meta)), solution)


def _choice(protocol: TaskProtocol, row: dict[str, Any], place: str) -> Shot:
    """A row of ARC or CommonsenseQA: its right option, as it is scored, or as a text would say it."""
    ((_, made),) = published_sets.choices(iter([(place, row)]), RowRules().pass_over)
    problem = Problem("shot", made["question"], made["answer"], verifier=made["verifier"], meta=made["meta"])
    text = made["meta"]["options"][LETTERS.index(problem.answer)] if protocol.scored == "text" else problem.answer
    return Shot(protocol.ask(problem), text if protocol.by == LIKELIHOOD else f"The answer is ({problem.answer}).")


def _written_out(protocol: TaskProtocol, name: str) -> TaskProtocol:
    """Shots that stand as one text in a program, `few_shot_prompt = ...`, as DeepSeekMath's do."""
    file = storage.follow(name)
    if not file.exists():
        raise FileNotFoundError(f"{name}: no such file")
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and "few_shot_prompt" in {getattr(one, "id", "") for one in node.targets}:
            value = (
                node.value.func.value if isinstance(node.value, ast.Call) and hasattr(node.value.func, "value") else node.value
            )
            text = str(ast.literal_eval(value)).strip()
            return dataclasses.replace(protocol, before=f"{text}{protocol.between}", worked=())
    raise ValueError(f"{name}: expected few_shot_prompt = and a text, as in DeepSeek-Math's few_shot_prompts/*.py")


def _of_harness(name: str) -> Sequence[Mapping[str, Any]]:
    file, _, function = name.partition(":")
    path = _tasks(file) / file
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file: expected a version of lm-eval that has it, or --protocol.shots FILE")
    if function:
        return _returned(path, function)
    samples: Sequence[Mapping[str, Any]] = _yaml(path)["fewshot_config"]["samples"]
    return samples


def _tasks(file: str) -> pathlib.Path:
    found = importlib.util.find_spec("lm_eval")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(
            f"the shots are read from lm-evaluation-harness's {file}, which is not here: "
            "pip install 'jorney[eval]', or --protocol.shots FILE (none for no shots)"
        )
    return pathlib.Path(next(iter(found.submodule_search_locations))) / "tasks"


def _yaml(path: pathlib.Path) -> Any:
    """A task's file; what it would call is left out."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
    return yaml.load(path.read_text(encoding="utf-8"), Loader)


def _returned(path: pathlib.Path, function: str) -> Sequence[Mapping[str, Any]]:
    """What a function of a file gives, where that is written out in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    found: Sequence[Mapping[str, Any]] = ast.literal_eval(inner.value)
                    return found
    raise ValueError(f"{path}: expected a function {function} that returns a list")


def _prompts(protocol: TaskProtocol, source: str, subset: str) -> tuple[TaskProtocol, list[Shot]]:
    """BIG-Bench Hard's prompts: beside the problems' file, else as lm-evaluation-harness has them, which are the same."""
    folder = storage.follow(source)
    beside = [folder / PROMPTS, folder.parent / PROMPTS, folder.parent.parent / PROMPTS] if folder.exists() else []
    file = next((one for place in beside if (one := place / f"{subset}.txt").exists()), None)
    if file is None:
        task = f"bbh/cot_fewshot/{subset}.yaml"
        found = _yaml(_tasks(task) / task)
        shots = [(one["input"], one["target"]) for one in found["fewshot_config"]["samples"]]
        before = found["description"]
    else:
        text = file.read_text(encoding="utf-8").partition("-----\n")[2].rstrip("\n")
        before, *blocks = re.split(r"(?:(?<=\n\n)|^)Q: ", text)
        shots = []
        for block in blocks:
            question, found_, solution = block.partition(_STEP_BY_STEP)
            if not found_:
                raise ValueError(f"{file}: a block without {_STEP_BY_STEP.strip()!r}: expected BIG-Bench Hard's prompt")
            shots.append((question, solution.removesuffix("\n\n")))
    asked = [Shot(protocol.ask(Problem("shot", question, "")), solution) for question, solution in shots]
    return dataclasses.replace(protocol, before=f"{protocol.before}{before}"), asked


def _exemplars(protocol: TaskProtocol, source: str, subset: str, otherwise: ProtocolConfig) -> tuple[TaskProtocol, list[Shot]]:
    """MGSM's, with the words of their language before question and answer, which the protocol takes over."""
    folder = storage.follow(source)
    file = folder.parent / "exemplars.py" if folder.exists() else None
    if file is not None and file.exists():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        value = next(
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and "MGSM_EXEMPLARS" in {getattr(one, "id", "") for one in node.targets}
        )
        own = ast.literal_eval(value)[subset]
        pairs = [(own[name]["q"], own[name]["a"]) for name in sorted(own, key=int)]
    elif file is not None:
        raise FileNotFoundError(f"{file}: no such file: expected MGSM's exemplars beside its tables (--protocol.shots none)")
    else:
        pairs = [(row["question"], row["answer"]) for _, row in read_rows(sibling(source, "train"))]
    before, behind = (_word(own) for own in zip(*pairs, strict=True))
    if not before or not behind:
        raise ValueError(f"{source}: exemplars of {subset}: expected questions and answers that begin with a word and a colon")
    protocol = dataclasses.replace(
        protocol,
        prompt=otherwise.prompt or f"{before}{{question}}\n{behind.rstrip()}",
        join=behind[len(behind.rstrip()) :] or " ",
        stops=protocol.stops if otherwise.stops else (f"\n{before.strip()}",),
    )
    shots = [Shot(f"{question}\n{behind.rstrip()}", answer.removeprefix(behind)) for question, answer in pairs]
    return protocol, shots


def _word(texts: Sequence[str]) -> str:
    """What all begin with, up to the first colon and the space behind it ("Question: "); "" where they do not."""
    found = re.match(r"[^:：]*[:：]\s*", texts[0])
    return found[0] if found and all(text.startswith(found[0]) for text in texts) else ""
