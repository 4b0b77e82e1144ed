"""Servers whose hook does what a request says, for tests that must know when it runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.conftest import RunningServer

COMMANDED = Path(__file__).resolve().parents[1] / "fixtures" / "models" / "commanded"
CSV = {"Content-Type": "text/csv"}
PATIENCE = 30.0


def eventually(holds: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Return as soon as it holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.01)


def row(command: str, value: float = 0) -> bytes:
    """A table that has the hook run one command."""
    return f"{command}\n{value:g}\n".encode()


@dataclass
class CommandedServer:
    """A running server and the folder that its hook and the test share."""

    server: RunningServer
    place: Path

    def send(self, command: str, value: float = 0) -> httpx.Response:
        """Have the hook run a command; the answer."""
        return self.server.post("/predict/", content=row(command, value), headers=CSV)

    def let_go(self, number: float) -> None:
        """Let every hook go on that waits for `number`."""
        (self.place / f"go-{number:g}").touch()

    @property
    def journal(self) -> list[str]:
        """What hooks have noted so far, such as `begin 123`."""
        path = self.place / "journal"
        return path.read_text().splitlines() if path.exists() else []

    def wait_for_begin(self, count: int) -> int:
        """Return when so many hooks have begun; the process of the last one."""

        def begins() -> list[str]:
            return [line for line in self.journal if line.startswith("begin")]

        eventually(lambda: len(begins()) >= count, "the hook begins")
        return int(begins()[count - 1].split()[1])

    def begun(self) -> int:
        """How many hooks have begun."""
        return sum(line.startswith("begin") for line in self.journal)

    @property
    def figures(self) -> dict[str, Any]:
        """The queue in `/stats/`, of the worker that answers."""
        queue: dict[str, Any] = self.server.get("/stats/").json()["server"]["queue"]
        return queue


def is_alive(pid: int) -> bool:
    """Is there a process of that id?"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
