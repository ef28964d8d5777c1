"""report.html and report.md: whole, self-contained, and deaf to what the models wrote."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt  # rich needs it, so it is always there

from jorney.show import Sample, SampleOutput, markdown, page, report_page

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Every element with its attributes and text; fails on tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict, list[str]]] = []
        self.elements: list[tuple[str, dict, list[str]]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        element = (tag, dict(attrs), [])
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, _, texts in self.open:
            texts.append(data)

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes, _ in self.elements if name == tag]

    def texts(self, tag: str) -> list[str]:
        return ["".join(texts) for name, _, texts in self.elements if name == tag]


@pytest.fixture
def html(report, samples) -> str:
    return page.html(report_page.document(report, samples))


@pytest.fixture
def parsed(html) -> Page:
    return Page(html)


def test_page_is_self_contained(html, parsed):
    for _, attributes, _ in parsed.elements:
        for name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
        assert not [name for name in attributes if name.startswith("on")]
    assert not {"script", "iframe", "object", "embed", "base", "form", "img"} & {tag for tag, _, _ in parsed.elements}
    (style,) = parsed.texts("style")
    assert "@import" not in style
    assert "url(" not in style
    assert set(re.findall(r"url\((.)", html)) <= {"#"}
    # The only address is in what a model wrote, and it is text.
    assert re.findall(r"https?://[^\s&]*", html) == ["http://example.com/x"]
    policy = next(a["content"] for a in parsed.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


def test_page_is_accessible(parsed):
    assert parsed.all("html") == [{"lang": "en"}]
    assert parsed.texts("title") == parsed.texts("h1") == ["Jorney quickstart"]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in parsed.all("meta")
    ids = [attributes["id"] for _, attributes, _ in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes, _ in parsed.elements:
        assert attributes.get("aria-labelledby", ids[0]) in ids
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in ids
    captions = [attributes["id"] for attributes in parsed.all("p") if attributes.get("class") == "caption"]
    assert [attributes["aria-labelledby"] for attributes in parsed.all("table")] == captions
    assert len(captions) == 4
    assert all(attributes["scope"] in ("col", "row") for attributes in parsed.all("th"))
    drawings = parsed.all("svg")
    assert [a["class"] for a in drawings] == ["wide", "narrow"] * 3
    assert all(a["role"] == "img" and a["aria-label"].endswith(".") for a in drawings)
    assert "SFT phase 1 41.3% (38.3% to 44.4%, n = 1,000)" in drawings[0]["aria-label"]


def test_page_says_the_result_first(parsed):
    lead, facts = parsed.texts("p")[:2]
    assert lead == "SFT phase 1 moved accuracy from 0.3% to 41.3% (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}1,000)."
    assert facts == "Problems: 10,000 train, 1,000 test. Seed 0."
    assert parsed.texts("h2") == ["Accuracy", "Training", "What the models wrote", "Time", "Environment"]
    assert "1,061.7" in parsed.texts("td")
    assert any("412 were solved only by SFT phase 1" in text for text in parsed.texts("p"))


def test_right_and_wrong_are_words(parsed):
    marks = [text for text in parsed.texts("p") if "✓" in text or "✗" in text]
    assert marks == [
        "Base model: ✗ wrong, no answer",
        "SFT phase 1: ✓ right",
        "Base model: ✗ wrong, <script>17</script> is not `24`\n# 24",
    ]
    assert "It wrote nothing." in parsed.texts("p")


def test_page_shows_untrusted_text_as_text(parsed, samples):
    hostile = samples[1].outputs["base"].text
    assert parsed.texts("pre")[1].lstrip("\n") == hostile.replace("\x1b", "\u241b").replace("\x00", "\u2400")
    assert samples[1].question in parsed.texts("p")
    assert "Right answer: 2 | <i>*two*</i>" in parsed.texts("p")
    assert not {"b", "i"} & {tag for tag, _, _ in parsed.elements}


def test_names_and_values_of_the_report_are_escaped_too(report):
    evil = '"><script>alert(1)</script>&'
    report["name"] = evil
    report["models"][evil] = report["models"].pop("sft_phase1")
    report["training"] = {evil: report["training"]["sft_phase1"]}
    report["comparisons"][0]["a"] = evil
    report["problems"][evil] = 3
    report["seed"] = evil
    report["environment"][evil] = evil
    report["seconds"][evil] = 1
    parsed = Page(page.html(report_page.document(report, [Sample(evil, evil, {evil: SampleOutput(evil, True, evil)})])))
    assert not parsed.all("script")
    assert parsed.texts("h1") == [f"Jorney {evil}"]
    assert all(attributes["aria-label"] for attributes in parsed.all("pre"))
    text = markdown.text(report_page.document(report, [Sample(evil, evil, {evil: SampleOutput(evil, True, evil)})]))
    assert not markup(MarkdownIt().enable("table").parse(text))


def test_a_line_break_that_begins_a_text_is_kept(report):
    html = page.html(report_page.document(report, [Sample("q", "a", {"base": SampleOutput("\nsecond", True)})]))
    assert ">\n\nsecond</pre>" in html  # of two, the parser of a browser drops one


def markup(tokens) -> list[str]:
    """The Markdown tokens that would become HTML of somebody else's, or a link."""
    found = []
    for token in tokens:
        found += [token.type] if token.type in ("html_block", "html_inline", "link_open", "image") else []
        found += markup(token.children or [])
    return found


