"""What a page has open: paths that go and come, files of unknown rows, rows without ids, what is read when it is asked for."""

from __future__ import annotations

import json
import os

import viewed

from jorney.view import opened as page_opened
from jorney.view.collection import index as indexes


def problems(*questions: str) -> list[dict[str, str]]:
    return [{"question": one, "answer": "1"} for one in questions]


def shown(page) -> str:
    """All that is said, but for the panes."""
    return "\n".join(one.value for one in (*page.caption, *page.info, *page.markdown)).replace("\\", "")


def button(page, label: str):
    return next(one for one in page.button if one.label == label)


def test_a_path_that_goes_is_named_and_the_page_lives(opened, tmp_path) -> None:
    stays, goes = tmp_path / "stays.jsonl", tmp_path / "goes.jsonl"
    for file in (stays, goes):
        viewed.append(file, viewed.tree(0).to_json())
    page = opened([os.fspath(stays), os.fspath(goes)], of="goes")
    assert not page.error
    goes.rename(tmp_path / "away")
    assert page_opened.look_again()
    assert not page_opened.look_again()
    page.run()
    assert not page.exception
    assert [one.value.replace("\\", "").partition(": ")[0] for one in page.error] == [os.fspath(goes)]
    assert "1 of 1; page 1 of 1" in shown(page)
    (tmp_path / "away").rename(goes)
    assert page_opened.look_again()
    page.run()
    assert not page.error


def test_a_new_page_on_a_path_that_is_gone_says_so(opened, tmp_path) -> None:
    file = tmp_path / "t.jsonl"
    page = opened([os.fspath(file)])
    assert len(page.error) == 1
    assert "no such file or folder" in page.error[0].value.replace("\\", "")
    assert "There are no rows." in shown(page)
    viewed.append(file, viewed.tree(0).to_json())
    assert page_opened.look_again()
    page.run()
    assert not page.error
    assert "1 of 1; page 1 of 1" in shown(page)


def test_unknown_rows_are_looked_at_once(opened, tmp_path, monkeypatch) -> None:
    (tmp_path / "rows.json").write_text(json.dumps([{"x": 1}]))
    viewed.append(tmp_path / "trees.jsonl", viewed.tree(0).to_json())
    looked = []
    peek = indexes.peek
    monkeypatch.setattr(page_opened, "peek", lambda one: (looked.append(one.name), peek(one))[1])
    page = opened([os.fspath(tmp_path)])
    page.run()
    page.run()
    assert looked.count("rows") == 1
    (tmp_path / "rows.json").write_text(json.dumps([{"x": 1}, {"x": 2}]))
    page.run()
    assert looked.count("rows") == 2


def test_rows_without_an_id_can_be_gone_to(opened, tmp_path) -> None:
    viewed.append(tmp_path / "t.jsonl", *problems("first", "second", "third"))
    page = opened([os.fspath(tmp_path / "t.jsonl")])
    button(page, "After").click().run()
    assert page.query_params["row"] == "#2"
    assert not button(page, "Before").disabled
    button(page, "Before").click().run()
    assert page.query_params["row"] == "#1"
    assert "is not among" not in shown(page)


def test_outputs_of_others_are_read_when_they_are_asked_for(opened, tmp_path) -> None:
    output = {"id": "a", "text": "t", "correct": True}
    viewed.append(tmp_path / "one.jsonl", output, {"text": "of whom?", "correct": True})
    viewed.append(tmp_path / "other.jsonl", output)
    page = opened([os.fspath(tmp_path)], of="one")
    assert [one.name for one in page_opened._indexes()] == ["one"]
    page.session_state["others"] = True
    page.run()
    assert [one.name for one in page_opened._indexes()] == ["one", "other"]
    page = opened([os.fspath(tmp_path)], of="one", row="#2")
    page.session_state["others"] = True
    page.run()
    assert "This row states no id" in shown(page)


def test_a_verdict_stands_at_its_tree_alone(opened, tmp_path) -> None:
    tree = viewed.tree(0).to_json()
    viewed.append(tmp_path / "t.jsonl", tree, tree)
    page = opened([os.fspath(tmp_path / "t.jsonl")], row="p0", node="4")
    button(page, "Wrong").click().run()
    assert "Your verdict: **wrong**" in shown(page)
    page = opened([os.fspath(tmp_path / "t.jsonl")], row="p0~2", node="4")
    assert "Your verdict" not in shown(page)
    button(page, "Right").click().run()
    assert "Your verdict: **right**" in shown(page)
    assert "Your verdict: **wrong**" in shown(opened([os.fspath(tmp_path / "t.jsonl")], row="p0", node="4"))
