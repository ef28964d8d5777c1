"""The page in a real browser, where there is one: CHROMIUM names it, or it is found by its usual names."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlparse

import pytest
import viewed

from jorney.run.commands.viewing import ViewCommand, free_port
from jorney.view.place import from_params

CHROMIUM = os.environ.get("CHROMIUM") or next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: expected one on the path, or its place in CHROMIUM"),
    pytest.mark.slow,  # two minutes
]
_FLAGS = ("--no-sandbox", "--single-process", "--no-zygote", "--disable-gpu", "--disable-dev-shm-usage")
WAIT = 30_000  # milliseconds


class Server:
    """The page's server on a run of its own."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.run, self.verdicts = viewed.run(folder / "run"), folder / "mine" / "verdicts.jsonl"
        port = free_port("127.0.0.1")
        command = ViewCommand((os.fspath(self.run),), os.fspath(self.verdicts), browser=False)
        self.address = f"http://127.0.0.1:{port}/"
        environment = {**os.environ, "XDG_CACHE_HOME": os.fspath(folder / "cache")}
        self.process = subprocess.Popen(command.program(port), env=environment, cwd=folder, stdout=subprocess.DEVNULL)
        for _ in range(600):
            try:
                urllib.request.urlopen(self.address + "_stcore/health").read()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the server does not answer")