def test_markdown_shows_untrusted_text_as_text(report, samples):
    tokens = MarkdownIt().enable("table").parse(markdown.text(report_page.document(report, samples)))
    fences = [token.content for token in tokens if token.type == "fence"]
    hostile = samples[1].outputs["base"].text.replace("\x1b", "\u241b").replace("\x00", "\u2400")
    assert fences == [
        f"{samples[0].question}\n",
        f"{samples[0].outputs['sft_phase1'].text}\n",
        f"{samples[1].question}\n",
        f"{hostile}\n",
    ]
    assert not markup(tokens)
    headings = [after.content for token, after in itertools.pairwise(tokens) if token.type == "heading_open"]
    assert headings == [
        "Jorney quickstart",
        "Accuracy",
        "Training",
        "What the models wrote",
        "Problem 1",
        "Problem 2",
        "Time",
        "Environment",
    ]
    text = "".join(child.content for token in tokens for child in token.children or [])
    assert "Base model: ✗ wrong (<script>17</script> is not `24` # 24)" in text
    assert "Right answer: 2 | <i>*two*</i>" in text


@pytest.mark.parametrize("text", ["", "```", "`" * 9 + "\nx\n```", "~~~", "  ```\n", "a\n`````", "\u2028```"])
def test_no_text_closes_its_fence(text):
    tokens = MarkdownIt().parse(markdown.fenced(text) + "\n\n# after")
    assert [token.type for token in tokens] == ["fence", "heading_open", "inline", "heading_close"]
    assert tokens[0].content == f"{text}\n"


@pytest.mark.parametrize(
    "text",
    ["*a* _b_ `c` ~~d~~ <e> [f](g) ![h](i) &amp; \\ | # j $k$", "https://example.com", "www.example.com", "a@example.com"],
)
def test_escaped_text_reads_as_it_was(text):
    tokens = MarkdownIt().parse(f"x {markdown.escape(text)}")
    assert [child.type for child in tokens[1].children] == ["text"]
    assert tokens[1].children[0].content == f"x {text}"
    assert not re.search(r"(?<!\\)(https?://|www\.|@)", markdown.escape(text))


def test_markdown_tables(report):
    text = markdown.text(report_page.document(report, []))
    assert "| SFT phase 1 | 41.3% | 38.3–44.4% | 1,000 | 1,061.7 | 2,048 | 98.3% |" in text
    report["environment"]["git"] = "a | b"
    assert r"| Commit | a \| b |" in markdown.text(report_page.document(report, []))


def test_markdown_of_another_model_set(report):
    del report["comparisons"], report["training"], report["environment"], report["seconds"]
    text = markdown.text(report_page.document(report, []))
    assert [line for line in text.splitlines() if line.startswith("#")] == ["# Jorney quickstart", "## Accuracy"]
