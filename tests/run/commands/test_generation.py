"""`jorney generate`: printed, from a file, in a chat."""

from __future__ import annotations

import json

import pytest

from jorney import cli, storage
from jorney.policy import load
from jorney.run.commands.generation import asked_of, encoded, speaks

SHORT = ["--sampling.max-tokens", "8", "--sampling.rows", "4"]


def test_a_files_prompts_are_answered_in_their_order_and_never_twice(tmp_path, capsys) -> None:
    rows = [{"prompt": "Question:\nMake 24 from 3, 4, 5, 9.\n"}, {"question": "Make 10 from 1, 2, 3, 4."}]
    storage.write_jsonl(tmp_path / "prompts.jsonl", rows)
    line = ["generate", "--prompts-from", str(tmp_path / "prompts.jsonl"), "--output", str(tmp_path / "out"), *SHORT]
    assert cli.main([*line, "--sampling.w", "2"]) == 0
    found = [row for _, row in storage.read_jsonl(tmp_path / "out" / "completions" / "completions.jsonl")]
    assert [row["prompt"] for row in found] == ["Question:\nMake 24 from 3, 4, 5, 9.\n", "Make 10 from 1, 2, 3, 4."]
    assert [len(row["completions"]) for row in found] == [2, 2]
    assert all(0 < one["tokens"] <= 8 and one["log_prob"] < 0 for row in found for one in row["completions"])
    capsys.readouterr()
    assert cli.main([*line, "--sampling.w", "2"]) == 0
    assert "already done" in capsys.readouterr().out
    # What is printed for a prompt is what was written for it.
    assert cli.main(["generate", rows[0]["prompt"], *SHORT, "--sampling.w", "2"]) == 0
    printed = capsys.readouterr().out
    for one in found[0]["completions"]:
        assert rows[0]["prompt"] + one["text"] in printed


def test_prompts_are_said_once(capsys) -> None:
    assert cli.main(["generate"]) == 2
    assert "expected either TEXT..., or --prompts-from FILE" in capsys.readouterr().err
    assert cli.main(["generate", "a", "--prompts-from", "b.jsonl"]) == 2


def test_rows_that_ask() -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert asked_of({"prompt": "x", "question": "y"}, "p") == "x"
    assert asked_of({"messages": turns}, "p") == turns[:1]  # the answer is not given away
    with pytest.raises(ValueError, match=r"p: the columns are text: expected a prompt, a question, or messages"):
        asked_of({"text": "a"}, "p")


def test_a_chat_needs_a_template(mesh1) -> None:
    tokenizer = load(mesh=mesh1).tokenizer
    assert not speaks(tokenizer, "auto")
    with pytest.raises(ValueError, match="chat = 'yes': expected a tokenizer with a chat template"):
        speaks(tokenizer, "yes")
    with pytest.raises(ValueError, match="messages: expected a tokenizer with a chat template"):
        encoded(tokenizer, [{"role": "user", "content": json.dumps({})}], False)
