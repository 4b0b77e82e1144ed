"""A headless Chromium for tests, and what they need of the status page in it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

#: no sandbox: root has none in a container; and nothing may be asked of other machines
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PATIENCE = 20


@contextmanager
def chromium(profile: Path) -> Iterator[Chrome]:
    """A browser with an empty profile in that folder; it keeps its console and its requests."""
    # environments of frameworks collect the tests without having it
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


class StatusPage:
    """The status page of one server in a browser."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        # what the console and the network told before belongs to other tests and to the empty tab
        driver.get("about:blank")
        driver.get_log("browser")
        driver.get_log("performance")
        driver.get(url)

    def run(self, script: str, *args: Any) -> Any:
        """What a script of one expression says."""
        return self.driver.execute_script(f"return ({script})", *args)

    def run_module(self, name: str, expression: str) -> Any:
        """What an expression says where `m` is a module of the page."""
        script = f"""const done = arguments[0];
            import(new URL("{name}", document.baseURI))
                .then(async (m) => done(await ({expression})))
                .catch((error) => done("ERROR " + error.stack));"""
        return self.driver.execute_async_script(script)

    def text(self, id: str) -> str:
        """The text of an element."""
        return str(self.run("document.getElementById(arguments[0])?.innerText ?? ''", id))

    def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until `condition` holds; its value."""
        end = time.monotonic() + PATIENCE
        while not (found := condition()):
            if time.monotonic() > end:
                pytest.fail(
                    f"waited in vain; the page shows:\n{self.run('document.body.innerText')}"
                )
            time.sleep(0.05)
        return found

    def until_state(self, state: str) -> None:
        """Wait for what the pill at the top says."""
        self.until(lambda: self.text("state") == state)

    def rows(self, body: str) -> list[list[str]]:
        """The texts of a table, by the id of its body."""
        texts = "(row) => [...row.cells].map((cell) => cell.innerText)"
        script = f"[...document.querySelectorAll(arguments[0])].map({texts})"
        found: list[list[str]] = self.run(script, f"#{body} tr")
        return found

    def route(self, name: str) -> list[str] | None:
        """The figures of one route, if it has been asked."""
        return next((row[1:] for row in self.rows("routes") if row[0] == name), None)

    def write(self, id: str, keys: str) -> None:
        """Press keys in an element."""
        self.driver.find_element("id", id).send_keys(keys)

    def click(self, id: str) -> None:
        """Click an element."""
        self.driver.find_element("id", id).click()

    def answer(self) -> list[list[str]]:
        """Wait for the table of an answer; its rows without the head and the row numbers."""
        return [row[1:] for row in self.until(lambda: self.rows("answer tbody"))]

    def is_clean(self) -> bool:
        """Has the console stayed empty, and has no text of the server become markup or code?"""
        complaints = [entry["message"] for entry in self.driver.get_log("browser")]
        images = self.run("[...document.images].map(i => i.getAttribute('src'))")
        scripts = self.run("document.scripts.length")
        return (complaints, images, scripts, self.run("window.pwned")) == (
            *([], ["icon.svg"]),
            *(1, None),
        )

    def requested(self) -> set[str]:
        """The addresses that the browser has asked for."""
        messages = [json.loads(e["message"]) for e in self.driver.get_log("performance")]
        return {
            m["message"]["params"]["request"]["url"]
            for m in messages
            if m["message"]["method"] == "Network.requestWillBeSent"
        }
