"""The page as Streamlit runs it, without a browser: every view opens, controls and the address say the same."""

from __future__ import annotations

import json
import os

import pytest
import viewed

testing = pytest.importorskip("streamlit.testing.v1", reason="needs the extra [view]")


def told(page: testing.AppTest) -> str:
    """All that is said, but for the panes."""
    elements = [*page.markdown, *page.caption, *page.info, *page.error, *page.sidebar.markdown, *page.warning]
    return "\n".join(one.value for one in elements).replace("\\", "")  # without what keeps Markdown inert


def control(page: testing.AppTest, label: str):
    found = [*page.selectbox, *page.text_input, *page.multiselect, *page.button, *page.slider, *page.toggle]
    return next(one for one in found if one.label == label)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"of": "trees", "node": "3", "tab": "Steps"},
        {"of": "trees", "row": "p3", "tab": "Thoughts", "node": "4"},
        {"of": "trees", "tab": "Outputs"},
        {"of": "trees", "tab": "Copy"},
        {"of": "trees", "root": "1", "fold": "2", "opened": ["1", "99"], "node": "99"},
        {"of": "journey"},
        {"of": "evaluate_a"},
        {"view": "compare"},
        {"view": "judges", "of": "trees"},
        {"view": "training", "figures": ["loss"], "log": "True"},
        {"view": "nowhere", "of": "nothing", "node": "-1", "numbers": "{", "page": "1000"},
        {"view": "training", "smooth": "0.995"},
        {"of": "trees", "numbers": '{"nodes": [1' + "0" * 400 + ", null]}"},
        {"of": "trees", "numbers": "[" * 3000},
        {"of": "trees", "sort": "random", "seed": "-1"},
        {"view": "compare", "beside": ["evaluate_a", "evaluate_a", "evaluate_b"]},
    ],
)
def test_every_view_opens(opened, params) -> None:
    assert not opened(**params).error


def test_where_one_begins(opened) -> None:
    page = opened()
    assert control(page, "Rows of").value == "trees"
    assert "**27 of 27** trees" in told(page)
    assert "1 of 27; page 1 of 3" in told(page)


def test_a_filter_goes_into_the_address(opened) -> None:
    page = opened(of="trees")
    control(page, "Search (a regular expression)").set_value("33 is not 20").run()
    assert "**12 of 27** trees" in told(page)
    assert page.query_params["pattern"] == "33 is not 20"
    control(page, "After").click().run()
    assert page.query_params["row"] == "p1"
    control(page, "All of them").click().run()
    assert "**27 of 27** trees" in told(page)
    assert "pattern" not in page.query_params


def test_a_pattern_that_is_none_is_told(opened) -> None:
    page = opened(of="trees", pattern="(a")
    assert [one.value for one in page.error if "regular expression" in one.value]


def test_a_row_that_is_not_there_is_told(opened) -> None:
    assert "p77 is not among the rows: this is the first of them" in told(opened(of="trees", row="p77"))
    page = opened(of="trees", row="p3", pattern="script")
    assert "p3 is not among those that fit" in told(page)


def test_a_verdict_goes_into_a_file_of_its_own(opened, run, tmp_path) -> None:
    before = (run / "trees.jsonl").read_bytes()
    page = opened(of="trees", row="p1", node="4")
    control(page, "Why (optional)").set_value("9 - 4 is a waste").run()
    control(page, "Wrong").click().run()
    assert "Your verdict: **wrong**" in told(page)
    line = json.loads((tmp_path / "verdicts.jsonl").read_text())
    assert {name: line[name] for name in ("tree", "node", "before", "rating", "note")} == {
        "tree": "p1", "node": 4, "before": 1, "rating": -1, "note": "9 - 4 is a waste",
    }  # fmt: skip
    control(page, "Take back").click().run()
    assert "The judge's verdict: right" in told(page)
    assert (run / "trees.jsonl").read_bytes() == before


