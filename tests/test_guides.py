"""The guides: every command is known and parses, every link leads somewhere, and the README stays one page."""

from __future__ import annotations

import itertools
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
from places import ROOT

from jorney.run import command_registry

sys.path.insert(0, str(ROOT / "tools"))
import draw_tree_and_journey
import run_guides

GUIDES = run_guides.guides()
COMMANDS = [command for guide in GUIDES for command in run_guides.commands(guide)]
_TRACKED = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
PAGES = sorted({*_TRACKED, *GUIDES, "CONTRIBUTING.md"})
# Folders of the checkout whose files are named in texts.
PLACES = ("jorney", "configs", "tests", "tools", "tpu_scripts", ".ci")


def name(command: run_guides.Command) -> str:
    return f"{command.guide}:{command.line}"


def jorney_words(command: run_guides.Command) -> list[str] | None:
    """The words of the `jorney` command line that a command is, or that it starts on a TPU; None for other programs."""
    words = list(itertools.takewhile(lambda word: word != ">", command.words()))
    if words[0] == "jorney":
        return words[1:]
    if re.fullmatch(r"tpu_scripts/(run|alone|generate)\.sh", words[0]):
        return words[1:]
    return None


def test_there_is_a_guide_in_every_room_that_has_commands() -> None:
    assert all((ROOT / guide).exists() for guide in GUIDES)
    assert {guide for guide in PAGES if guide.endswith("README.md")} <= set(GUIDES), "a guide that run_guides.py does not know"


@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_is_run_or_says_what_it_needs(guide: str) -> None:
    found = run_guides.commands(guide)
    assert found
    unknown = [f"line {command.line}: {command.text}" for command in found if not command.known]
    assert not unknown, "expected in SMALL or NEEDS of tools/run_guides.py"


def test_every_line_of_the_tables_is_of_some_command() -> None:
    """What a guide no longer has is dropped from the tool."""
    texts = [command.text for command in COMMANDS]
    used = {run_guides.longest(text, table) for table in (run_guides.SMALL, run_guides.NEEDS) for text in texts}
    assert set(run_guides.SMALL) | set(run_guides.NEEDS) <= used


@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_line_parses(guide: str) -> None:
    """The command is known and so are its options, with those of --small, too."""
    for command in run_guides.commands(guide):
        words = jorney_words(command)
        if words is None:
            program = next((word for word in command.words() if word.endswith((".py", ".sh"))), None)
            assert program is None or (ROOT / program).exists(), name(command)
            continue
        for extra in {"", command.small or ""}:
            if not command.text.startswith("tpu_scripts/"):
                words = [*words, *shlex.split(extra)]
            try:
                run_guides.parse(words)
            except ValueError as error:
                pytest.fail(f"{name(command)}: jorney {' '.join(words)}: {error}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("evaluat --limit 3", "unknown command 'evaluat'"),
        ("evaluate --limmit 3", "unknown option --limmit: did you mean --limit"),
        ("sft configs/nowhere.py", "configs/nowhere.py: no such file"),
        ("evaluate --limit three", "--limit"),
    ],
)
def test_a_wrong_command_line_does_not_parse(words: str, message: str) -> None:
    with pytest.raises((ValueError, OSError), match=message):
        run_guides.parse(words.split())


@pytest.mark.parametrize("page", PAGES)
def test_commands_named_in_the_text_exist(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    for name, rest in re.findall(r"`jorney ([a-z][\w-]*)([^`]*)`", text):
        assert any(name == one.partition(" ")[0] for one in command_registry.COMMANDS), f"jorney {name}"
        whole = [name, *shlex.split(rest)]
        if any(word.startswith(("--", "configs/")) for word in whole) and not re.search(r"[\[…]|--help", rest):
            run_guides.parse(whole)


def _heading_anchors(page: pathlib.Path) -> set[str]:
    """As GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    file = ROOT / page
    for target in re.findall(r"\]\(([^)\s]+)\)", file.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        where, _, anchor = target.partition("#")
        there = (file.parent / where).resolve() if where else file
        assert there.exists(), target
        assert there.is_relative_to(ROOT), target
        if anchor:
            assert anchor in _heading_anchors(there), target


@pytest.mark.parametrize("page", PAGES)
def test_paths_in_the_text_exist(page: str) -> None:
    """`tools/parity.py`, `tests/parity/`: from the checkout, or from the page's own folder."""
    file = ROOT / page
    for target in re.findall(rf"(?<![\w/.$-])((?:{'|'.join(map(re.escape, PLACES))})/[\w./-]*\w/?)(?![*<])", file.read_text()):
        assert (ROOT / target).exists() or list(ROOT.glob(f"{target}*")), f"{target} in {page}"


def test_the_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


def test_the_readme_has_one_table_of_results_and_the_test_command() -> None:
    text = (ROOT / "README.md").read_text()
    assert text.count("| accuracy, 95% interval |") == 1
    assert "\nmake test\n" in text
    # Both state the quickstart's figures.
    rows = [line for line in text.splitlines() if re.match(r"\| .*% \(.* to .*\) \|", line)]
    assert rows
    results = (ROOT / "configs" / "RESULTS.md").read_text()
    assert all(row in results for row in rows)


def test_the_picture_is_what_the_package_derives() -> None:
    assert (ROOT / "jorney" / "show" / "tree_and_journey.svg").read_text() == draw_tree_and_journey.draw()


def test_comments_and_lines_are_taken_apart(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_guides, "ROOT", tmp_path)
    indented = 'Text.\n\n    A="--x 1"\n    jorney a $A \\\n        --b "# c"   # d\n\nMore\n    text.\n\n'
    text = indented + "```sh\njorney e\n```\n```text\nno\n```\n"
    (tmp_path / "page.md").write_text(text)
    found = run_guides.commands("page.md")
    assert [(one.line, one.text) for one in found] == [(4, 'jorney a $A --b "# c"'), (11, "jorney e")]
    assert found[0].words() == ["jorney", "a", "--x", "1", "--b", "# c"]