class Page:
    """A page, and what it did that no page of ours may do."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address, self.wrong = page, address, []
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (self.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda one: None if one.url.startswith((address, "data:", "blob:")) else self.wrong.append(one.url))

    def open(self, at: str = "") -> None:
        self.page.goto(self.address + at)
        self.page.locator(".pane").first.wait_for()
        self.settled()

    def settled(self) -> None:
        """Waits until Streamlit has nothing more to do."""
        self.page.wait_for_timeout(300)
        self.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
        self.page.wait_for_timeout(200)

    def at(self) -> Any:
        """The place that the address says."""
        return from_params(parse_qs(urlparse(self.page.url).query))

    def until(self, text: str) -> None:
        self.page.get_by_text(text, exact=False).first.wait_for()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("viewed"))
    yield made
    made.process.terminate()
    assert made.process.wait(20) is not None


@pytest.fixture
def page(server: Server) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[*_FLAGS])
        opened = Page(browser.new_page(viewport={"width": 1280, "height": 1000}), server.address)
        yield opened
        assert not opened.wrong
        browser.close()


def test_a_search_leaves_the_rows_that_hold_it_and_stands_in_the_address(page: Page) -> None:
    page.open("?of=run/trees")
    page.page.get_by_text(re.compile(r"\d+ of \d+")).first.wait_for()
    box = page.page.get_by_label("Search (a regular expression)")
    box.fill("33 is not 20")
    box.press("Enter")
    page.settled()
    page.until("12 of ")
    assert page.at().query.pattern == "33 is not 20"
    box.fill("(a+")
    box.press("Enter")
    page.settled()
    page.until("no regular expression")


def test_a_click_on_a_piece_goes_to_its_node_and_a_link_comes_back_there(page: Page, server: Server) -> None:
    page.open("?of=journey&row=p3")
    piece = page.page.locator(".piece.excursion").first
    node = piece.get_attribute("data-of")
    piece.click()
    page.settled()
    assert page.at().node == int(node)
    assert page.page.locator("svg [aria-current]").get_attribute("data-node") == node
    link = page.page.url.removeprefix(server.address)
    page.open("?view=training")
    page.open(link)
    assert page.page.locator("svg [aria-current]").get_attribute("data-node") == node
    assert page.page.get_by_role("button", name="p3", exact=True).get_attribute("aria-pressed") == "true"
    page.page.go_back()
    page.settled()


def test_a_tree_is_walked_by_keyboard(page: Page) -> None:
    page.open("?of=trees&row=p2&node=1")
    page.page.locator("svg [aria-current]").focus()
    page.page.keyboard.press("ArrowDown")
    page.page.wait_for_timeout(600)
    page.settled()
    assert page.at().node == 2
    page.page.keyboard.press("ArrowUp")
    page.page.keyboard.press("ArrowRight")
    page.page.wait_for_timeout(600)
    page.settled()
    assert page.at().node == 4
    page.page.keyboard.press("w")
    page.page.wait_for_timeout(600)
    page.settled()
    assert page.page.locator("svg [aria-current] .node.wrong").count() == 1
    page.page.keyboard.press("j")  # the row after, though the tree has the focus
    page.settled()
    assert page.at().row == "p3"


def test_a_verdict_is_written_by_one_key_and_taken_back(page: Page, server: Server) -> None:
    page.open("?of=trees&row=p1&node=1")
    page.page.locator('svg [data-node="4"]').click()  # it has the focus then
    page.settled()
    page.page.keyboard.press("3")
    page.until("Your verdict: wrong")
    line = json.loads(server.verdicts.read_text().splitlines()[-1])
    assert (line["tree"], line["node"], line["before"], line["rating"]) == ("p1", 4, 1, -1)
    page.page.keyboard.press("0")
    page.until("The judge's verdict: right")
    assert json.loads(server.verdicts.read_text().splitlines()[-1])["undo"] == line["relabel"]


@pytest.mark.parametrize("view", ["of=trees&node=1", "of=trees&tab=Steps&node=1", "of=trees&tab=Copy", "of=trees&tab=Outputs"])
def test_hostile_texts_stay_inert(page: Page, view: str) -> None:
    for one in viewed.hostile_trees():
        page.page.goto(f"{page.address}?{view}&row={quote(one.id.encode(errors='replace').decode())}")
        page.page.locator(".pane").first.wait_for()
        page.settled()
        found = page.page.evaluate(
            """() => [...document.querySelectorAll("*")].filter((one) => one.shadowRoot).flatMap((one) =>
              [...one.shadowRoot.querySelectorAll("script, iframe, img, [onmouseover], [onerror], a[href^=javascript]")])
              .length"""
        )
        assert found == 0
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.mark.parametrize(
    "view", ["", "of=trees&node=2", "of=journey&node=2", "of=evaluate_a", "view=compare", "view=judges", "view=training"]
)
def test_a_phone_shows_every_view_without_scrolling_to_the_side(page: Page, view: str) -> None:
    page.page.set_viewport_size({"width": 390, "height": 800})
    page.open(f"?{view}")
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.page.locator('[data-testid="stException"]').count() == 0


def test_a_file_that_grows_is_noticed_and_a_bad_line_named(page: Page, server: Server) -> None:
    page.open("?of=trees")
    before = int(page.page.get_by_text(re.compile(r"^\d+ of \d+$")).first.inner_text().split()[0])
    viewed.append(server.run / "trees.jsonl", viewed.tree(99).to_json(), "{no json\n")
    page.until(f"{before + 1} of {before + 1}")
    page.page.get_by_text("1 line could not be read").click()
    page.until(f"trees.jsonl:{before + 2}")


def test_the_table_and_the_worst_disagreements_leave_the_keys_to_the_page(page: Page, server: Server) -> None:
    page.open("?of=trees&row=p1")
    page.page.get_by_role("button", name="p4", exact=True).click()
    page.settled()
    page.page.keyboard.press("j")
    page.settled()
    assert page.at().row == "p5"
    right = viewed.tree(50)
    erring = dataclasses.replace(
        right, nodes=(*right.nodes[:4], dataclasses.replace(right.nodes[4], rating=-1), *right.nodes[5:])
    )
    viewed.append(server.run / "erring.jsonl", erring.to_json())
    page.page.wait_for_timeout(7_000)  # until it is noticed
    page.open("?view=judges&of=erring")
    page.page.locator("[data-go^=judged]").first.click()
    page.settled()
    page.page.keyboard.press("2")
    page.until("Your verdict: neutral")
    assert json.loads(server.verdicts.read_text().splitlines()[-1])["rating"] == 0
    page.page.keyboard.press("0")
    page.until("The judge's verdict")


def test_quadrants_lead_to_their_problems(page: Page) -> None:
    page.open("?view=compare&beside=evaluate_a&beside=evaluate_b")
    page.page.get_by_role("button", name="only evaluate_a").click()
    page.settled()
    assert page.at().quadrant == "10"
    page.until("p2")
    assert page.page.get_by_role("button", name="p0", exact=True).count() == 0  # both


def test_memory_stays_flat_over_two_hundred_pages(page: Page, server: Server) -> None:
    def resident() -> int:
        status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    page.open("?of=trees")
    taken = []
    for turn in range(240):
        if turn == 40:
            taken.append(resident())
        page.page.keyboard.press("j" if turn % 20 < 10 else "k")
        page.settled()
    taken.append(resident())
    assert taken[1] - taken[0] < 30_000  # kB


@pytest.mark.skipif(sys.platform != "linux", reason="signals")
def test_ctrl_c_ends_it(tmp_path: pathlib.Path) -> None:
    import signal

    run = viewed.run(tmp_path / "run")
    words = [
        sys.executable,
        "-m",
        "jorney",
        "view",
        os.fspath(run),
        "--no-browser",
        "--verdicts",
        os.fspath(tmp_path / "v.jsonl"),
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        line = process.stdout.readline()
        assert re.match(r"4 sets of rows and 1 training: http://127.0.0.1:\d+/ \(Ctrl-C ends it\)", line), line
        time.sleep(3)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) in (0, 130)
        assert "Traceback" not in process.stdout.read()