def test_a_verdict_that_cannot_be_written_is_told(opened, tmp_path) -> None:
    page = opened(of="trees", row="p1", node="4")
    (tmp_path / "verdicts.jsonl").write_text('{"id": "q", "question": "of somebody else"}\n')
    control(page, "Wrong").click().run()
    assert not page.exception
    assert "The verdict is not written: " in told(page)
    assert "expected a file of verdicts, or none" in told(page)
    assert (tmp_path / "verdicts.jsonl").read_text().count("\n") == 1


def test_verdicts_are_taken_away_as_labels_and_as_ratings(opened, run) -> None:
    page = opened(of="trees", row="p1", node="4")
    control(page, "Wrong").click().run()
    for form, rows in (("my labels", 1), ("my trees", 1)):
        control(page, "As").set_value(form).run()
        control(page, "Make it").click().run()
        assert f"{rows} rows of {rows}" in told(page)


def test_of_attempts_each_counts(opened, tmp_path) -> None:
    """By the majority only B is right, by the first attempt neither, by any both."""
    for name, verdicts in (("a", [False, False, True]), ("b", [False, True, True])):
        row = {"id": "p", "answers": ["1", "2", "3"], "correct": verdicts, "tokens": [1, 1, 1]}
        viewed.append(tmp_path / f"{name}.jsonl", row)
    files = [os.fspath(tmp_path / f"{name}.jsonl") for name in "ab"]
    for how, key in (("majority", "01"), ("first", "00"), ("any", "11")):
        page = opened(files, view="compare", how=how, quadrant=key)
        assert not page.error
        assert "1 of 1; page 1 of 1" in told(page), how


def test_quadrants_are_listed(opened) -> None:
    page = opened(view="compare", beside=["evaluate_a", "evaluate_b"], quadrant="10")
    # Of 27, the even ones that three does not divide: 2, 4, 8, 10, 14, 16, 20, 22, 26.
    assert "1 of 9; page 1 of 1" in told(page)


def test_what_is_filtered_is_taken_away(opened) -> None:
    page = opened(of="trees", pattern="33 is not 20")
    control(page, "As").set_value("shortcut").run()
    control(page, "Make it").click().run()
    assert "12 rows of 12" in told(page)
    assert any("jorney derive --trees" in one.value for one in page.code)


def test_bad_lines_are_named_and_what_is_no_tree_says_why(opened, tmp_path) -> None:
    file = tmp_path / "trees.jsonl"
    wrong = {"id": "q", "question": "?", "nodes": [{"parent": None}, {"parent": 7}]}
    viewed.append(file, viewed.tree(0).to_json(), "{no json\n", wrong)
    page = opened([os.fspath(file)], row="q")
    assert any(f"{file}:2" in one.value for one in page.text)
    assert [one.value for one in page.error if "tree 'q'" in one.value.replace("\\", "")]


def test_values_of_files_are_no_markdown(opened, tmp_path) -> None:
    file = tmp_path / "trees.jsonl"
    levels = ("![x](http://a.b/c.png)", "$x$")
    viewed.append(file, *({**viewed.tree(n).to_json(), "meta": {"level": one}} for n, one in enumerate(levels)))
    page = opened([os.fspath(file)])
    shown = next(one.options for one in page.get("button_group") if one.label == "Level")
    assert sorted(shown) == ["\\!\\[x\\]\\(http\\://a\\.b/c\\.png\\) (1)", "\\$x\\$ (1)"]


def test_come_back_here_says_all_that_was_asked_for(opened, tmp_path) -> None:
    (words,) = [one.value for one in opened(of="trees", row="p1").code if one.value.startswith("jorney view")]
    assert f"--verdicts {tmp_path / 'verdicts.jsonl'}" in words
    assert words.endswith("--at 'of=trees&row=p1'")


def test_nothing_is_written_into_the_run(opened, run) -> None:
    files = sorted(map(os.fspath, run.rglob("*")))
    opened(view="judges", of="trees")
    assert sorted(map(os.fspath, run.rglob("*"))) == files
